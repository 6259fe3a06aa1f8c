"""Rows of a sparse matrix of SciPy, dense where they are read. SciPy is not imported: its arrays are used directly."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.rows.source import RowSource
from scratchvae.validation import short_repr


def is_sparse(value: Any) -> bool:
    """True for a sparse matrix or a sparse array of SciPy, or of a package with the same attributes."""
    return hasattr(value, "nnz") and hasattr(value, "tocsr") and hasattr(value, "shape")


class SparseRows(RowSource):
    """The rows (N, D) of a CSR matrix. Numbers of one cell are added up, as by its `toarray`.

    Row n has the numbers data[indptr[n] : indptr[n + 1]] in the columns indices[indptr[n] : indptr[n + 1]], and zeros.
    Raises DTypeError for another format, ShapeError for arrays that do not fit together.
    """

    def __init__(self, matrix: Any, name: str = "x") -> None:
        kind = getattr(matrix, "format", None)
        if kind != "csr":
            raise DTypeError(
                f"{name} is a sparse matrix of format {short_repr(kind)}; expected CSR: pass {name}.tocsr()"
            )
        if len(matrix.shape) != 2:
            raise ShapeError(f"{name} is a sparse array of shape {short_repr(tuple(matrix.shape))}; expected (N, D)")
        self._data, self._indices, self._indptr = (np.asarray(a) for a in (matrix.data, matrix.indices, matrix.indptr))
        super().__init__(int(matrix.shape[0]), int(matrix.shape[1]), self._data.dtype)
        ends, columns, stored = self._indptr, self._indices, len(self._data)
        fits = (
            len(ends) == len(self) + 1
            and ends[0] == 0
            and len(columns) >= ends[-1] <= stored
            and (ends[1:] >= ends[:-1]).all()
        )
        used = columns[: ends[-1]] if fits else columns[:0]
        if not fits or (len(used) and not 0 <= used.min() <= used.max() < self.shape[1]):
            raise ShapeError(
                f"{name} is a damaged sparse matrix: its indptr and indices do not fit its shape "
                f"{self.shape}; make it again from its numbers"
            )
        rises = used[1:] > used[:-1]
        starts = ends[1:-1]
        rises[starts[(starts > 0) & (starts < len(used))] - 1] = True  # a new row
        self._has_sums = not rises.all()

    def read(self, start: int, out: Array) -> None:
        """Copy the rows from `start` on into `out` (n, D)."""
        ends = self._indptr[start : start + len(out) + 1]
        rows = np.repeat(np.arange(len(out)), np.diff(ends))
        self._write(rows, slice(int(ends[0]), int(ends[-1])), out)

    def gather(self, indices: Array, out: Array) -> None:
        """Copy the rows `indices` (n,) into `out` (n, D), in that order."""
        begins = self._indptr[indices].astype(np.intp)
        counts = self._indptr[indices + 1] - begins
        rows = np.repeat(np.arange(len(out)), counts)
        # number k of all gathered ones is number k − (those of earlier rows) of its row
        places = np.arange(len(rows)) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
        self._write(rows, places, out)

    def _write(self, rows: Array, places: Any, out: Array) -> None:
        """Write the stored numbers at `places` into `rows` of `out`, the rest of which becomes zero."""
        out[...] = 0
        columns, numbers = self._indices[places], self._data[places]
        if self._has_sums:
            np.add.at(out, (rows, columns), numbers)
        else:
            out[rows, columns] = numbers
