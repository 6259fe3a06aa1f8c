# %% [markdown]
# # How fast is a step?
# One training step of the reference network, and one encoding, by scratchvae on NumPy alone, by scratchvae with the
# kernels that a C++ compiler makes (`backend="native"`), and by their contenders: the matrix products alone, PyTorch
# eager (with its plain and its fused Adam) and compiled, JAX compiled as a whole; on a GPU also PyTorch as one CUDA
# graph. Each lives in a process of its own and they take turns, so that what slows the machine down slows all of
# them; what counts is the ratio of two contenders in the same round. Before anything is timed, all must compute the
# same loss from the same weights and noise, in float32 throughout.
#
# Measure on an idle machine, and look at how many threads each may take: PyTorch's wait for each other, and where other
# work holds a core its steps can take forty times as long, while OPENBLAS_NUM_THREADS=1 spares NumPy that.
#
#     python demos/benchmark.py                               batch 128, hidden 512
#     python demos/benchmark.py --batch 16 128 512 2048 --hidden 128 512 2048 --json grid.json --picture grid.png
#     python demos/benchmark.py --from grid.json --picture grid.pdf
#     python demos/benchmark.py --backend cupy                all on a GPU

# %% [markdown]
# ## What was tried and left out
# Of the reference network's step at batch 128 on two cores, the products take three fifths, Adam a fifth, the
# likelihood a twentieth, all else a tenth; with compiled kernels the products take three quarters, Adam a tenth. What
# the step on NumPy becomes with each of these, over the step as it is:
#
# - 1.00, Adam in blocks that fit a core's cache: it waits for arithmetic, not for memory. A quarter of it is the square
#   root, for which NumPy 2.4 has registers of 128 bits only: see `numpy.lib.introspect.opt_func_info`.
# - 0.97, Adam's two halves in two threads.
# - 0.96 to 1.00 (0.91 at batch 512, 0.94 at 2048), the whole step in two threads, first some of the rows for each, then
#   some of the parameters, each product in the thread that asks for it. It takes 300 lines; and seventy times a step a
#   thread asks for the interpreter's lock, and may sleep for it. An interpreter without that lock may change this.
# - 0.94, half of the batch for each thread, with a gradient of its own; the two are summed.
# - 0.98, the likelihood itself in those steps only that are logged: a history's loss is that of every step.
# - 0.99, σ(t) by way of tanh(t / 2): probabilities near 0 lose their digits.
# - 0.99, Adam's m as a product with (β₁, 1): two copies of m in turn.
# - 1.00, μ and log σ² as views of what the encoder puts out: NumPy buffers rows that are not contiguous.
#
# The step with compiled kernels becomes 1.2 to 2.2 of what it is with the large loops in two threads, be they begun
# anew, tied to a core, or kept waiting for work: between two products the threads of OpenBLAS do not sleep but turn
# round and round, on the very core that is wanted.
#
# What a single row costs to encode is, on NumPy and PyTorch alike, mostly the product of a row with W, which reads W
# whole: half of PyTorch's time would leave 3 μs for everything else.
#
# On a GPU a step is bound by what Python takes to launch it: see `demos/gpu_check.py`. CuPy refuses to record cuBLAS.

# %%
import argparse
import json
import sys
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from contenders.contender import Problem
from contenders.process import CONTENDERS, JOBS, Process, installed
from measuring import machine
from measuring.comparison import draw_comparison, table

from scratchvae.backend import get_backend
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import DataError, ScratchVAEError

SAME_LOSS = 1e-5


# %% [markdown]
# One problem: a process for each contender, all of the same loss, and the rounds. A job's first turn has no length and
# is not counted: it warms up. The memory told is what training took at its peak, before anything else was run.


# %%
def measure(problem, names, rounds, seconds):
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(name, problem)) for name in names]
        for process in processes:
            process.begin()
            if process.unavailable:
                print(f"without {process.name}: {process.unavailable}")
        processes = [process for process in processes if not process.unavailable]
        refuse_different_losses({process.name: process.loss for process in processes})
        found = {"batch": problem.batch, "hidden": problem.hidden, "milliseconds": {}, "peak_MB": {}}
        for job in JOBS:
            turns = take_turns(processes, job, rounds, seconds)
            found["milliseconds"][job] = {name: [turn["milliseconds"] for turn in of] for name, of in turns.items()}
            if job == "step":
                found["peak_MB"] = {name: of[-1]["peak_MB"] for name, of in turns.items()}
        return found


def refuse_different_losses(losses):
    reference = losses["scratchvae"]
    for name, loss in losses.items():
        if loss is not None and not abs(loss / reference - 1) <= SAME_LOSS:
            sys.exit(f"{name} computes a loss of {loss}, scratchvae one of {reference}: they do not do the same")


def take_turns(processes, job, rounds, seconds):
    turns = {process.name: [] for process in processes}
    for process in processes:
        process.run(job, 0)
    for _ in range(rounds):
        for process in processes:
            turns[process.name].append(process.run(job, seconds))
    return turns


# %% [markdown]
# The whole grid, told and kept cell by cell. A ratio is taken in each round; the table has the median of the ratios,
# with the quarter and three-quarter points.


# %%
def compare(args):
    backend = get_backend(args.backend)
    names = list(dict.fromkeys(["scratchvae", *(args.only or CONTENDERS[args.backend])]))
    for name in [name for name in names if not installed(name)]:
        print(f"without {name}: its framework is not installed")
        names.remove(name)
    record = {**machine.facts(backend), "backend": args.backend, "rounds": args.rounds, "seconds": args.seconds}
    record["cells"] = []
    print(heading(record))
    for batch, hidden in product(args.batch, args.hidden):
        problem = Problem(batch, hidden, backend=args.backend)
        cell = measure(problem, names, args.rounds, args.seconds)
        names = list(cell["peak_MB"])  # without those that were not available
        record["cells"].append(cell)
        print(table(cell), flush=True)
        if args.json:
            with atomic_write(args.json) as file:
                file.write(json.dumps(record, indent=1).encode())
    return record


def tell_again(path):
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        print(heading(record), *map(table, record["cells"]), sep="\n")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds nothing that --json has written: {error!r}") from None
    return record


def heading(record):
    return f"{machine.describe(record)}; {record['rounds']} rounds of {record['seconds']:g} s a turn"


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Time a training step beside PyTorch and JAX, turn by turn.")
    parser.add_argument("--batch", type=int, nargs="+", default=[128])
    parser.add_argument("--hidden", type=int, nargs="+", default=[512])
    parser.add_argument("--backend", choices=CONTENDERS, default="numpy", help="cupy: all contenders on a GPU")
    parser.add_argument("--only", nargs="+", choices=dict.fromkeys(name for of in CONTENDERS.values() for name in of))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--json", type=Path, metavar="FILE", help="where to keep what is measured")
    kept.add_argument("--from", type=Path, dest="saved", metavar="FILE", help="measure nothing, tell what is kept")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where to draw it: .png, .pdf or .svg")
    args = parser.parse_args(arguments)
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
    record = tell_again(args.saved) if args.saved else compare(args)
    if args.picture:
        save_picture(draw_comparison(record), args.picture)
        print(f"wrote {args.picture}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
