"""Measure the cost of the finite checks in a training step.

    OPENBLAS_NUM_THREADS=1 python tests/cost/finite_check.py [--rounds N] [--epochs N] [--steps N] [--seed N]

The reference network, 784-512-20 at batch 128, and a small one, 784-128-20 at batch 16, train in float32 with
`Trainer.fit`, once with its `FiniteCheck` and once with a callback in its place that checks and saves nothing. The two
alternate, and each is first in every second round, so that other work on the machine slows both. The output is the
median and the quartiles of their ratio per round, minus 1. Times are processor times, which other work disturbs less.
The exit code is 1 if a median is above 1 % of a step.
"""

import argparse
import sys
import time
import warnings
from contextlib import contextmanager
from statistics import median, quantiles

import numpy as np

import scratchvae as sv
from scratchvae.errors import CollapseWarning
from scratchvae.training import FiniteCheck
from scratchvae.training.callbacks import finite_check

SIZES = {"reference": (128, 512), "small": (16, 128)}
MAX_COST = 0.01


class NoChecks(FiniteCheck):
    """A finite check that checks nothing."""

    def on_epoch_begin(self, state):
        pass

    def on_before_update(self, state):
        pass

    def on_step_end(self, state):
        pass

    def on_epoch_end(self, state):
        pass


@contextmanager
def attributes_replaced(owner, **attributes):
    """Replace attributes of `owner` within the context."""
    originals = {name: getattr(owner, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in originals.items():
            setattr(owner, name, value)


# on Windows, process_time has a resolution of 16 ms
clock = time.perf_counter if sys.platform == "win32" else time.process_time


class Run:
    def __init__(self, batch, hidden, steps, epochs, seed, backend, width=784):
        self.images = np.random.default_rng(seed).random((steps * batch, width), np.float32)
        self.steps, self.epochs = steps, epochs
        model = sv.VAE(width, 20, (hidden,), seed=seed, backend=backend)
        self.trainer = sv.Trainer(model, batch_size=batch, seed=seed)

    def seconds(self, *callbacks):
        """Return the processor time per step of one call of fit, in seconds."""
        start = clock()
        self.trainer.fit(self.images, self.epochs, callbacks=callbacks)
        return (clock() - start) / (self.steps * self.epochs)

    def count_checks(self):
        """Return how often an epoch checks the loss, and how often the state."""
        counts = {"loss_is_finite": 0, "all_finite": 0}

        def with_counter(name, check):
            def check_and_count(*arrays):
                counts[name] += 1
                return check(*arrays)

            return check_and_count

        with attributes_replaced(
            finite_check, **{name: with_counter(name, getattr(finite_check, name)) for name in counts}
        ):
            self.trainer.fit(self.images, 1)
        return tuple(counts.values())


def cost(run, rounds):
    """Return the median time of a step in µs, and the relative cost of the checks in each round."""
    with_checks, without_checks = [], []
    for number in range(rounds):
        for checks_on in (True, False) if number % 2 else (False, True):
            if checks_on:
                with_checks.append(run.seconds())
            else:
                without_checks.append(run.seconds(NoChecks()))
    return 1e6 * median(with_checks), [
        checked / unchecked - 1 for checked, unchecked in zip(with_checks, without_checks, strict=True)
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40, help="at least two")
    parser.add_argument("--epochs", type=int, default=8, help="epochs per call of fit")
    parser.add_argument("--steps", type=int, default=128, help="steps per epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--only", nargs="+", choices=SIZES, default=SIZES)
    args = parser.parse_args(arguments)
    warnings.simplefilter("ignore", CollapseWarning)  # the data are noise
    too_slow = False
    for name in args.only:
        run = Run(*SIZES[name], args.steps, args.epochs, args.seed, args.backend)
        losses, states = run.count_checks()
        if losses < args.steps or not states:
            sys.exit(f"fit made {args.steps} steps and checked {losses} losses and {states} states: nothing to measure")
        step, costs = cost(run, args.rounds)
        low, middle, high = quantiles(costs, n=4)
        # of the median of Gaussian values, from their quartiles
        standard_error = 1.25 * (high - low) / 1.35 / args.rounds**0.5
        too_slow |= middle > MAX_COST
        print(
            f"{name:<10} step {step:8.1f} µs, {losses} checks of the loss, {states} of the state in {args.steps} steps"
            f": {middle:+.2%} ± {standard_error:.2%} of a step, quartiles {low:+.2%} to {high:+.2%}"
        )
    return int(too_slow)


if __name__ == "__main__":
    sys.exit(main())
