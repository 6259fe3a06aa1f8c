"""Learning rates over time: each schedule answers the rate of update t, counted from 0."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, isfinite, pi

from scratchvae.errors import ConfigError

Schedule = Callable[[int], float]


class Constant:
    """The same rate for ever."""

    def __init__(self, lr: float) -> None:
        self.lr = positive("lr", lr)

    def __call__(self, t: int) -> float:
        """The rate of update t."""
        return self.lr


class Cosine:
    """Half a cosine from `lr` to `final` over `steps` updates, `final` after. Loshchilov and Hutter 2017, eq. 5."""

    def __init__(self, lr: float, steps: int, final: float = 0.0) -> None:
        self.lr = positive("lr", lr)
        if steps < 1 or not 0 <= final <= lr:
            raise ConfigError(f"Cosine({lr}, steps={steps}, final={final}): expected steps ≥ 1 and 0 ≤ final ≤ lr")
        self.steps = steps
        self.final = final

    def __call__(self, t: int) -> float:
        """The rate of update t."""
        return self.final + (self.lr - self.final) * 0.5 * (1.0 + cos(pi * min(t / self.steps, 1.0)))


class WarmUp:
    """A straight rise over `steps` updates to where the schedule `then` begins; `then` takes over, from its own 0."""

    def __init__(self, steps: int, then: Schedule) -> None:
        if steps < 0:
            raise ConfigError(f"WarmUp(steps={steps}): expected 0 or more")
        self.steps = steps
        self.then = then

    def __call__(self, t: int) -> float:
        """The rate of update t."""
        if t < self.steps:
            return self.then(0) * (t + 1) / self.steps
        return self.then(t - self.steps)


def positive(name: str, value: float) -> float:
    """`value`, if it is a positive finite number; raises ConfigError otherwise."""
    if not (value > 0 and isfinite(value)):
        raise ConfigError(f"{name}={value}: expected a positive finite number, such as 1e-3")
    return value
