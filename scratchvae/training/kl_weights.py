"""Schedules of the KL weight: functions from the update t, counted from 0, to a factor of beta."""

from __future__ import annotations

from collections.abc import Callable

from scratchvae.errors import ConfigError
from scratchvae.representation import call_repr
from scratchvae.validation import check_int, check_positive, short_repr, suggest_arguments

KLWeight = Callable[[int], float]


class KLWarmUp:
    """A linear rise from 0 to 1 over `steps` updates, then 1. Bowman et al. 2016, sec. 3.1; Sønderby et al. 2016.

    While the KL weight is small, the decoder learns to use z. At full weight from the start, the posterior may be
    pulled to the prior before z carries information, and the decoder learns to ignore z.
    """

    @suggest_arguments
    def __init__(self, steps: int) -> None:
        self.steps = check_int("steps", steps)

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """The factor of beta in update t."""
        return min(t / self.steps, 1.0)


class KLCycles:
    """`cycles` cycles within `steps` updates: a linear rise from 0 to 1, then 1 until the cycle ends. 1 after them all.

    `rise` is the share of a cycle in which the weight rises. Each cycle starts from the codes that the previous one has
    learned. Fu et al. 2019, who choose four cycles and a rise of one half. Raises ConfigError.
    """

    @suggest_arguments
    def __init__(self, steps: int, cycles: int = 4, rise: float = 0.5) -> None:
        self.steps = check_int("steps", steps)
        self.cycles = check_int("cycles", cycles)
        self.rise = check_positive("rise", rise)
        if self.cycles > self.steps:
            raise ConfigError(f"KLCycles({steps}, cycles={cycles}): expected no more cycles than steps")
        if self.rise > 1:
            raise ConfigError(f"rise={short_repr(rise)}: expected a share of a cycle, more than 0 and at most 1")

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """The factor of beta in update t."""
        if t >= self.steps:
            return 1.0
        progress = t * self.cycles % self.steps / self.steps  # within the current cycle, from 0 to 1
        return min(progress / self.rise, 1.0)
