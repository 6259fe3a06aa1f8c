"""Reading of rows in chunks, from memory or from a memory-mapped file that is larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.errors import DataError
from scratchvae.rows.source import RowSource

SHARED_MODES = ("r", "r+", "w+")  # modes of an np.memmap whose pages are also in the file
HUGE_PAGE = 2**21  # bytes that the system may map to read a single one
CHUNK_BYTES = 2**22  # bytes that are read at once
MAX_MAPPED = 2**26  # bytes that `gather` maps before it releases the pages


class RowReader:
    """Reader of rows (N, D) in chunks. `array` may be larger than memory: an np.memmap, a view of one, a `RowSource`.

    Pages of a map that were read count as memory of this process; they are released after each chunk. The pages of a
    copy-on-write map (mode "c") are not released, because changes in them are not in the file.

    Access to a map whose file was truncated kills the process, so the size of the file is checked before each chunk.
    Raises DataError if it is too small.
    """

    def __init__(self, array: Any, name: str = "x") -> None:
        self.array = array
        self.name = name
        self._map: Any = None
        root = mapped_root(array)
        if root is None:
            return
        import mmap

        self._map, self._system, self._path = root._mmap, mmap, root.filename or "a file"
        padding = root.offset % mmap.ALLOCATIONGRANULARITY  # from the start of the map, a page, to its array
        self._file_size = root.offset - padding + len(self._map)
        self._first = _address(array) - _address(root) + padding  # offset of the first row from the start of the map
        self._can_release = root.mode in SHARED_MODES and hasattr(mmap, "MADV_DONTNEED")
        self._can_prefetch = array.strides[-1] == array.itemsize and hasattr(mmap, "MADV_WILLNEED")
        self.array = np.asarray(array)  # a slice of an np.memmap is slower

    @property
    def mapped(self) -> bool:
        """True if the rows are in a memory-mapped file."""
        return self._map is not None

    def slices(self, rows: int) -> Iterator[slice]:
        """Yield slices of up to `rows` rows that cover the array. Finish reading a slice before taking the next."""
        for start in range(0, len(self.array), rows):
            self._check()
            yield slice(start, min(start + rows, len(self.array)))
            self._release_pages()

    def read(self, start: int, out: Array) -> None:
        """Copy the rows from `start` on into `out` (n, D)."""
        if isinstance(self.array, RowSource):
            self.array.read(start, out)
            return
        self._check()
        out[...] = self.array[start : start + len(out)]
        self._release_pages()

    def gather(self, indices: Array, out: Array) -> None:
        """Copy the rows `indices` (n,) into `out` (n, D), in that order."""
        if isinstance(self.array, RowSource):
            self.array.gather(indices, out)
            return
        chunk_rows = max(1, len(indices))
        if self.mapped:
            self._check()
            self._prefetch(indices)
            chunk_rows = max(1, MAX_MAPPED // (HUGE_PAGE + out[:1].nbytes))
        flags = self.array.flags
        for start in range(0, len(indices), chunk_rows):
            chunk, chunk_out = indices[start : start + chunk_rows], out[start : start + chunk_rows]
            if flags.c_contiguous and flags.aligned:
                np.take(self.array, chunk, axis=0, out=chunk_out, mode="clip")  # mode="raise" would copy the batch
            else:
                chunk_out[...] = self.array[chunk]  # np.take would first copy the whole array to align it
            self._release_pages()

    def _check(self) -> None:
        if self.mapped and self._map.size() < self._file_size:
            raise DataError(
                f"{self.name} is in {self._path}, which was truncated to {self._map.size()} bytes after it was mapped; "
                f"expected at least {self._file_size}: write the file again, and map it again"
            )

    # Rows in random order are read from disk one by one, each with megabytes of readahead around it. MADV_WILLNEED
    # makes the system read these rows together, and no more than these.
    def _prefetch(self, indices: Array) -> None:
        if not self._can_prefetch:
            return
        width = self.array.shape[1] * self.array.itemsize
        offsets = self._first + indices * self.array.strides[0]
        with suppress(OSError):  # prefetching is optional
            for offset in offsets.tolist():
                padding = offset % self._system.PAGESIZE
                self._map.madvise(self._system.MADV_WILLNEED, offset - padding, padding + width)

    def _release_pages(self) -> None:
        if self.mapped and self._can_release:
            with suppress(OSError):  # pages that are locked in memory cannot be released
                self._map.madvise(self._system.MADV_DONTNEED)


def extremes(rows: Any) -> tuple[float, float]:
    """The smallest and the largest number of rows (N, D), without NaN; (∞, −∞) if there is none."""
    low, high = np.inf, -np.inf
    for part in RowReader(rows, "images").slices(max(1, CHUNK_BYTES * len(rows) // max(1, rows.nbytes))):
        chunk = rows[part]
        if chunk.size:
            low = float(np.fmin(low, np.fmin.reduce(chunk, axis=None)))
            high = float(np.fmax(high, np.fmax.reduce(chunk, axis=None)))
    return low, high


def mapped_root(array: Any) -> Any:
    """Return the np.memmap that `array` is, or is a view of; None if there is none."""
    if isinstance(array, RowSource) or (type(array) is np.ndarray and array.base is None):
        return None
    root = None
    while array is not None:
        root = array if isinstance(array, np.memmap) else root
        array = getattr(array, "base", None)
    return root if getattr(root, "_mmap", None) is not None else None


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
