"""What every optimizer promises."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, CopyError
from scratchvae.memory import fuse, require_writable
from scratchvae.optim.schedules import Constant, Schedule


class Optimizer:
    """Moves a flat vector θ (P,) against its gradient dθ (P,), in place.

    `lr` is a number or a schedule; `t` counts the updates made; `memory` holds, by name, what is remembered of the
    gradients, each (P,).

    It can be copied, or sent to another process, until it is bound: then a copy would move another θ than the model's.
    """

    xp: Any
    theta: Array

    def __init__(self, lr: float | Schedule) -> None:
        self.schedule: Schedule = lr if callable(lr) else Constant(lr)
        self.t = 0
        self.memory: dict[str, Array] = {}

    def bind(self, xp: Any, theta: Array) -> None:
        """Receive θ, once and for all. Raises ConfigError where there is one already, or ReadOnlyError."""
        if hasattr(self, "theta"):
            raise ConfigError(f"this {type(self).__name__} belongs to another trainer; make one of its own for each")
        require_writable(theta=theta)
        fuse(self, xp)
        self.xp = xp
        self.theta = theta

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "theta"):
            kind = type(self).__name__
            raise CopyError(
                f"this {kind} belongs to a trainer, whose weights a copy could not move; make a new {kind} for each one"
            )
        return vars(self)

    def step(self, dtheta: Array) -> None:
        """One update from dθ, which is left as it is."""
        raise NotImplementedError
