"""The logistic sigmoid."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.logistic import sigmoid
from scratchvae.layers.layer import ElementwiseLayer


class Sigmoid(ElementwiseLayer):
    """Logistic sigmoid, y = σ(x) = 1 / (1 + exp(−x)).

    shapes   x, y (B, I)
    saves    y
    writes   y | dx
    """

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        sigmoid(self.xp, x, out=y)
        self.y = y
        return y

    # ∂y/∂x = exp(−x) / (1 + exp(−x))² = y · exp(−x)/(1 + exp(−x)) = y (1 − y)
    #   →  dx = y (1 − y) dy
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self.xp.subtract(1.0, self.y, out=dx)
        dx *= self.y
        dx *= dy
        return dx
