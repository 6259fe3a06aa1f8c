"""The exponential linear unit."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.layers.layer import ElementwiseLayer
from scratchvae.memory import BatchBuffers
from scratchvae.validation import check_positive


class ELU(ElementwiseLayer):
    """Exponential linear unit, y = x for x > 0 and α (exp(x) − 1) elsewhere. Clevert et al. 2016, eq. 15.

    shapes   x, y (B, I)
    saves    ∂y/∂x
    writes   y | dx
    """

    initializer = "he_normal"

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = check_positive("alpha", alpha)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate ∂y/∂x, y and dx."""
        self._slope = buffers.matrix(self.input_width)
        super().allocate(buffers)

    # With e = exp(min(x, 0)), which is 1 where x > 0:
    #   y = max(x, 0) + α (e − 1),   ∂y/∂x = 1 where x > 0, α e elsewhere = α e + (1 − α) [x > 0]
    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y, slope, scratch = self._y[:rows], self._slope[:rows], self._dx[:rows]
        self.xp.minimum(x, 0.0, out=slope)
        self.xp.expm1(slope, out=y)
        y *= self.alpha
        self.xp.maximum(x, 0.0, out=scratch)
        y += scratch
        self.xp.exp(slope, out=slope)
        slope *= self.alpha
        self.xp.greater(x, 0.0, out=scratch)
        scratch *= 1.0 - self.alpha
        slope += scratch
        self.slope = slope
        return y

    #   →  dx = ∂y/∂x dy
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self.xp.multiply(self.slope, dy, out=dx)
        return dx
