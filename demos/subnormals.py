# %% [markdown]
# # The step time of a long training
# Where a gradient stays 0, as at dead units and at pixels that are always 0, Adam's m decays by β₁ in each step. In
# float32 it is subnormal after some 800 steps, and most processors take a hundred times as long for a subnormal number.
# scratchvae sets m to 0 before (see `scratchvae.optim.flush`), which changes no weight.
#
# This demo trains the reference network, 784-512-20 at batch 128, on binarized MNIST from the same start: scratchvae
# with and without the flush, scratchvae with compiled kernels, JAX, and PyTorch with its plain Adam, with its fused
# Adam, and with `torch.set_flush_denormal`. Each runs in its own process and takes the same batches, in another order
# in each epoch. They take turns of some steps each, so that a disturbance of the machine affects all of them.
#
#     taskset -c 0 python demos/subnormals.py --json epochs.json --out epochs.png       20 epochs, a quarter of an hour
#     taskset -c 0 python demos/subnormals.py --epochs 6 --rows 20000                   two minutes
#     python demos/subnormals.py --from epochs.json --out epochs.png                    the table and the picture again
#     python demos/subnormals.py --only scratchvae native torch-fused                   the time of the last epoch
#
# On one core, all contenders compute with one thread. The last epoch is measured by the wall clock, and compared with
# the second, because some still compile in the first. The file of `--json` is written after each round of epochs, so a
# run that is interrupted leaves a complete file of fewer epochs.

# %%
import argparse
import json
import sys
from pathlib import Path

from contenders.contender import Problem
from contenders.epochs import CONTENDERS, EpochProcess
from contenders.process import installed, running
from measuring import machine
from measuring.epochs import draw_epochs, milliseconds, table

from scratchvae import datasets
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import DataError, ScratchVAEError

STEPS = 30  # in a turn


# %% [markdown]
# All must compute the same loss before the first step. The weights of scratchvae must be the same, to the bit, with and
# without the flush, after each epoch.


# %%
def train(problem, names, epochs, save):
    steps = problem.steps_per_epoch
    record = {**machine.facts(), "data": problem.data, "batches": steps, "epochs": {}}
    with machine.OtherWork() as other_work, running(names, problem, EpochProcess) as processes:
        for process in processes:
            record["threads"].update(process.threads)
            record["epochs"][process.name] = []
        for epoch in range(epochs):
            turns = {process.name: [] for process in processes}
            for start in range(0, steps, STEPS):
                for process in processes if start // STEPS % 2 else reversed(processes):
                    turns[process.name].append(process.run(min(STEPS, steps - start)))
            for process in processes:
                record["epochs"][process.name].append({"turns": turns[process.name], **process.results()})
            refuse_different_weights(record["epochs"], epoch)
            save(record)
            times = (
                f"{name} {milliseconds(results[-1], 'processor'):.2f}" for name, results in record["epochs"].items()
            )
            print(f"epoch {epoch + 1}:", *times, "ms a step", flush=True)
    record["used_by_others"] = other_work.share
    save(record)
    return record


def refuse_different_weights(results, epoch):
    pair = [results[name][epoch]["digest"] for name in ("scratchvae", "without-flush") if name in results]
    if len({*pair}) > 1:
        sys.exit(f"the weights after epoch {epoch + 1} differ with and without the flush")


# %%
def read(path):
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        table(record)
        machine.describe(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a file written by --json: {error!r}") from None
    return record


def run(args):
    if args.json:
        check_writable(args.json.parent)
    if args.out:
        from measuring.pictures import check_picture

        from scratchvae.plotting import save_picture

        check_picture(args.out)
    if args.saved:
        record = read(args.saved)
    else:
        width = datasets.load(args.data).train.images.shape[1]
        problem = Problem(args.batch, args.hidden, width, data=args.data, rows=args.rows)
        if len(problem.packed) < args.batch:
            sys.exit(f"--rows {args.rows}: less than a batch of {args.batch}")
        names = [name for name in args.only or CONTENDERS if installed(name)]

        def save(record):
            if args.json:
                with atomic_write(args.json) as file:
                    file.write(json.dumps(record, indent=1).encode())

        record = train(problem, names, args.epochs, save)
    print(machine.describe(record), table(record), sep="\n")
    if args.out:
        save_picture(draw_epochs(record), args.out, show=True)
        print(f"wrote {args.out}")


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="The step time over a long training, beside PyTorch and JAX.")
    parser.add_argument("--data", default="binarized-mnist", help="a named data set of images")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rows", type=int, default=50_000, help="rows of the data")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS)
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--json", type=Path, metavar="FILE", help="write the measurements to this file")
    files.add_argument("--from", type=Path, dest="saved", metavar="FILE", help="print a file of --json instead")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the picture: .png, .pdf or .svg")
    args = parser.parse_args(arguments)
    for name in ("epochs", "rows", "batch", "hidden"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} {getattr(args, name)}: expected at least 1")
    try:
        run(args)
    except ScratchVAEError as error:
        sys.exit(str(error))


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
