"""The enlargement of pictures by repetition."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.validation import check_int, shorten


class Upsample(Layer):
    """Enlarge pictures s times by repeating each pixel (nearest neighbour), y[s i + a, s j + b] = x[i, j], a, b < s.

    shapes   x (B, H·W·C)   y (B, s H·s W·C), s = `scale`
    saves    nothing
    writes   y | dx

    Before a convolution it takes the place of a transposed one, whose kernel may overlap itself unevenly.
    Odena, Dumoulin and Olah 2016.
    """

    def __init__(self, scale: int = 2) -> None:
        self.scale = check_int("scale", scale)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(s H, s W, C) from (H, W, C), and (s H, s W) from (H, W). Raises ShapeError."""
        if len(input_shape) not in (2, 3):
            raise ShapeError(
                f"Upsample({self.scale}) was given rows of shape {shorten(tuple(input_shape))}; expected pictures "
                "(height, width, channels): put Reshape(height, width, channels) before it"
            )
        return (self.scale * input_shape[0], self.scale * input_shape[1], *input_shape[2:])

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y and dx."""
        self._y = buffers.matrix(self._output_row_shape[0])
        self._dx = buffers.matrix(self.input_width)

    def forward(self, x: Array) -> Array:
        """y (B, s H·s W·C) from x (B, H·W·C)."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        self._repeated(y)[...] = self._pixels(x)[:, :, None, :, None]
        return y

    # Each x[i, j] occurs in s² pixels of y
    #   →  dx[i, j] = Σ_ab dy[s i + a, s j + b]
    def backward(self, dy: Array) -> Array:
        """dx (B, H·W·C) from dy (B, s H·s W·C)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self.xp.sum(self._repeated(dy), axis=(2, 4), out=self._pixels(dx))
        return dx

    def _pixels(self, x: Array) -> Array:
        height, width = self.input_shape[:2]
        return x.reshape(len(x), height, width, -1)

    def _repeated(self, y: Array) -> Array:
        height, width = self.input_shape[:2]
        return y.reshape(len(y), height, self.scale, width, self.scale, -1)
