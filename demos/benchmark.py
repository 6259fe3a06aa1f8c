# %% [markdown]
# # The speed of a step
# The time of one training step of the reference network, and of one encoding: scratchvae on NumPy alone, scratchvae
# with compiled kernels (`backend="native"`), and the contenders: the matrix products alone, PyTorch eager (with its
# plain and its fused Adam) and compiled, JAX with the whole step compiled; on a GPU also PyTorch as one CUDA graph.
# Each runs in its own process and they alternate, so that a disturbance of the machine affects all of them; the result
# is the ratio of two contenders in the same round. Before the timing, all must compute the same loss from the same
# weights and noise, in float32.
#
# Measure on an idle machine, and check the number of threads: PyTorch's threads wait for each other, and its steps can
# take forty times as long if other work uses a core; for NumPy, OPENBLAS_NUM_THREADS=1 prevents that.
#
#     python demos/benchmark.py                               batch 128, hidden 512
#     python demos/benchmark.py --batch 16 128 512 2048 --hidden 128 512 2048 --json grid.json --picture grid.png
#     python demos/benchmark.py --from grid.json --picture grid.pdf
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
# On a GPU a step is limited by the time Python takes to launch it: see `demos/gpu_check.py`. CuPy cannot record cuBLAS
# calls in a graph.

# %%
import argparse
import json
import sys
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from contenders.contender import Problem
from contenders.process import CONTENDERS, JOBS, Process, begin_all, installed
from measuring import machine
from measuring.comparison import draw_comparison, table

from scratchvae.backend import get_backend
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import DataError, ScratchVAEError

SAME_LOSS = 1e-5


# %% [markdown]
# One problem: a process for each contender, the comparison of the losses, and the rounds. The first turn of a job has
# no duration and is not counted: it is the warm-up. The reported memory is the peak of training, measured before the
# other jobs run.


# %%
def measure(problem, names, rounds, seconds):
    with ExitStack() as stack:
        processes = begin_all([stack.enter_context(Process(name, problem)) for name in names])
        refuse_different_losses({process.name: process.loss for process in processes})
        cell = {"batch": problem.batch, "hidden": problem.hidden, "milliseconds": {}, "peak_MB": {}}
        for job in JOBS:
            turns = measure_in_rounds(processes, job, rounds, seconds)
            cell["milliseconds"][job] = {
                name: [turn["milliseconds"] for turn in measured] for name, measured in turns.items()
            }
            if job == "step":
                cell["peak_MB"] = {name: measured[-1]["peak_MB"] for name, measured in turns.items()}
        return cell


def refuse_different_losses(losses):
    reference = losses["scratchvae"]
    for name, loss in losses.items():
        if loss is not None and not abs(loss / reference - 1) <= SAME_LOSS:
            sys.exit(f"{name} computes a loss of {loss}, scratchvae one of {reference}: they are not comparable")


def measure_in_rounds(processes, job, rounds, seconds):
    turns = {process.name: [] for process in processes}
    for process in processes:
        process.run(job, 0)
    for _ in range(rounds):
        for process in processes:
            turns[process.name].append(process.run(job, seconds))
    return turns


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
    record = {
        **machine.facts(backend),
        "backend": args.backend,
        "architecture": args.architecture,
        "rounds": args.rounds,
        "seconds": args.seconds,
    }
    record["cells"] = []
    print(heading(record))
    for batch, hidden in product(args.batch, args.hidden):
        problem = Problem(batch, hidden, backend=args.backend, architecture=args.architecture)
        cell = measure(problem, names, args.rounds, args.seconds)
        names = list(cell["peak_MB"])  # without the unavailable ones
        record["cells"].append(cell)
        print(table(cell), flush=True)
        if args.json:
            with atomic_write(args.json) as file:
                file.write(json.dumps(record, indent=1).encode())
    return record


def print_saved(path):
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        print(heading(record), *map(table, record["cells"]), sep="\n")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a file written by --json: {error!r}") from None
    return record


def heading(record):
    return f"{machine.describe(record)}; {record['rounds']} rounds of {record['seconds']:g} s a turn"


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Time a training step, compared with PyTorch and JAX.")
    parser.add_argument("--batch", type=int, nargs="+", default=[128])
    parser.add_argument("--hidden", type=int, nargs="+", help="default: 512; 128 after convolutions")
    parser.add_argument("--architecture", choices=["mlp", "conv"], default="mlp")
    parser.add_argument("--backend", choices=CONTENDERS, default="numpy", help="cupy: all contenders on a GPU")
    parser.add_argument(
        "--only", nargs="+", choices=dict.fromkeys(name for names in CONTENDERS.values() for name in names)
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="duration of each turn")
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--json", type=Path, metavar="FILE", help="write the measurements to this file")
    files.add_argument("--from", type=Path, dest="saved", metavar="FILE", help="print a file of --json instead")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="the picture: .png, .pdf or .svg")
    args = parser.parse_args(arguments)
    args.hidden = args.hidden or [512 if args.architecture == "mlp" else 128]
    if args.rounds < 2:
        parser.error(f"--rounds {args.rounds}: quartiles need at least 2")
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
    record = print_saved(args.saved) if args.saved else compare(args)
    if args.picture:
        save_picture(draw_comparison(record), args.picture)
        print(f"wrote {args.picture}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
