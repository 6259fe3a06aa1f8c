# %% [markdown]
# # How fast is a step?
# One training step of the reference network, and one encoding, by scratchvae and by its contenders: the matrix
# products alone, PyTorch eager (with its plain and its fused Adam) and compiled, JAX compiled as a whole. Each lives in
# a process of its own and they take turns, so that what slows the machine down slows all of them; what counts is the
# ratio of two contenders in the same round. Before anything is timed, all must compute the same loss from the same
# weights and noise.
#
#     python demos/benchmark.py                               batch 128, hidden 512
#     python demos/benchmark.py --batch 16 128 512 2048 --hidden 128 512 2048 --json grid.json

# %%
import argparse
import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from contenders.contender import Problem
from measuring.machine import peak_MB

CONTENDERS = {
    "products": ("contenders.products", "Products", None),
    "scratchvae": ("contenders.ours", "Ours", None),
    "torch": ("contenders.pytorch", "PyTorch", "torch"),
    "torch-fused": ("contenders.pytorch", "PyTorchFused", "torch"),
    "torch-compiled": ("contenders.pytorch", "PyTorchCompiled", "torch"),
    "jax": ("contenders.in_jax", "Jax", "jax"),
}
SAME_LOSS = 1e-5


# %% [markdown]
# A contender's process: it makes its network, tells its loss, and then runs whatever it is asked to. A job's first turn
# has no length: it warms up. The peak of memory told after a turn is that of whatever was run so far.


# %%
def serve(name, batch, hidden):
    from importlib import import_module

    module, kind, _ = CONTENDERS[name]
    contender = getattr(import_module(module), kind)(Problem(batch, hidden))
    print(json.dumps({"loss": contender.loss()}), flush=True)
    jobs = {
        "step": contender.step,
        "encode": lambda: contender.encode(batch),
        "encode-one": lambda: contender.encode(1),
    }
    warm = set()
    for line in sys.stdin:
        job, seconds = line.split()
        if job not in warm:
            for _ in range(5):
                jobs[job]()
            warm.add(job)
        times, end = [], time.perf_counter() + float(seconds)
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            jobs[job]()
            times.append(time.perf_counter() - start)
        print(json.dumps({"milliseconds": 1e3 * statistics.median(times), "peak_MB": peak_MB()}), flush=True)


# %% [markdown]
# The rounds. A ratio is taken in each, and the median of the ratios is told, with the quarter and three-quarter points.


# %%
class Process:
    def __init__(self, name, batch, hidden):
        words = [sys.executable, __file__, "--serve", name, "--batch", str(batch), "--hidden", str(hidden)]
        self.name = name
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.loss = self.answer()["loss"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} stopped with code {self.process.wait()}")
        return json.loads(line)

    def run(self, job, seconds):
        print(job, seconds, file=self.process.stdin, flush=True)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)  # which closes the pipes, and so ends the process


def measure(names, batch, hidden, rounds, seconds):
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(name, batch, hidden)) for name in names]
        return take_turns(processes, rounds, seconds)


def take_turns(processes, rounds, seconds):
    losses = {p.name: p.loss for p in processes if p.loss is not None}
    reference = losses["scratchvae"]
    for name, loss in losses.items():
        if not abs(loss / reference - 1) <= SAME_LOSS:
            sys.exit(f"{name} computes a loss of {loss}, scratchvae one of {reference}: they do not do the same")
    found = {}
    for job in ("step", "encode", "encode-one"):
        found[job] = {process.name: [] for process in processes}
        for process in processes:
            process.run(job, 0)
        for _ in range(rounds):
            for process in processes:
                found[job][process.name].append(process.run(job, seconds))
    return found


def ratio(found, name, to):
    """Of `to` over `name`, round by round: the quartiles."""
    pairs = zip(found[to], found[name], strict=True)
    return statistics.quantiles([ours["milliseconds"] / theirs["milliseconds"] for ours, theirs in pairs], n=4)


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Time a training step beside PyTorch and JAX, turn by turn.")
    parser.add_argument("--batch", type=int, nargs="+", default=[128])
    parser.add_argument("--hidden", type=int, nargs="+", default=[512])
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--serve", choices=CONTENDERS, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.serve:
        return serve(args.serve, args.batch[0], args.hidden[0])
    names = list(dict.fromkeys(["scratchvae", *args.only]))
    for name in [name for name in names if CONTENDERS[name][2] and not find_spec(CONTENDERS[name][2])]:
        print(f"without {name}: {CONTENDERS[name][2]} is not installed")
        names.remove(name)
    everything = []
    for batch, hidden in product(args.batch, args.hidden):
        found = measure(names, batch, hidden, args.rounds, args.seconds)
        everything.append({"batch": batch, "hidden": hidden, "found": found})
        for job, of in found.items():
            title = f"{job}, batch {batch}, hidden {hidden}"
            head = "peak MB" if job == "step" else ""  # of training, before anything else was run
            print(f"\n{title:<34} {'ms':>9} {'scratchvae is':>15} {'quartiles':>13} {head:>9}".rstrip())
            for name in names:
                low, middle, high = ratio(of, name, "scratchvae")
                milliseconds = statistics.median(turn["milliseconds"] for turn in of[name])
                spread, peak = f"{low:.2f}–{high:.2f}", f" {of[name][-1]['peak_MB']:>9.0f}" if head else ""
                print(f"{name:<34} {milliseconds:>9.3f} {middle:>13.2f} × {spread:>13}{peak}")
    if args.json:
        Path(args.json).write_text(json.dumps(everything, indent=1), encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
