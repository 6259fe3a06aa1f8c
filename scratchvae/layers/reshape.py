"""Rows of another shape."""

from __future__ import annotations

from math import prod

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.validation import check_ints, shorten


class Reshape(Layer):
    """The same numbers as rows of another shape, y = x: Reshape(7, 7, 64) makes pictures of rows of 3136 numbers.

    shapes   x, y (B, I)
    saves    nothing
    writes   dx

    Rows are flat arrays in any case; the shape tells the layers after this one what a row is.
    """

    def __init__(self, *shape: int) -> None:
        self.shape = check_ints("shape", shape)
        if not shape:
            raise ConfigError("Reshape() was given no shape: pass that of a row, as in Reshape(28, 28, 1)")

    def output_shape(self, input_shape: Shape) -> Shape:
        """`shape`. Raises ShapeError unless a row of the input has as many numbers."""
        if prod(input_shape) != prod(self.shape):
            raise ShapeError(
                f"Reshape({', '.join(map(str, self.shape))}) was given rows of shape "
                f"{shorten(tuple(input_shape))}, {prod(input_shape)} numbers; expected {prod(self.shape)}"
            )
        return self.shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate dx."""
        self._dx = buffers.matrix(self.input_width)

    def forward(self, x: Array) -> Array:
        """x itself."""
        self.check_inputs(x=x)
        return x

    # y = x  →  dx = dy, in an array that the caller may write into
    def backward(self, dy: Array) -> Array:
        """dx (B, I), a copy of dy."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        dx[...] = dy
        return dx


class Flatten(Reshape):
    """Pictures as rows without a shape, y = x: between convolutions and linear layers, for the reader.

    shapes   x, y (B, I)
    saves    nothing
    writes   dx

    `Linear` takes rows of any shape, so that it may be left out. The channels of a pixel stay together: after a
    convolution that puts out several parameters for each number, as μ and log σ², it interleaves them, and a likelihood
    needs `SplitChannels` in its place.
    """

    def __init__(self) -> None:
        self.shape = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """(I,), I being the number of numbers in a row."""
        return (prod(input_shape),)
