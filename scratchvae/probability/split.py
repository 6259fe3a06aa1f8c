"""Split of a row into two halves."""

from __future__ import annotations

from math import prod

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.memory import BatchBuffers, Module, Shape
from scratchvae.validation import short_repr


class SplitHalves(Module):
    """The two halves of a row: left, right = x[:, :Z], x[:, Z:].

    shapes   x (B, 2Z)   left, right (B, Z)
    saves    nothing
    writes   left, right | dx

    The halves are copies, so that the following layers compute on contiguous rows.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """(Z,), from an even width 2Z. Raises ShapeError."""
        width = prod(input_shape)
        if width % 2:
            raise ShapeError(f"SplitHalves was given rows of width {short_repr(width)}; expected an even width")
        return (width // 2,)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate both halves and dx."""
        self._left, self._right = (buffers.matrix(self.input_width // 2) for _ in range(2))
        self._dx = buffers.matrix(self.input_width)

    def forward(self, x: Array) -> tuple[Array, Array]:
        """left and right (B, Z) from x (B, 2Z)."""
        rows, half = self.check_inputs(x=x), self.input_width // 2
        left, right = self._left[:rows], self._right[:rows]
        left[...] = x[:, :half]
        right[...] = x[:, half:]
        return left, right

    # Each x_ni is one element of one half, so its gradient is that of the element
    #   →  dx = [dleft, dright]
    def backward(self, dleft: Array, dright: Array) -> Array:
        """dx (B, 2Z) from dleft and dright (B, Z)."""
        rows, half = self.check_gradients(dleft=dleft, dright=dright), self.input_width // 2
        dx = self._dx[:rows]
        dx[:, :half] = dleft
        dx[:, half:] = dright
        return dx
