"""The Gaussian error linear unit."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.normal import normal_cdf, normal_pdf
from scratchvae.layers.layer import ElementwiseLayer
from scratchvae.memory import BatchBuffers


class GELU(ElementwiseLayer):
    """Gaussian error linear unit, y = x Φ(x), exact: Φ is the CDF of N(0, 1). Hendrycks and Gimpel 2016, sec. 2.

    shapes   x, y (B, I)
    saves    x, by reference; Φ(x)
    writes   y | dx
    """

    initializer = "he_normal"

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate Φ(x), y and dx."""
        self._cdf = buffers.matrix(self.input_width)
        super().allocate(buffers)

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y, cdf = self._y[:rows], self._cdf[:rows]
        normal_cdf(self.xp, x, out=cdf, scratch=(y, self._dx[:rows]))
        self.xp.multiply(x, cdf, out=y)
        self.x, self.cdf = x, cdf
        return y

    # With Φ′ = φ, the density of N(0, 1):  ∂y/∂x = Φ(x) + x φ(x)
    #   →  dx = (Φ(x) + x φ(x)) dy
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        normal_pdf(self.xp, self.x, out=dx)
        dx *= self.x
        dx += self.cdf
        dx *= dy
        return dx
