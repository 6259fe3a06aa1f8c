"""The logarithm of counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.layers.layer import ElementwiseLayer
from scratchvae.memory import BatchBuffers
from scratchvae.validation import check_int, short_repr


class Log1p(ElementwiseLayer):
    """y = log(1 + x), for counts, whose sizes differ by orders of magnitude; y = x in other columns.

    For negative numbers, which only noise can make of counts, it is continued as an odd function: −log(1 − x).

    shapes   x, y (B, I)
    saves    x, by reference
    writes   y | dx

    columns   None: all. Or pairs (start, stop) of the columns of counts, from `start` up to, not including, `stop`

    Raises ConfigError.
    """

    def __init__(self, columns: Sequence[tuple[int, int]] | None = None) -> None:
        self.columns = None if columns is None else _check_columns(columns)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y, dx, and a number for each column: 1 for counts, else 0. Raises ShapeError."""
        super().allocate(buffers)
        counts = np.full(self.input_width, float(self.columns is None), buffers.dtype)
        for start, stop in self.columns or ():
            if stop > self.input_width:
                raise ShapeError(f"Log1p was given rows of {self.input_width} numbers; expected at least {stop}")
            counts[start:stop] = 1.0
        self.counts, self.others = buffers.backend.upload(counts), buffers.backend.upload(1.0 - counts)

    # With m = 1 in the columns of counts and 0 elsewhere:  y = sign(x) log(1 + m |x|) + (1 − m) x
    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y, scratch = self._y[:rows], self._dx[:rows]
        self.xp.multiply(x, self.counts, out=y)
        self.xp.abs(y, out=y)
        self.xp.log1p(y, out=y)
        self.xp.copysign(y, x, out=y)
        self.xp.multiply(x, self.others, out=scratch)
        y += scratch
        self.x = x
        return y

    # ∂y/∂x = m/(1 + m |x|) + 1 − m = 1/(1 + m |x|), since m is 0 or 1
    #   →  dx = dy / (1 + m |x|)
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        self.xp.multiply(self.x, self.counts, out=dx)
        self.xp.abs(dx, out=dx)
        dx += 1.0
        self.xp.divide(dy, dx, out=dx)
        return dx


def _check_columns(columns: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    pairs = columns if isinstance(columns, Sequence) and not isinstance(columns, str) else ((),)
    if not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in pairs):
        raise ConfigError(f"columns={short_repr(columns)}: expected pairs (start, stop) of columns, or None")
    checked = [(check_int("start", start, 0), check_int("stop", stop)) for start, stop in pairs]
    if not all(start < stop for start, stop in checked):
        raise ConfigError(f"columns={short_repr(columns)}: expected pairs (start, stop) with start < stop")
    return tuple(checked)
