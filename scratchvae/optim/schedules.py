"""Learning-rate schedules: functions from the number t of an update, counted from 0, to its learning rate."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi
from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.representation import call_repr
from scratchvae.validation import check_callable, check_float, check_int, check_positive, short_repr, suggest_arguments

Schedule = Callable[[int], float]


def check_schedule(name: str, value: Any) -> Schedule:
    """Return `value`. Raises ConfigError unless it is a schedule."""
    return check_callable(
        name, value, "a schedule, a function of the number of the update: make one, such as Cosine(1e-3, steps=100)"
    )


class Constant:
    """A constant learning rate."""

    @suggest_arguments
    def __init__(self, lr: float) -> None:
        self.lr = check_positive("lr", lr)

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """Return the learning rate of update t."""
        return self.lr


def make_schedule(lr: Any) -> Schedule:
    """Return a schedule: `lr` itself if it is one, or `Constant(lr)`. Raises ConfigError."""
    return check_schedule("lr", lr) if callable(lr) else Constant(lr)


class Cosine:
    """Cosine decay from `lr` to `final` over `steps` updates, then `final`. Loshchilov and Hutter 2017, eq. 5."""

    @suggest_arguments
    def __init__(self, lr: float, steps: int, final: float = 0.0) -> None:
        self.lr = check_positive("lr", lr)
        self.steps = check_int("steps", steps)
        self.final = check_float("final", final)
        if self.final > self.lr:
            raise ConfigError(f"final={short_repr(final)}: expected a final rate of at most lr={short_repr(lr)}")

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """Return the learning rate of update t."""
        return self.final + (self.lr - self.final) * 0.5 * (1.0 + cos(pi * min(t / self.steps, 1.0)))


class WarmUp:
    """Linear warm-up over `steps` updates to the initial rate of the schedule `after`, which follows from its own 0."""

    @suggest_arguments
    def __init__(self, steps: int, after: Schedule) -> None:
        self.steps = check_int("steps", steps, minimum=0)
        self.after = check_schedule("after", after)

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """Return the learning rate of update t."""
        if t < self.steps:
            return self.after(0) * (t + 1) / self.steps
        return self.after(t - self.steps)


class ScaledSchedule:
    """A schedule multiplied by `factor`."""

    @suggest_arguments
    def __init__(self, schedule: Schedule, factor: float) -> None:
        self.schedule = check_schedule("schedule", schedule)
        self.factor = check_positive("factor", factor)

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """Return the learning rate of update t."""
        return self.factor * self.schedule(t)
