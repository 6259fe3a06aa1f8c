"""What every optimizer promises."""

from __future__ import annotations

from math import inf
from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, CopyError, ShapeError
from scratchvae.memory import fuse, require_vector, require_writable
from scratchvae.optim.schedules import Constant, Schedule, admit_schedule
from scratchvae.settings import real


class Optimizer:
    """Moves a flat vector θ (P,) against its gradient dθ (P,), in place.

    `lr` is a number or a schedule; `t` counts the updates made; `memory` holds, by name, what is remembered of the
    gradients, each (P,).

    It can be copied, or sent to another process, until it is bound: then a copy would move another θ than the model's.
    """

    xp: Any
    theta: Array

    def __init__(self, lr: float | Schedule) -> None:
        self.schedule: Schedule = admit_schedule("lr", lr) if callable(lr) else Constant(lr)
        self.t = 0
        self.memory: dict[str, Array] = {}

    def bind(self, xp: Any, theta: Array) -> None:
        """Receive θ (P,), once and for all.

        Raises ConfigError where there is one already, DTypeError, ShapeError or ReadOnlyError.
        """
        if hasattr(self, "theta"):
            raise ConfigError(f"this {type(self).__name__} belongs to another trainer; make one of its own for each")
        require_vector("theta", theta)
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

    def rate(self, dtheta: Array) -> float:
        """The learning rate of the update from dθ, once that is known to fit θ.

        Raises ConfigError, of an optimizer without θ or a schedule that answers no rate, DTypeError or ShapeError.
        """
        try:
            theta = self.theta
        except AttributeError:
            raise ConfigError(f"this {type(self).__name__} has no theta yet: call bind(xp, theta) first") from None
        if getattr(dtheta, "shape", None) != theta.shape or dtheta.dtype is not theta.dtype:
            require_vector("dtheta", dtheta)
            if dtheta.shape != theta.shape:
                raise ShapeError(f"dtheta has shape {dtheta.shape}; expected {theta.shape}, that of theta")
        lr = self.schedule(self.t)
        return lr if type(lr) is float and 0.0 <= lr < inf else real("lr", lr)

    def step(self, dtheta: Array) -> None:
        """One update from dθ, which is left as it is."""
        raise NotImplementedError
