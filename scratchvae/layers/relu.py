"""The rectified linear unit."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.layers.layer import ElementwiseLayer
from scratchvae.memory import BatchBuffers


class ReLU(ElementwiseLayer):
    """Rectified linear unit, y = max(x, 0). Nair and Hinton 2010.

    shapes   x, y (B, I)
    saves    y
    writes   y | dx
    """

    initializer = "he_normal"

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y, dx and a row of zeros: np.maximum is three times as fast with an array as with a scalar."""
        self._zero = buffers.vector(self.input_width, 0.0)
        super().allocate(buffers)

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        self.xp.maximum(x, self._zero, out=y)
        self.y = y
        return y

    # ∂y/∂x = 1 where x > 0, which is where y > 0; 0 elsewhere, and by convention at the kink
    #   →  dx = [y > 0] dy
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self.xp.greater(self.y, 0.0, out=dx)
        dx *= dy
        return dx
