"""What every optimizer promises."""

from __future__ import annotations

from math import inf
from typing import Any, TypeVar

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, CopyError, ShapeError
from scratchvae.memory import arguments_of, check_vector, check_writable, required
from scratchvae.optim.schedules import Constant, Schedule, make_schedule
from scratchvae.representation import call_repr
from scratchvae.validation import check_float

OptimizerT = TypeVar("OptimizerT", bound="Optimizer")


class Optimizer:
    """Moves a flat vector θ (P,) against its gradient dθ (P,), in place.

    `lr` is a number or a schedule; `t` counts the updates made; `state` holds, by name, what is remembered of the
    gradients, each (P,).

    It can be copied, or sent to another process, until it is bound: then a copy would move another θ than the model's.
    """

    xp: Any
    theta: Array
    _owned = False  # by a trainer, which moves the weights by a fused variant of it

    def __init__(self, lr: float | Schedule) -> None:
        self.schedule: Schedule = make_schedule(lr)
        self.t = 0
        self.state: dict[str, Array] = {}

    def bind(self, xp: Any, theta: Array) -> None:
        """Receive θ (P,), once and for all.

        Raises ConfigError where there is one already, DTypeError, ShapeError or ReadOnlyError.
        """
        self.require_free()
        check_vector("theta", theta)
        check_writable(theta=theta)
        self.xp = xp
        self.theta = theta

    def require_free(self) -> None:
        """Raises ConfigError where it belongs to a trainer already."""
        if hasattr(self, "theta") or self._owned:
            raise ConfigError(f"this {type(self).__name__} belongs to another trainer; make one of its own for each")

    __repr__ = call_repr

    def config(self) -> dict[str, Any]:
        """The arguments that make an optimizer of this kind again, not bound."""
        return arguments_of(self)

    @classmethod
    def from_config(cls: type[OptimizerT], config: dict[str, Any]) -> OptimizerT:
        """The optimizer that `config` was taken from."""
        return cls(**config)

    @property
    def lr(self) -> float | Schedule:
        """The learning rate, a number or a schedule."""
        return self.schedule.lr if type(self.schedule) is Constant else self.schedule

    @lr.setter
    def lr(self, value: float | Schedule) -> None:
        self.schedule = make_schedule(value)

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "theta"):
            kind = type(self).__name__
            raise CopyError(
                f"this {kind} belongs to a trainer, whose weights a copy could not move; make a new {kind} for each one"
            )
        return vars(self)

    def learning_rate(self, dtheta: Array) -> float:
        """The learning rate of the update from dθ, once that is known to fit θ.

        Raises ConfigError, of an optimizer without θ or a schedule that answers no rate, DTypeError or ShapeError.
        """
        try:
            theta = self.theta
        except AttributeError:
            raise ConfigError(f"this {type(self).__name__} has no theta yet: call bind(xp, theta) first") from None
        if getattr(dtheta, "shape", None) != theta.shape or dtheta.dtype is not theta.dtype:
            check_vector("dtheta", dtheta)
            if dtheta.shape != theta.shape:
                raise ShapeError(f"dtheta has shape {dtheta.shape}; expected {theta.shape}, that of theta")
        lr = self.schedule(self.t)
        return lr if type(lr) is float and 0.0 <= lr < inf else check_float("lr", lr)

    @required
    def step(self, dtheta: Array) -> None:
        """One update from dθ, which is left as it is."""
        raise NotImplementedError
