"""Rows that are read a few at a time, from memory or from a file that is larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import DataError

SHARED = ("r", "r+", "w+")  # modes of an np.memmap whose pages hold nothing that the file does not
HUGE_PAGE = 2**21  # bytes: what the system may map where one byte was asked for
HELD = 2**26  # bytes that one gather lets stay mapped


class RowReader:
    """Rows (N, D), to be read in parts; `array` may be an np.memmap, or a view of one, of more than fits in memory.

    A page of a map that was read counts as memory of this process until it is given back, which is done here after each
    part. A copy-on-write map (mode "c") keeps its pages: what was written into them is nowhere else.

    To touch a map whose file was cut meanwhile ends the process, so the file's length is looked at before each part.
    Raises DataError where it is too short.
    """

    def __init__(self, array: Array, name: str = "x") -> None:
        self.array = array
        self.name = name
        self._map: Any = None
        root = _root(array)
        if root is None:
            return
        import mmap

        self._map, self._system, self._path = root._mmap, mmap, root.filename or "a file"
        before = root.offset % mmap.ALLOCATIONGRANULARITY  # a map begins where a page does, its array where it was told
        self._needed = root.offset - before + len(self._map)
        self._first = _address(array) - _address(root) + before  # of our first row, counted from where the map begins
        self._gives_back = root.mode in SHARED and hasattr(mmap, "MADV_DONTNEED")
        self._announces = array.strides[-1] == array.itemsize and hasattr(mmap, "MADV_WILLNEED")
        self.array = np.asarray(array)  # without what np.memmap does besides at each slice

    @property
    def mapped(self) -> bool:
        """Whether they lie in a file."""
        return self._map is not None

    def parts(self, rows: int) -> Iterator[slice]:
        """Slices of `rows` rows, the last maybe of fewer, that make up the whole: read each before asking for more."""
        for start in range(0, len(self.array), rows):
            self._check()
            yield slice(start, min(start + rows, len(self.array)))
            self._give_back()

    def gather(self, indices: Array, out: Array) -> None:
        """Write the rows of the numbers `indices` (n,) into `out` (n, D), in that order."""
        at_once = len(indices)
        if self.mapped:
            self._check()
            self._announce(indices)
            at_once = max(1, HELD // (HUGE_PAGE + out[:1].nbytes))
        flags = self.array.flags
        for start in range(0, len(indices), at_once):
            few, to = indices[start : start + at_once], out[start : start + at_once]
            if flags.c_contiguous and flags.aligned:
                np.take(self.array, few, axis=0, out=to, mode="clip")  # mode="raise" would copy the batch
            else:
                to[...] = self.array[few]  # take would copy the whole array, to have it contiguous and aligned
            self._give_back()

    def _check(self) -> None:
        if self.mapped and self._map.size() < self._needed:
            raise DataError(
                f"{self.name} lies in {self._path}, which was cut to {self._map.size()} bytes after it was mapped; "
                f"expected at least {self._needed}: write the file again, and map it anew"
            )

    # Rows that are touched in a random order come from a disk one by one, and with each come megabytes around it that
    # nobody asked for. Told beforehand, the system reads these rows together, and no more.
    def _announce(self, indices: Array) -> None:
        if not self._announces:
            return
        width = self.array.shape[1] * self.array.itemsize
        begins = self._first + indices * self.array.strides[0]
        with suppress(OSError):  # it is no more than advice
            for begin in begins.tolist():
                before = begin % self._system.PAGESIZE
                self._map.madvise(self._system.MADV_WILLNEED, begin - before, before + width)

    def _give_back(self) -> None:
        if self.mapped and self._gives_back:
            with suppress(OSError):  # pages that were locked in memory stay there
                self._map.madvise(self._system.MADV_DONTNEED)


def _root(array: Any) -> Any:
    """The np.memmap that `array` is, or is a view of; None if there is none."""
    root = None
    while array is not None:
        root = array if isinstance(array, np.memmap) else root
        array = getattr(array, "base", None)
    return root if getattr(root, "_mmap", None) is not None else None


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
