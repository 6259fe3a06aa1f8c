"""Each row several times over."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.validation import check_int


class Repeat(Layer):
    """Each row K times, one after the other: y_{nK + k} = x_n for k from 0 to K − 1.

    shapes   x (B, I)   y (B·K, I)
    keeps    nothing
    writes   y | dx
    """

    def __init__(self, times: int) -> None:
        self.times = check_int("times", times)

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of the input."""
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for all the copies, and for dx."""
        self._y = buffers.resized(buffers.rows * self.times).matrix(self.input_width)
        self._dx = buffers.matrix(self.input_width)

    def forward(self, x: Array) -> Array:
        """y (B·K, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y = self._y[: rows * self.times]
        y.reshape(rows, self.times, self.input_width)[...] = x[:, None]
        self._rows = len(y)  # of what the gradient comes in for
        return y

    # x_n is the y of K rows, so that ∂L/∂x_n is the sum of theirs
    #   →  dx_n = Σ_k dy_{nK + k}
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B·K, I)."""
        rows = self.check_gradients(dy=dy) // self.times
        dx = self._dx[:rows]
        self.xp.sum(dy.reshape(rows, self.times, self.input_width), axis=1, out=dx)
        return dx
