"""The interface of an optimizer."""

from __future__ import annotations

from math import inf
from typing import Any, TypeVar

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, CopyError, ShapeError
from scratchvae.memory import arguments_of, check_vector, check_writable, from_arguments, required
from scratchvae.optim.schedules import Constant, Schedule, make_schedule
from scratchvae.representation import call_repr
from scratchvae.validation import check_float, shorten

OptimizerT = TypeVar("OptimizerT", bound="Optimizer")


class Optimizer:
    """Updates of a flat vector θ (P,) from its gradient dθ (P,), in place.

    lr       the learning rate, a number or a schedule
    t        the number of updates so far
    state    moments or velocity, by name, each (P,)

    It can be copied or pickled only until it is bound, because a copy would update another θ than the model's.
    """

    xp: Any
    theta: Array
    _owned = False  # True if a trainer uses a fused variant of it

    def __init__(self, lr: float | Schedule) -> None:
        self.schedule: Schedule = make_schedule(lr)
        self.t = 0
        self.state: dict[str, Array] = {}

    def bind(self, xp: Any, theta: Array) -> None:
        """Set θ (P,), which may be done once.

        Raises ConfigError if it is set already, DTypeError, ShapeError or ReadOnlyError.
        """
        self.check_unbound()
        check_vector("theta", theta)
        check_writable(theta=theta)
        self.xp = xp
        self.theta = theta

    def check_unbound(self) -> None:
        """Raise ConfigError if the optimizer is bound or belongs to a trainer."""
        if hasattr(self, "theta") or self._owned:
            raise ConfigError(f"this {self._class_name()} belongs to another trainer; make a new one for each trainer")

    __repr__ = call_repr

    def config(self) -> dict[str, Any]:
        """Return the arguments of `__init__` of this optimizer. Raises ConfigError."""
        return arguments_of(self)

    @classmethod
    def from_config(cls: type[OptimizerT], config: dict[str, Any]) -> OptimizerT:
        """Construct an optimizer, not bound, from a `config()`."""
        return from_arguments(cls, config)

    @property
    def lr(self) -> float | Schedule:
        """The learning rate, a number or a schedule."""
        return self.schedule.lr if type(self.schedule) is Constant else self.schedule

    @lr.setter
    def lr(self, value: float | Schedule) -> None:
        self.schedule = make_schedule(value)

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "theta"):
            raise CopyError(
                f"this {self._class_name()} belongs to a trainer and cannot be copied; make a new one for each trainer"
            )
        return vars(self)

    def check_gradient(self, dtheta: Array) -> None:
        """Check that dθ fits θ. Raises ConfigError if θ is not set, DTypeError or ShapeError."""
        try:
            theta = self.theta
        except AttributeError:
            raise ConfigError(f"this {self._class_name()} has no theta yet: call bind(xp, theta) first") from None
        if getattr(dtheta, "shape", None) != theta.shape or dtheta.dtype is not theta.dtype:
            check_vector("dtheta", dtheta)
            if dtheta.shape != theta.shape:
                raise ShapeError(f"dtheta has shape {dtheta.shape}; expected {theta.shape}, the shape of theta")

    def learning_rate(self) -> float:
        """The learning rate of the next update. Raises ConfigError if the schedule returns an invalid one."""
        lr = self.schedule(self.t)
        return lr if type(lr) is float and 0.0 <= lr < inf else check_float("lr", lr)

    @required
    def step(self, dtheta: Array) -> None:
        """One update from dθ, which is not changed."""
        raise NotImplementedError

    def _class_name(self) -> str:
        return shorten(type(self).__name__, 40)
