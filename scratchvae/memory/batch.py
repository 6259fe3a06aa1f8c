"""Allocation of the buffers for a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.memory.aligned import aligned


class BatchBuffers:
    """Allocator of the arrays that forward and backward write into, for batches of up to `rows` samples.

    A smaller batch uses `buffer[:n]`: rows are contiguous, so this slice is as fast as a smaller array.
    """

    def __init__(self, backend: Backend, dtype: Any, rows: int) -> None:
        self.backend = backend
        self.dtype = np.dtype(dtype)
        self.rows = rows

    def matrix(self, width: int) -> Array:
        """Allocate an uninitialized array (rows, width)."""
        return aligned(self.backend.xp.empty, (self.rows, width), self.dtype)

    def column(self) -> Array:
        """Allocate an uninitialized array (rows,): one number per row."""
        column: Array = self.backend.xp.empty(self.rows, self.dtype)
        return column

    def vector(self, size: int, value: float) -> Array:
        """Allocate an array (size,) filled with `value`."""
        vector: Array = self.backend.xp.empty(size, self.dtype)
        vector.fill(value)
        return vector

    def resized(self, rows: int) -> BatchBuffers:
        """Return an allocator of the same backend and dtype for batches of up to `rows` samples."""
        return BatchBuffers(self.backend, self.dtype, rows)
