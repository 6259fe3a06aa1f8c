"""Rows in other units."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.rows.source import RowSource


class ScaledRows(RowSource):
    """The rows of another source, each number multiplied by `factor`, a scalar of NumPy."""

    def __init__(self, source: RowSource, factor: Any) -> None:
        super().__init__(*source.shape, dtype=np.result_type(source.dtype, factor))
        self.source, self.factor = source, factor

    def read(self, start: int, out: Array) -> None:
        """Copy the rows from `start` on into `out` (n, D)."""
        np.multiply(self.source[start : start + len(out)], self.factor, out=out)

    def gather(self, indices: Array, out: Array) -> None:
        """Copy the rows `indices` (n,) into `out` (n, D), in that order."""
        np.multiply(self.source[indices], self.factor, out=out)
