# %% [markdown]
# # The speed of a step
# The time of one training step of the reference network, and of other jobs: scratchvae on NumPy alone, scratchvae with
# compiled kernels (`backend="native"`), and the contenders: the matrix products alone; PyTorch eager, with its plain
# Adam, its fused Adam, and that with `torch.set_flush_denormal`, and compiled; JAX with the whole step compiled, with
# and without donated buffers; on a GPU also PyTorch as one CUDA graph.
#
# Each runs in its own process. All start from the same weights, where they must compute the same loss in float32, and
# train on the same batches of real digits in the same order, each row once per epoch: binarized MNIST if it is found,
# else the small digits of the package, padded with zeros. A batch is an array of the framework before the clock starts.
#
# A step is timed after 200 steps and after 1,876, four epochs of MNIST, because its time may depend on the gradients:
# where a gradient stays 0, Adam's m becomes subnormal after some 800 steps, and most processors take longer for such
# numbers, see `demos/subnormals.py`. The training up to there is not timed; its losses must agree up to 5 %, for each
# contender draws noise of its own.
#
# The contenders take turns, so that a disturbance of the machine affects all of them; the result is the ratio of two
# contenders in the same round. Measure on an idle machine: the tables say how much of the processors' time other
# processes used. On a busy one, OpenBLAS and PyTorch may take ten times as long, because their threads wait for each
# other, and `OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1` prevents that. `--busy 2` keeps two other processes busy while
# the clock runs.
#
#     python demos/benchmark.py                               batch 128, hidden 512: five minutes
#     python demos/benchmark.py --after 200 --batch 16 128 512 2048 --hidden 128 512 2048 --json grid.json
#     python demos/benchmark.py --from grid.json other_machine.json --picture grid.pdf
#     python demos/benchmark.py --architecture conv           convolutions: 1×28×28, 32-4-2, 64-4-2, 128, Z 20, mirrored
#     python demos/benchmark.py --backend cupy                everything on a GPU

# %% [markdown]
# ## Rejected optimizations
# In a step of the reference network at batch 128 on two cores, the products take three fifths, Adam a fifth, the
# likelihood a twentieth, everything else a tenth; with compiled kernels the products take three quarters, Adam a tenth.
# The time of the step on NumPy with each of these changes, relative to the step without it:
#
# - 0.97: Adam's two halves in two threads.
# - 0.96 to 1.00 (0.91 at batch 512, 0.94 at 2048): the whole step in two threads, which first share the rows, then the
#   parameters, with each product in the thread that needs it. It takes 300 lines; and seventy times per step a thread
#   requests the interpreter's lock, and may sleep. An interpreter without that lock may change this.
# - 0.94: half of the batch for each thread, each with its own gradient; the two are summed.
# - 0.98: the value of the likelihood only in steps that are logged. But the loss of a history averages every step.
# - 0.99: sigmoid(t) from tanh(t / 2). But probabilities near 0 lose digits.
# - 0.99: Adam's m as a product with (β₁, 1), with two copies of m used alternately.
# - 1.00: μ and log σ² as views of the encoder's output. NumPy buffers rows that are not contiguous.
#
# With compiled kernels, running the large loops in two threads beside those of OpenBLAS makes the step 1.2 to 2.2 times
# as long, whether the threads are started anew, pinned to a core, or kept waiting: between two products the threads of
# OpenBLAS do not sleep but spin, on the core that the loops need. So products and loops share a pool. The products of
# a step then take 0.7 to 0.85 of their time with OpenBLAS's own threads (Xeon), in two, three or four blocks each.
#
# The time to encode a single row, on NumPy and PyTorch alike, is mostly the product of a row with W, which reads all of
# W: half of PyTorch's time would leave 3 μs for everything else.
#
# On a GPU a step is limited by the time Python takes to launch it, unless it is recorded as a CUDA graph: see
# `demos/gpu_check.py`.

# %%
import argparse
import json
import sys
from itertools import product
from pathlib import Path

from contenders.contender import Problem
from contenders.process import CONTENDERS, installed, refuse_different_losses, running
from measuring import machine
from measuring.comparison import describe, draw_comparison, table

from scratchvae import datasets
from scratchvae.backend import get_backend
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import DataError, ScratchVAEError

AFTER = {"numpy": [200, 1876], "cupy": [200]}  # steps
JOBS = ("encode", "encode-one", "embed", "impute", "log_likelihood")
SIMILAR_LOSS = 0.05  # relative difference after training with other noise
DATA = ("binarized-mnist", "mnist", "fashion-mnist", "omniglot", "digits")


# %% [markdown]
# One problem: a process for each contender, and the rounds. `train` is not timed. The first turn of a job has no
# duration and is not counted: it is the warm-up. The reported memory is the peak of training, measured before the other
# jobs run. Imputation by a Markov chain is timed for scratchvae alone: no other contender has it. The log-likelihood is
# that of 20 rows from 500 draws of z each, which PyTorch computes in the same way.


# %%
def measure(problem, names, args):
    cell = {"batch": problem.batch, "hidden": problem.hidden, "milliseconds": {}}
    with machine.OtherWork() as other_work, running(names, problem) as processes:
        for steps in args.after:
            print(f"training {', '.join(process.name for process in processes)} for {steps} steps", file=sys.stderr)
            losses = {process.name: process.train(steps) for process in processes}
            refuse_different_losses(losses, SIMILAR_LOSS)
            times, peaks = measure_in_rounds(processes, "step", args)
            cell["milliseconds"][f"step after {steps}"] = times
        cell["peak_MB"] = peaks
        for job in args.jobs:
            able = [process for process in processes if job in process.jobs]
            cell["milliseconds"][job], _ = measure_in_rounds(able, job, args)
        cell["threads"] = {library: count for process in processes for library, count in process.threads.items()}
    cell["used_by_others"] = other_work.share
    return cell


def measure_in_rounds(processes, job, args):
    times = {process.name: [] for process in processes}
    peaks = {}
    with machine.busy_processes(args.busy):
        for process in processes:
            process.run(job, 0)
        for _ in range(args.rounds):
            for process in processes:
                turn = process.run(job, args.seconds)
                times[process.name].append(turn["milliseconds"])
                peaks[process.name] = turn["peak_MB"]
    return times, peaks


# %% [markdown]
# The whole grid, printed and saved cell by cell. A ratio is computed in each round; the table has the median of the
# ratios, with their quartiles.


# %%
def compare(args):
    backend = get_backend(args.backend)
    names = list(dict.fromkeys(["scratchvae", *(args.only or CONTENDERS[args.backend])]))
    for name in [name for name in names if not installed(name)]:
        print(f"without {name}: its framework is not installed")
        names.remove(name)
    data = args.data or default_data()
    record = {
        **machine.facts(backend),
        "backend": args.backend,
        "architecture": args.architecture,
        "data": data,
        "rounds": args.rounds,
        "seconds": args.seconds,
        "busy": args.busy,
        "cells": [],
    }
    for batch, hidden in product(args.batch, args.hidden):
        problem = Problem(batch, hidden, backend=args.backend, architecture=args.architecture, data=data)
        cell = measure(problem, names, args)
        names = list(cell["peak_MB"])  # without the unavailable ones
        record["rows"] = len(problem.packed)
        record["cells"].append(cell)
        print(*([describe(record)] if len(record["cells"]) == 1 else []), table(record, cell), sep="\n", flush=True)
        if args.json:
            with atomic_write(args.json) as file:
                file.write(json.dumps(record, indent=1).encode())
    return record


def default_data():
    try:
        datasets.load("binarized-mnist")
    except DataError:
        print("no binarized-mnist in $SCRATCHVAE_DATA: with the 8×8 digits of the package, padded with zeros to 784")
        return "digits"
    return "binarized-mnist"


def print_saved(path):
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        text = "\n".join([describe(record), *(table(record, cell) for cell in record["cells"])])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a file written by --json: {error!r}") from None
    print(text)
    return record


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Time a training step, compared with PyTorch and JAX.")
    parser.add_argument("--batch", type=int, nargs="+", default=[128])
    parser.add_argument("--hidden", type=int, nargs="+", help="default: 512; 128 after convolutions")
    parser.add_argument("--architecture", choices=["mlp", "conv"], default="mlp")
    parser.add_argument("--data", choices=DATA, help="default: binarized-mnist if it is found, else digits")
    parser.add_argument(
        "--after", type=int, nargs="+", metavar="STEPS", help="time a step after these numbers of steps: 200 1876"
    )
    parser.add_argument("--backend", choices=CONTENDERS, default="numpy", help="cupy: all contenders on a GPU")
    parser.add_argument(
        "--only", nargs="+", choices=dict.fromkeys(name for names in CONTENDERS.values() for name in names)
    )
    parser.add_argument(
        "--jobs", nargs="*", choices=JOBS, default=JOBS, help="jobs to time besides the step; --jobs alone: none"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="duration of each turn")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="keep N other processes busy")
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--json", type=Path, metavar="FILE", help="write the measurements to this file")
    files.add_argument(
        "--from", type=Path, nargs="+", dest="saved", metavar="FILE", help="print files of --json instead"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="the picture: .png, .pdf or .svg")
    args = parser.parse_args(arguments)
    args.hidden = args.hidden or [512 if args.architecture == "mlp" else 128]
    args.after = sorted({*(args.after or AFTER[args.backend])})
    if args.rounds < 2:
        parser.error(f"--rounds {args.rounds}: quartiles need at least 2")
    for name, least in (("batch", 1), ("hidden", 1), ("after", 3)):
        if min(getattr(args, name)) < least:
            parser.error(f"--{name} {min(getattr(args, name))}: expected at least {least}")
    if args.busy < 0:
        parser.error(f"--busy {args.busy}: expected at least 0")
    for name in args.only or ():
        if name not in CONTENDERS[args.backend]:
            parser.error(f"--only {name}: {args.backend} has {', '.join(CONTENDERS[args.backend])}")
    try:
        run(args)
    except ScratchVAEError as error:
        sys.exit(str(error))


def run(args):
    if args.json:
        check_writable(args.json.parent)
    if args.picture:
        from measuring.pictures import check_picture

        from scratchvae.plotting import save_picture

        check_picture(args.picture)
    records = [print_saved(path) for path in args.saved] if args.saved else [compare(args)]
    if args.picture:
        save_picture(draw_comparison(records), args.picture, show=True)
        print(f"wrote {args.picture}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
