"""The weight of the KL over time: each schedule answers what multiplies beta in update t, counted from 0."""

from __future__ import annotations

from collections.abc import Callable

from scratchvae.errors import ConfigError
from scratchvae.representation import call_repr
from scratchvae.validation import check_int, check_positive

KLWeight = Callable[[int], float]


class KLWarmUp:
    """A straight rise from 0 to 1 over `steps` updates, 1 after. Bowman et al. 2016, sec. 3.1; Sønderby et al. 2016.

    While the KL weighs little, the decoder learns to make use of z; at full weight from the start it may learn to do
    without, for the posterior is then pulled to the prior before z has anything to tell.
    """

    def __init__(self, steps: int) -> None:
        self.steps = check_int("steps", steps)

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """The weight in update t."""
        return min(t / self.steps, 1.0)


class KLCycles:
    """`cycles` times in `steps` updates a straight rise from 0 to 1, then 1 to the cycle's end, and after all of them.

    `rise` is the share of a cycle in which the weight rises. Each cycle begins with the codes that the one before has
    left. Fu et al. 2019, whose choice is four cycles and a rise of one half. Raises ConfigError.
    """

    def __init__(self, steps: int, cycles: int = 4, rise: float = 0.5) -> None:
        self.steps = check_int("steps", steps)
        self.cycles = check_int("cycles", cycles)
        self.rise = check_positive("rise", rise)
        if self.cycles > self.steps:
            raise ConfigError(f"KLCycles({steps}, cycles={cycles}): expected no more cycles than steps")
        if self.rise > 1:
            raise ConfigError(f"rise={rise!r}: expected a share of a cycle, more than 0 and at most 1")

    __repr__ = call_repr

    def __call__(self, t: int) -> float:
        """The weight in update t."""
        if t >= self.steps:
            return 1.0
        passed = t * self.cycles % self.steps / self.steps  # of the cycle at hand, a share of it
        return min(passed / self.rise, 1.0)
