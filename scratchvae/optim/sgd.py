"""Stochastic gradient descent, with optional momentum."""

from __future__ import annotations

from math import inf
from typing import Any

from scratchvae.backend import Array
from scratchvae.optim.flush import FlushToZero
from scratchvae.optim.optimizer import Optimizer
from scratchvae.optim.schedules import Schedule
from scratchvae.validation import check_fraction, suggest_arguments


class SGD(Optimizer):
    """SGD with momentum. Polyak 1964, in the form of Sutskever, Martens, Dahl, Hinton 2013, eq. 1 and 2.

    v ← momentum · v − lr · g          θ ← θ + v

    v is set to 0 before it decays to subnormal numbers, which are slow: see `optim.flush`.
    """

    @suggest_arguments
    def __init__(self, lr: float | Schedule = 1e-2, momentum: float = 0.0) -> None:
        super().__init__(lr)
        self.momentum = check_fraction("momentum", momentum)

    def bind(self, xp: Any, theta: Array) -> None:
        """Set θ, and v = 0. Raises as `Optimizer.bind`."""
        super().bind(xp, theta)
        self.v = xp.zeros_like(theta)
        self.state = {"v": self.v}
        self._scratch = xp.empty_like(theta)
        # What is flushed is below v₀ = tiny / √eps, 3.4e-35 in float32: it is lost in the rounding of any θ above
        # 4 v₀ / eps, 1e-27 in float32. A θ of exactly 0 stays 0, instead of moving by at most v₀ / (1 − momentum).
        self._flush = FlushToZero(xp, self._scratch, (self.v, self.momentum, inf))

    def step(self, dtheta: Array) -> None:
        """One update from dθ."""
        self.check_gradient(dtheta)
        lr = self.learning_rate()
        self.t += 1
        self.xp.multiply(dtheta, lr, out=self._scratch)
        self.v *= self.momentum
        self.v -= self._scratch
        self.theta += self.v
        self._flush.after(self.t)
