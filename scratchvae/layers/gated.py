"""The gate."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.kernels.logistic import sigmoid
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.validation import shorten


class Gated(Layer):
    """Gate, y = h ⊙ σ(g) for x = [h, g]: the second half of the numbers lets the first half pass.

    shapes   x (B, N·2D)   h, g, y (B, N·D)
    saves    h and σ(g)
    writes   y | dx

    Halves are those of the last axis: of a row of 2D numbers, or of the 2D channels of each pixel of a picture. So
    Linear(I, 2 * O) and Gated() are the gated layer of Tomczak and Welling 2018, and Conv2d(I, 2 * O, k) and Gated()
    its convolution. Dauphin, Fan, Auli and Grangier 2017, eq. 1.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input, with half the numbers in its last axis. Raises ShapeError."""
        if not input_shape or input_shape[-1] % 2:
            raise ShapeError(
                f"Gated() was given rows of shape {shorten(tuple(input_shape))}; expected an even number in the last "
                "axis: values and their gates"
            )
        return (*input_shape[:-1], input_shape[-1] // 2)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate h, σ(g), y and dx."""
        self._half = self.input_shape[-1] // 2
        self._h, self._gate, self._y, self._scratch = (buffers.matrix(self.input_width // 2) for _ in range(4))
        self._dx = buffers.matrix(self.input_width)

    def forward(self, x: Array) -> Array:
        """y (B, N·D) from x (B, N·2D)."""
        rows = self.check_inputs(x=x)
        h, gate, y = self._h[:rows], self._gate[:rows], self._y[:rows]
        x_h, x_g = self._halves(x)
        self._groups(h)[...] = x_h
        sigmoid(self.xp, x_g, out=self._groups(gate))
        self.xp.multiply(h, gate, out=y)
        self.h, self.gate = h, gate
        return y

    # With s = σ(g) and s′ = s (1 − s):  ∂y/∂h = s,   ∂y/∂g = h s (1 − s)
    #   →  dh = s dy,   dg = h s (1 − s) dy = h (1 − s) dh,   dx = [dh, dg]
    def backward(self, dy: Array) -> Array:
        """dx (B, N·2D) from dy (B, N·D)."""
        rows = self.check_gradients(dy=dy)
        dx, scratch = self._dx[:rows], self._scratch[:rows]
        dh, dg = self._halves(dx)
        self.xp.multiply(self._groups(self.gate), self._groups(dy), out=dh)
        self.xp.subtract(1.0, self.gate, out=scratch)
        scratch *= self.h
        self.xp.multiply(self._groups(scratch), dh, out=dg)
        return dx

    def _groups(self, y: Array) -> Array:
        return y.reshape(-1, self._half)

    def _halves(self, x: Array) -> tuple[Array, Array]:
        groups = x.reshape(-1, 2 * self._half)
        return groups[:, : self._half], groups[:, self._half :]
