"""The sigmoid-weighted linear unit."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.logistic import sigmoid
from scratchvae.layers.layer import ElementwiseLayer
from scratchvae.memory import BatchBuffers


class SiLU(ElementwiseLayer):
    """Sigmoid-weighted linear unit, y = x σ(x). Elfwing, Uchibe, Doya 2018, eq. 5.

    shapes   x, y (B, I)
    saves    y and σ(x)
    writes   y | dx
    """

    initializer = "he_normal"

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate σ(x), y and dx."""
        self._gate = buffers.matrix(self.input_width)
        super().allocate(buffers)

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y, gate = self._y[:rows], self._gate[:rows]
        sigmoid(self.xp, x, out=gate)
        self.xp.multiply(x, gate, out=y)
        self.y, self.gate = y, gate
        return y

    # With s = σ(x) and s′ = s (1 − s):  ∂y/∂x = s + x s (1 − s) = s + y (1 − s)
    #   →  dx = (s + y (1 − s)) dy
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self.xp.subtract(1.0, self.gate, out=dx)
        dx *= self.y
        dx += self.gate
        dx *= dy
        return dx
