"""The interface of rows that are not one array in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import Array


class RowSource:
    """Rows (N, D) that become an array only where they are read: rows[3:9], rows[indices].

    A subclass passes the number of rows, the number of columns and the dtype, and implements `read` and `gather`.
    """

    ndim = 2

    def __init__(self, rows: int, columns: int, dtype: np.dtype[Any]) -> None:
        self.shape = rows, columns
        self.dtype = dtype

    def read(self, start: int, out: Array) -> None:
        """Copy the rows from `start` on into `out` (n, D)."""
        raise NotImplementedError

    def gather(self, indices: Array, out: Array) -> None:
        """Copy the rows `indices` (n,) into `out` (n, D), in that order."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """The number of numbers, zeros of a sparse matrix included."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """The size of all rows as one array, in bytes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            out = self._empty(max(0, stop - start))
            if len(out):
                self.read(start, out)
            return out
        indices = np.arange(len(self))[rows]
        out = self._empty(indices.size)
        self.gather(indices.reshape(-1), out)
        return out if indices.ndim else out[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:] if dtype is None else self[:].astype(dtype)

    def _empty(self, rows: int) -> Array:
        return np.empty((rows, self.shape[1]), self.dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self):,} rows of {self.shape[1]:,} {self.dtype} numbers>"


def dense(rows: Any) -> Any:
    """The rows of a `RowSource` as one array (N, D); an array is returned unchanged."""
    return rows[:] if isinstance(rows, RowSource) else rows
