"""Stochastic gradient descent, with optional momentum."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.optim.optimizer import Optimizer
from scratchvae.optim.schedules import Schedule
from scratchvae.validation import check_fraction, suggest_arguments


class SGD(Optimizer):
    """SGD with momentum. Polyak 1964, in the form of Sutskever, Martens, Dahl, Hinton 2013, eq. 1 and 2.

    v ← momentum · v − lr · g          θ ← θ + v
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

    def step(self, dtheta: Array) -> None:
        """One update from dθ."""
        self.check_gradient(dtheta)
        lr = self.learning_rate()
        self.t += 1
        self.xp.multiply(dtheta, lr, out=self._scratch)
        self.v *= self.momentum
        self.v -= self._scratch
        self.theta += self.v
