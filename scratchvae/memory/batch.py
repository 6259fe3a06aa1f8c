"""Buffers as tall as a batch, made once and cut shorter for a smaller one."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.memory.aligned import aligned


class BatchBuffers:
    """Makes the arrays that a forward and a backward write into, `rows` samples tall.

    A step on fewer rows uses `buffer[:n]`: rows are contiguous, so a cut of rows is as good as a smaller array.
    """

    def __init__(self, backend: Backend, dtype: Any, rows: int) -> None:
        self.backend = backend
        self.dtype = np.dtype(dtype)
        self.rows = rows

    def matrix(self, width: int) -> Array:
        """Room for (rows, width) numbers, not set."""
        return aligned(self.backend.xp.empty, (self.rows, width), self.dtype)

    def column(self) -> Array:
        """Room for one number a row, not set."""
        room: Array = self.backend.xp.empty(self.rows, self.dtype)
        return room

    def vector(self, size: int, value: float) -> Array:
        """One value `size` times, to compare, multiply or sum with."""
        vector: Array = self.backend.xp.empty(size, self.dtype)
        vector.fill(value)
        return vector

    def resized(self, rows: int) -> BatchBuffers:
        """The same for a larger batch."""
        return BatchBuffers(self.backend, self.dtype, rows)
