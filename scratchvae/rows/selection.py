"""Some rows of others, chosen by their indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.rows.reader import RowReader
from scratchvae.rows.source import RowSource


class RowSelection(RowSource):
    """The rows `indices` (n,) of `source` (N, D), an array or a `RowSource`, in that order."""

    def __init__(self, source: Any, indices: Array, name: str = "images") -> None:
        super().__init__(len(indices), source.shape[1], source.dtype)
        self.source, self.indices = source, indices
        self._reader = RowReader(source, name)

    def read(self, start: int, out: Array) -> None:
        """Copy the rows from `start` on into `out` (n, D)."""
        indices = self.indices[start : start + len(out)]
        first, rows = int(indices[0]), int(indices[-1]) - int(indices[0]) + 1
        if rows > 2 * len(indices) or (indices[1:] <= indices[:-1]).any():
            self._reader.gather(indices, out)
        else:  # in the order of the source, and at least every second one: faster than row by row
            span = self._empty(rows)
            self._reader.read(first, span)
            np.take(span, indices - first, axis=0, out=out, mode="clip")

    def gather(self, indices: Array, out: Array) -> None:
        """Copy the rows `indices` (n,) of the selection into `out` (n, D), in that order."""
        self._reader.gather(self.indices[indices], out)
