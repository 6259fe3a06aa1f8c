"""The hyperbolic tangent."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.layers.layer import ElementwiseLayer


class Tanh(ElementwiseLayer):
    """Hyperbolic tangent, y = tanh(x).

    shapes   x, y (B, I)
    saves    y
    writes   y | dx
    """

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        self.xp.tanh(x, out=y)
        self.y = y
        return y

    # tanh = sinh/cosh, so ∂y/∂x = (cosh² − sinh²)/cosh² = 1 − y²
    #   →  dx = (1 − y²) dy
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self.xp.multiply(self.y, self.y, out=dx)
        self.xp.subtract(1.0, dx, out=dx)
        dx *= dy
        return dx
