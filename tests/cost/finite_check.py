"""What it costs to know, at each step of training, that its numbers are finite.

    OPENBLAS_NUM_THREADS=1 python tests/cost/finite_check.py [--rounds N] [--epochs N] [--steps N] [--seed N]

The reference network, 784-512-20 at batch 128, and a small one, 784-128-20 at batch 16, train in float32 by
`Trainer.fit` as it is, and with a blind one in the place of its `FiniteCheck`, that looks at nothing and keeps nothing
to go back to. Both take turns, each first in every second round, so that what slows the machine down slows both; told
are the median and the quartiles of their ratio, round by round, less 1. Time is that of the processor, which other work
on the machine disturbs less. The exit code is 1 if a median is above 1 % of a step.
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
ALLOWED = 0.01


class Blind(FiniteCheck):
    """One that sees nothing."""

    def on_epoch_begin(self, state):
        pass

    def on_before_update(self, state):
        pass

    def on_step_end(self, state):
        pass

    def on_epoch_end(self, state):
        pass


@contextmanager
def replaced(owner, **by):
    """`owner` with other attributes."""
    kept = {name: getattr(owner, name) for name in by}
    try:
        for name, value in by.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in kept.items():
            setattr(owner, name, value)


clock = time.perf_counter if sys.platform == "win32" else time.process_time  # which ticks every 16 ms there


class Run:
    def __init__(self, batch, hidden, steps, epochs, seed, backend, width=784):
        self.images = np.random.default_rng(seed).random((steps * batch, width), np.float32)
        self.steps, self.epochs = steps, epochs
        model = sv.VAE(width, 20, (hidden,), seed=seed, backend=backend)
        self.trainer = sv.Trainer(model, batch_size=batch, seed=seed)

    def seconds(self, *callbacks):
        """Those of the processor for a step, of as many as one call of fit makes."""
        start = clock()
        self.trainer.fit(self.images, self.epochs, callbacks=callbacks)
        return (clock() - start) / (self.steps * self.epochs)

    def looks(self):
        """How often the loss, and how often the state, is looked at in an epoch."""
        counts = {"loss_is_finite": 0, "all_finite": 0}

        def counting(name, look):
            def counted(*arrays):
                counts[name] += 1
                return look(*arrays)

            return counted

        with replaced(finite_check, **{name: counting(name, getattr(finite_check, name)) for name in counts}):
            self.trainer.fit(self.images, 1)
        return tuple(counts.values())


def cost(run, rounds):
    """Microseconds of a step, and what the looks cost of it, in each round."""
    seen, blind = [], []
    for number in range(rounds):
        for look in (True, False) if number % 2 else (False, True):
            if look:
                seen.append(run.seconds())
            else:
                blind.append(run.seconds(Blind()))
    return 1e6 * median(seen), [with_looks / without - 1 for with_looks, without in zip(seen, blind, strict=True)]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40, help="two at least")
    parser.add_argument("--epochs", type=int, default=8, help="of a turn, which is one call of fit")
    parser.add_argument("--steps", type=int, default=128, help="of an epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--only", nargs="+", choices=SIZES, default=SIZES)
    args = parser.parse_args(arguments)
    warnings.simplefilter("ignore", CollapseWarning)  # there is nothing to learn from noise
    dear = False
    for name in args.only:
        run = Run(*SIZES[name], args.steps, args.epochs, args.seed, args.backend)
        losses, states = run.looks()
        if losses < args.steps or not states:
            sys.exit(
                f"fit made {args.steps} steps and looked at {losses} losses and {states} states: nothing to measure"
            )
        step, costs = cost(run, args.rounds)
        low, middle, high = quantiles(costs, n=4)
        error = 1.25 * (high - low) / 1.35 / args.rounds**0.5  # of a median, of what is spread as a Gaussian is
        dear |= middle > ALLOWED
        print(
            f"{name:<10} step {step:8.1f} µs, {losses} looks at the loss, {states} at the state in {args.steps} steps: "
            f"{middle:+.2%} ± {error:.2%} of a step, quartiles {low:+.2%} to {high:+.2%}"
        )
    return int(dear)


if __name__ == "__main__":
    sys.exit(main())
