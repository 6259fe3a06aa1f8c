# %% [markdown]
# # What does size cost?
# One size of the reference network (784-512-20, batches of 128) is doubled again and again, all else held: the batch,
# the width and the number of the hidden layers, the latent space; and the rows of the data, for a whole epoch. Where
# time grows as size^k, k is the slope of a straight line between logarithms. Beside it stands the slope that counting
# operations predicts, and at the end what both lead one to expect of a hundred times the size.
#
#     python demos/scale.py --out scale.png          some two minutes
#     python demos/scale.py --quick                  a tiny network, to try it out

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
from measuring.scaling import draw_scaling, tell_hundredfold, tell_sweeps

import scratchvae as sv
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import ScratchVAEError

REFERENCE = Sizes(batch=128, width=512, depth=1, latent=20, inputs=784, rows=4096)
DOUBLINGS = {"batch": (4, 4), "width": (4, 3), "depth": (0, 5), "latent": (2, 6), "rows": (4, 3)}
QUICK = Sizes(batch=8, width=16, depth=1, latent=4, inputs=16, rows=32)
QUICK_DOUBLINGS = dict.fromkeys(DOUBLINGS, (0, 4))


# %% [markdown]
# What is timed: a step, which is one batch forward and backward and Adam's update; an epoch, with its shuffling and
# gathering of rows; and Adam's update alone. All tell their seconds.


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


def seconds_of(work, *arguments):
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


# %% [markdown]
# All that is to be compared takes turns, round after round, so that what slows the machine down slows all of it. A turn
# is as many calls as fit into its time, one at least; what counts is the median of its calls, and then of the turns.


# %%
def take_turns(jobs, rounds, seconds):
    for job in jobs:
        job()
    turns = [[] for _ in jobs]
    for _ in range(rounds):
        for job, of in zip(jobs, turns, strict=True):
            calls, end = [job()], time.perf_counter() + seconds
            while time.perf_counter() < end:
                calls.append(job())
            of.append(median(calls))
    return turns


def sweep(name, reference, doublings, rounds, seconds):
    base, (below, above) = getattr(reference, name), doublings  # how often it is halved and doubled
    values = [base * 2**k // 2**below for k in range(below + above + 1)]
    sizes = [replace(reference, **{name: value}) for value in values]
    jobs = [Epoch(each) if name == "rows" else Step(each) for each in sizes]
    turns = take_turns(jobs, rounds, seconds)
    k, error = exponent(values, [median(of) for of in turns])
    operations = [each.operations * steps_of(name, each) for each in sizes]
    counted, _ = exponent(values, operations)
    found = {"sizes": values, "reference": base, "seconds": turns, "operations": operations}
    return {**found, "k": k, "error": error, "counted": counted}


def steps_of(name, sizes):
    """How many steps are timed as one: an epoch's, if the rows are what grows."""
    return sizes.steps if name == "rows" else 1


# %% [markdown]
# log time = a + k · log size, by least squares. In the lower half rules what costs the same at any size, the calls from
# Python above all, so the line is laid through the upper half. Its standard error is that of a straight line's slope:
# it knows of the scatter about the line, and nothing of a bend in it.


# %%
def exponent(sizes, times):
    upper = len(sizes) // 2
    x, y = np.log(sizes[upper:]), np.log(times[upper:])
    x, y = x - x.mean(), y - y.mean()
    k = x @ y / (x @ x)
    off = y - k * x
    return float(k), sqrt(off @ off / (len(x) - 2) / (x @ x))


# %% [markdown]
# Four constants make seconds of counts: for an operation of the products, with all else that is done to a batch; for a
# parameter in Adam; and for the calls from Python, around each linear map and in every step, which networks of single
# numbers show. A hundred times each size is reckoned from them. The same reckoning for the largest size that was
# measured, over what was measured, tells how far to trust it.


# %%
def constants_of(sizes, rounds, seconds):
    shallow = Sizes(batch=1, width=1, depth=1, latent=1, inputs=1)
    deep = replace(shallow, depth=9)
    jobs = Step(sizes), AdamAlone(sizes), Step(shallow), AdamAlone(shallow), Step(deep)
    step, adam, calls, calls_of_adam, calls_of_deep = map(median, take_turns(jobs, rounds, seconds))
    of_map = (calls_of_deep - calls) / (len(deep.maps) - len(shallow.maps))
    adam -= calls_of_adam
    return {
        "operation": max(step - adam - calls, 0) / sizes.products,
        "parameter": max(adam, 0) / sizes.parameters,
        "map": of_map,
        "step": calls - of_map * len(shallow.maps),
    }


def reckon(name, sizes, constants):
    counts = {"operation": sizes.products, "parameter": sizes.parameters, "map": len(sizes.maps), "step": 1}
    return steps_of(name, sizes) * sum(constants[each] * count for each, count in counts.items())


def hundredfold(name, reference, constants, swept):
    larger, largest = (
        replace(reference, **{name: value}) for value in (100 * getattr(reference, name), swept["sizes"][-1])
    )
    return {
        "sizes": [getattr(each, name) for each in (reference, larger)],
        "products": steps_of(name, larger) * larger.products / (steps_of(name, reference) * reference.products),
        "adam": steps_of(name, larger) * larger.adam / (steps_of(name, reference) * reference.adam),
        "seconds": [reckon(name, each, constants) for each in (reference, larger)],
        "MB": [(each.memory + (name == "rows") * each.data) / 2**20 for each in (reference, larger)],
        "largest": getattr(largest, name),
        "reckoned over measured": reckon(name, largest, constants) / median(swept["seconds"][-1]),
    }


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Time a training step, and an epoch, at many sizes.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each turn")
    parser.add_argument("--quick", action="store_true", help="a tiny network")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to keep what is measured")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to draw it: .png, .pdf or .svg")
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
    swept = record["sweeps"].items()
    record["hundredfold"] = {name: hundredfold(name, reference, constants, of) for name, of in swept}
    print(tell_sweeps(record), tell_hundredfold(record), sep="\n\n")
    if args.json:
        with atomic_write(args.json) as file:
            file.write(json.dumps(record, indent=1).encode())
    if args.out:
        sv.plotting.save_picture(draw_scaling(record), args.out)
        print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
