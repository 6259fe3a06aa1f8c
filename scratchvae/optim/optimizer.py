"""What every optimizer promises."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.optim.schedules import Constant, Schedule


class Optimizer:
    """Moves a flat vector θ (P,) against its gradient dθ (P,), in place.

    `lr` is a number or a schedule; `t` counts the updates made.
    """

    xp: Any
    theta: Array

    def __init__(self, lr: float | Schedule) -> None:
        self.schedule: Schedule = lr if callable(lr) else Constant(lr)
        self.t = 0

    def bind(self, xp: Any, theta: Array) -> None:
        """Receive θ, and make what is remembered of each of its gradients."""
        self.xp = xp
        self.theta = theta

    def step(self, dtheta: Array) -> None:
        """One update from dθ, which is left as it is."""
        raise NotImplementedError


def fraction(name: str, value: float) -> float:
    """`value`, if it is in [0, 1); raises ConfigError otherwise."""
    if not 0 <= value < 1:
        raise ConfigError(f"{name}={value}: expected a number from 0 up to, not including, 1")
    return value
