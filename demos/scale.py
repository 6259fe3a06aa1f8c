# %% [markdown]
# # The cost of size
# One size of the reference network (784-512-20, batches of 128) is doubled repeatedly, with the others fixed: the
# batch, the width and the number of hidden layers, the latent space; and the number of rows, for a whole epoch. If time
# grows as size^k, k is the slope of a straight line between logarithms. The demo compares it with the slope predicted
# by counting operations, and extrapolates to a hundred times the size.
#
#     python demos/scale.py --out scale.png          about two minutes
#     python demos/scale.py --quick                  a tiny network, for a quick test

# %%
import argparse
import json
import sys
import time
from dataclasses import replace
from math import sqrt
from pathlib import Path
from statistics import median

import numpy as np
from measuring import machine
from measuring.counts import Sizes
from measuring.scaling import draw_scaling, hundredfold_table, sweeps_table

import scratchvae as sv
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import ScratchVAEError

REFERENCE = Sizes(batch=128, width=512, depth=1, latent=20, inputs=784, rows=4096)
DOUBLINGS = {"batch": (4, 4), "width": (4, 3), "depth": (0, 5), "latent": (2, 6), "rows": (4, 3)}
QUICK = Sizes(batch=8, width=16, depth=1, latent=4, inputs=16, rows=32)
QUICK_DOUBLINGS = dict.fromkeys(DOUBLINGS, (0, 4))


# %% [markdown]
# Three things are timed: a step (one batch forward and backward, and Adam's update), an epoch (with shuffling and
# gathering of rows), and Adam's update alone. Each call returns its seconds.


# %%
class Step:
    def __init__(self, sizes):
        self.x = np.random.default_rng(0).random((sizes.batch, sizes.inputs), np.float32)
        self.vae = sv.VAE(sizes.inputs, sizes.latent, sizes.hidden)
        self.trainer = sv.Trainer(self.vae, batch_size=sizes.batch)

    def __call__(self):
        return seconds_of(self.trainer.step, self.x)


class Epoch(Step):
    def __init__(self, sizes):
        super().__init__(sizes)
        self.images = np.random.default_rng(0).random((sizes.rows, sizes.inputs), np.float32)

    def __call__(self):
        return self.trainer.fit(self.images, epochs=1).epochs[-1].seconds


class AdamAlone(Step):
    def __call__(self):
        return seconds_of(self.trainer.optimizer.step, self.vae.dtheta)


def seconds_of(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


# %% [markdown]
# All measurements that are compared alternate in rounds, so that a disturbance of the machine affects all of them. One
# turn is as many calls as fit into its time, at least one; its result is the median of the calls, and the overall
# result the median of the turns.


# %%
def measure_in_rounds(jobs, rounds, seconds):
    for job in jobs:
        job()
    turns = [[] for _ in jobs]
    for _ in range(rounds):
        for job, medians in zip(jobs, turns, strict=True):
            calls, end = [job()], time.perf_counter() + seconds
            while time.perf_counter() < end:
                calls.append(job())
            medians.append(median(calls))
    return turns


def sweep(name, reference, doublings, rounds, seconds):
    base, (below, above) = getattr(reference, name), doublings  # how often the size is halved and doubled
    values = [base * 2**k // 2**below for k in range(below + above + 1)]
    sizes = [replace(reference, **{name: value}) for value in values]
    jobs = [Epoch(size) if name == "rows" else Step(size) for size in sizes]
    turns = measure_in_rounds(jobs, rounds, seconds)
    k, error = exponent(values, [median(times) for times in turns])
    operations = [size.operations * steps_of(name, size) for size in sizes]
    counted, _ = exponent(values, operations)
    measured = {"sizes": values, "reference": base, "seconds": turns, "operations": operations}
    return {**measured, "k": k, "error": error, "counted": counted}


def steps_of(name, sizes):
    """The number of steps in one timed call: those of an epoch if the number of rows varies, else 1."""
    return sizes.steps if name == "rows" else 1


# %% [markdown]
# log time = a + k · log size, by least squares. At small sizes, constant costs dominate, above all calls from Python,
# so the line is fitted to the upper half of the sizes. The standard error of the slope measures the scatter about the
# line, not its curvature.


# %%
def exponent(sizes, times):
    upper = len(sizes) // 2
    x, y = np.log(sizes[upper:]), np.log(times[upper:])
    x, y = x - x.mean(), y - y.mean()
    k = x @ y / (x @ x)
    residuals = y - k * x
    return float(k), sqrt(residuals @ residuals / (len(x) - 2) / (x @ x))


# %% [markdown]
# Four constants convert counts to seconds: per operation of the matrix products, including all other work on a batch;
# per parameter in Adam; and for the calls from Python, per linear map and per step, measured on networks with layers of
# one unit. They give the estimates for a hundred times each size. The ratio of the same estimate and the measurement,
# at the largest measured size, shows how reliable the estimates are.


# %%
def constants_of(sizes, rounds, seconds):
    shallow = Sizes(batch=1, width=1, depth=1, latent=1, inputs=1)
    deep = replace(shallow, depth=9)
    jobs = Step(sizes), AdamAlone(sizes), Step(shallow), AdamAlone(shallow), Step(deep)
    step, adam, calls, adam_calls, deep_calls = map(median, measure_in_rounds(jobs, rounds, seconds))
    per_map = (deep_calls - calls) / (len(deep.maps) - len(shallow.maps))
    adam -= adam_calls
    return {
        "operation": max(step - adam - calls, 0) / sizes.products,
        "parameter": max(adam, 0) / sizes.parameters,
        "map": per_map,
        "step": calls - per_map * len(shallow.maps),
    }


def estimate(name, sizes, constants):
    counts = {"operation": sizes.products, "parameter": sizes.parameters, "map": len(sizes.maps), "step": 1}
    return steps_of(name, sizes) * sum(constants[unit] * count for unit, count in counts.items())


def hundredfold(name, reference, constants, measured):
    larger, largest = (
        replace(reference, **{name: value}) for value in (100 * getattr(reference, name), measured["sizes"][-1])
    )
    return {
        "sizes": [getattr(sizes, name) for sizes in (reference, larger)],
        "products": steps_of(name, larger) * larger.products / (steps_of(name, reference) * reference.products),
        "adam": steps_of(name, larger) * larger.adam / (steps_of(name, reference) * reference.adam),
        "seconds": [estimate(name, sizes, constants) for sizes in (reference, larger)],
        "MB": [(sizes.memory + (name == "rows") * sizes.data) / 2**20 for sizes in (reference, larger)],
        "largest": getattr(largest, name),
        "estimated over measured": estimate(name, largest, constants) / median(measured["seconds"][-1]),
    }


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Time a training step, and an epoch, at many sizes.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.05, help="duration of each turn")
    parser.add_argument("--quick", action="store_true", help="a tiny network")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements to this file")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the picture: .png, .pdf or .svg")
    args = parser.parse_args(arguments)
    if args.rounds < 2:
        parser.error(f"--rounds {args.rounds}: quartiles need at least 2")
    try:
        run(args)
    except ScratchVAEError as error:
        sys.exit(str(error))


def run(args):
    if args.json:
        check_writable(args.json.parent)
    if args.out:
        from measuring.pictures import check_picture

        check_picture(args.out)
    reference, doublings = (QUICK, QUICK_DOUBLINGS) if args.quick else (REFERENCE, DOUBLINGS)
    record = {**machine.facts(), "rounds": args.rounds, "turn": args.seconds, "sweeps": {}}
    print(f"{machine.describe(record)}; {args.rounds} rounds of {args.seconds:g} s a turn\n")
    record["constants"] = constants = constants_of(reference, args.rounds, args.seconds)
    for name in doublings:
        record["sweeps"][name] = sweep(name, reference, doublings[name], args.rounds, args.seconds)
    record["hundredfold"] = {
        name: hundredfold(name, reference, constants, measured) for name, measured in record["sweeps"].items()
    }
    print(sweeps_table(record), hundredfold_table(record), sep="\n\n")
    if args.json:
        with atomic_write(args.json) as file:
            file.write(json.dumps(record, indent=1).encode())
    if args.out:
        sv.plotting.save_picture(draw_scaling(record), args.out, show=True)
        print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
