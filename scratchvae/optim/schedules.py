"""Learning rates over time: each schedule answers the rate of update t, counted from 0."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi
from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.representation import call_repr
from scratchvae.validation import check_callable, check_float, check_int, check_positive

Schedule = Callable[[int], float]


def check_schedule(name: str, value: Any) -> Schedule:
    """`value`, if it is a schedule; raises ConfigError otherwise."""
    return check_callable(
        name, value, "a schedule, a function of the update's number: make one, as in Cosine(1e-3, steps=100)"
    )


class Constant:
    """The same rate for ever."""

    def __init__(self, lr: float) -> None:
        self.lr = check_positive("lr", lr)

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """The rate of update t."""
        return self.lr


def make_schedule(lr: Any) -> Schedule:
    """A number as the schedule that stays there; a schedule as it is. Raises ConfigError."""
    return check_schedule("lr", lr) if callable(lr) else Constant(lr)


class Cosine:
    """Half a cosine from `lr` to `final` over `steps` updates, `final` after. Loshchilov and Hutter 2017, eq. 5."""

    def __init__(self, lr: float, steps: int, final: float = 0.0) -> None:
        self.lr = check_positive("lr", lr)
        self.steps = check_int("steps", steps)
        self.final = check_float("final", final)
        if self.final > self.lr:
            raise ConfigError(f"Cosine({lr}, steps={steps}, final={final}): expected a final rate of at most lr")

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """The rate of update t."""
        return self.final + (self.lr - self.final) * 0.5 * (1.0 + cos(pi * min(t / self.steps, 1.0)))


class WarmUp:
    """A straight rise over `steps` updates to where the schedule `after` begins; `after` takes over, from its own 0."""

    def __init__(self, steps: int, after: Schedule) -> None:
        self.steps = check_int("steps", steps, minimum=0)
        self.after = check_schedule("then", after)

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """The rate of update t."""
        if t < self.steps:
            return self.after(0) * (t + 1) / self.steps
        return self.after(t - self.steps)


class ScaledSchedule:
    """Another schedule's rate, `factor` times."""

    def __init__(self, schedule: Schedule, factor: float) -> None:
        self.schedule = check_schedule("schedule", schedule)
        self.factor = check_positive("factor", factor)

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """The rate of update t."""
        return self.factor * self.schedule(t)
