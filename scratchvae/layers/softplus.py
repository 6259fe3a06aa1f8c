"""The smooth rectifier."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.logistic import sigmoid, softplus
from scratchvae.layers.layer import ElementwiseLayer


class Softplus(ElementwiseLayer):
    """Smooth rectifier, y = log(1 + exp(x)). Dugas, Bengio, Bélisle, Nadeau, Garcia 2001.

    shapes   x, y (B, I)
    saves    x, by reference
    writes   y | dx
    """

    initializer = "he_normal"

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        softplus(self.xp, x, out=y, scratch=self._dx[:rows])
        self.x = x
        return y

    # ∂y/∂x = exp(x) / (1 + exp(x)) = 1 / (1 + exp(−x)) = σ(x)
    #   →  dx = σ(x) dy
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        sigmoid(self.xp, self.x, out=dx)
        dx *= dy
        return dx
