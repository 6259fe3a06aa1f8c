"""The channels of pictures in groups."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.validation import check_int, shorten


class SplitChannels(Layer):
    """Split the channels of pictures into K groups, one after the other: y[k, i, j, c] = x[i, j, k C + c].

    shapes   x (B, H·W·KC)   y (B, K·H·W·C), K = `groups`
    saves    nothing
    writes   y | dx

    A convolution puts out all numbers of a pixel together. A likelihood of several parameters for each number of the
    data, as [μ, log σ²], takes a whole picture of each.
    """

    def __init__(self, groups: int) -> None:
        self.groups = check_int("groups", groups)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(K·H·W·C,) from (H, W, KC). Raises ShapeError."""
        if len(input_shape) != 3 or input_shape[2] % self.groups:
            raise ShapeError(
                f"SplitChannels({self.groups}) was given rows of shape {shorten(tuple(input_shape))}; expected "
                f"pictures (height, width, channels), with a multiple of {self.groups} channels"
            )
        return (input_shape[0] * input_shape[1] * input_shape[2],)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y and dx."""
        self._y, self._dx = buffers.matrix(self.input_width), buffers.matrix(self.input_width)
        self._pixels = self.input_shape[0] * self.input_shape[1]

    def forward(self, x: Array) -> Array:
        """y (B, K·H·W·C) from x (B, H·W·KC)."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        y.reshape(rows, self.groups, self._pixels, -1)[...] = self._by_pixel(x).transpose(0, 2, 1, 3)
        return y

    # y has the numbers of x in another order  →  dx has those of dy in the order of x
    def backward(self, dy: Array) -> Array:
        """dx (B, H·W·KC) from dy (B, K·H·W·C)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self._by_pixel(dx)[...] = dy.reshape(rows, self.groups, self._pixels, -1).transpose(0, 2, 1, 3)
        return dx

    def _by_pixel(self, x: Array) -> Array:
        return x.reshape(len(x), self._pixels, self.groups, -1)
