"""Repetition of rows."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.validation import check_int


class Repeat(Layer):
    """Repeat each row K times in succession: y_{nK + k} = x_n for k from 0 to K − 1, K = `times`.

    shapes   x (B, I)   y (B·K, I)
    saves    nothing
    writes   y | dx
    """

    def __init__(self, times: int) -> None:
        self.times = check_int("times", times)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y and dx."""
        self._y = buffers.resized(buffers.rows * self.times).matrix(self.input_width)
        self._dx = buffers.matrix(self.input_width)

    def forward(self, x: Array) -> Array:
        """y (B·K, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y = self._y[: rows * self.times]
        y.reshape(rows, self.times, self.input_width)[...] = x[:, None]
        self._rows = len(y)  # of dy
        return y

    # x_n occurs in K rows of y, so ∂L/∂x_n is the sum of their gradients
    #   →  dx_n = Σ_k dy_{nK + k}
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B·K, I)."""
        rows = self.check_gradients(dy=dy) // self.times
        dx = self._dx[:rows]
        self.xp.sum(dy.reshape(rows, self.times, self.input_width), axis=1, out=dx)
        return dx
