"""Fused Adam and AdamW: the whole update in one launch."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.fused.kernels import ADAM, launch
from scratchvae.optim import Adam, AdamW


class FusedAdam(Adam):
    """Adam in one launch."""

    kernels: Any

    def step(self, dtheta: Array) -> None:
        """One update from dθ."""
        self.update(dtheta, decay=1.0)

    def update(self, dtheta: Array, decay: float) -> None:
        """Multiply θ by `decay`, then make Adam's update from dθ."""
        self.check_gradient(dtheta)
        lr = self.learning_rate()
        self.t += 1
        c1, c2 = self.corrections()
        scalars = self.beta1, self.beta2, c2 * self.eps, lr * c2 / c1, decay
        launch(self.kernels, ADAM, dtheta, *scalars, self.theta, self.m, self.v)
        self._flush.after(self.t)


class FusedAdamW(AdamW, FusedAdam):
    """AdamW in one launch."""

    def step(self, dtheta: Array) -> None:
        """One update from dθ."""
        self.update(dtheta, decay=1.0 - self.learning_rate() * self.weight_decay)
