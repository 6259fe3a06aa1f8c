"""The leaky rectified linear unit."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.layers.layer import ElementwiseLayer
from scratchvae.validation import check_positive, short_repr


class LeakyReLU(ElementwiseLayer):
    """Leaky rectified linear unit, y = max(x, a x) with a slope 0 < a < 1. Maas, Hannun, Ng 2013, sec. 2.

    shapes   x, y (B, I)
    saves    y
    writes   y | dx
    """

    initializer = "he_normal"

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = check_positive("slope", slope)
        if self.slope >= 1:
            raise ConfigError(f"slope={short_repr(slope)}: expected a slope between 0 and 1, such as 0.01")

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        self.xp.multiply(x, self.slope, out=y)
        self.xp.maximum(x, y, out=y)
        self.y = y
        return y

    # ∂y/∂x = 1 where x > 0, which is where y > 0, and a elsewhere
    #   →  dx = (a + (1 − a) [y > 0]) dy
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self.xp.greater(self.y, 0.0, out=dx)
        dx *= 1.0 - self.slope
        dx += self.slope
        dx *= dy
        return dx
