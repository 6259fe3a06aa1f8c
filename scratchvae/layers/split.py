"""One row cut into two halves."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.memory import BatchBuffers, Unit


class Split(Unit):
    """Two halves of a row: left, right = x[:, :Z], x[:, Z:].

    shapes   x (B, 2Z)   left, right (B, Z)
    keeps    nothing
    writes   left, right | dx

    The halves are copied out, so that whatever follows works on contiguous rows. `dleft` and `dright` (B, Z) are where
    whoever has no better place may write the gradients of the last forward's halves.
    """

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for both halves, for their gradients and for dx."""
        half = self.half(width)
        self._left, self._right, self._dleft, self._dright = (buffers.matrix(half) for _ in range(4))
        self._dx = buffers.matrix(width)
        return half

    def half(self, width: int) -> int:
        """Of an even width. Raises ShapeError."""
        if width % 2:
            raise ShapeError(f"Split was given rows of width {width}; expected an even width")
        return width // 2

    def forward(self, x: Array) -> tuple[Array, Array]:
        """left and right (B, Z) from x (B, 2Z)."""
        rows, half = self.admit(x=x), self.width // 2
        left, right = self._left[:rows], self._right[:rows]
        self.dleft, self.dright = self._dleft[:rows], self._dright[:rows]
        left[...] = x[:, :half]
        right[...] = x[:, half:]
        return left, right

    # Each x_ni is one number of one half, so its gradient is that number's
    #   →  dx = [dleft, dright]
    def backward(self, dleft: Array, dright: Array) -> Array:
        """dx (B, 2Z) from dleft and dright (B, Z)."""
        rows, half = self.admit_gradient(dleft=dleft, dright=dright), self.width // 2
        dx = self._dx[:rows]
        dx[:, :half] = dleft
        dx[:, half:] = dright
        return dx
