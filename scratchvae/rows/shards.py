"""The rows of several .npy files as one array, memory-mapped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.errors import DataError, DTypeError, FileError, ShapeError
from scratchvae.rows.reader import RowReader
from scratchvae.rows.source import RowSource
from scratchvae.validation import short_repr, shorten

WILDCARDS = "*?["


class ShardedRows(RowSource):
    """The rows of several arrays (N_k, D) of one dtype, such as np.memmaps, one after another: those of all as one.

    pictures   the shape (H, W) or (H, W, C) of each row in the files, or None for rows of numbers
    """

    def __init__(self, arrays: Sequence[Array], name: str = "images", pictures: tuple[int, ...] | None = None) -> None:
        super().__init__(sum(map(len, arrays)), arrays[0].shape[1], arrays[0].dtype)
        self.pictures = pictures
        self._readers = [RowReader(array, name) for array in arrays]
        self._ends = np.cumsum([len(array) for array in arrays])

    def read(self, start: int, out: Array) -> None:
        """Copy the rows from `start` on into `out` (n, D)."""
        done = 0
        while done < len(out):
            shard, first = self._place(start + done)
            rows = min(len(out) - done, int(self._ends[shard]) - start - done)
            self._readers[shard].read(first, out[done : done + rows])
            done += rows

    def gather(self, indices: Array, out: Array) -> None:
        """Copy the rows `indices` (n,) into `out` (n, D), in that order."""
        shards = np.searchsorted(self._ends, indices, side="right")
        order = np.argsort(shards, kind="stable")  # shard by shard, so that each is prefetched and released once
        rows = self._empty(len(indices))
        start = 0
        while start < len(order):
            shard = int(shards[order[start]])
            stop = start + int(np.count_nonzero(shards == shard))
            offset = int(self._ends[shard - 1]) if shard else 0
            self._readers[shard].gather(indices[order[start:stop]] - offset, rows[start:stop])
            start = stop
        out[order] = rows

    def _place(self, row: int) -> tuple[int, int]:
        """The shard of a row, and its index there."""
        shard = int(np.searchsorted(self._ends, row, side="right"))
        return shard, row - (int(self._ends[shard - 1]) if shard else 0)


def is_pattern(value: Any) -> bool:
    """True for a text or path with wildcards, such as "shards/*.npy", which is not itself the name of a file."""
    if not isinstance(value, str | os.PathLike):
        return False
    path = os.fspath(value)
    return isinstance(path, str) and any(sign in path for sign in WILDCARDS) and not os.path.exists(path)  # noqa: PTH110


def open_shards(source: Any, name: str = "images") -> ShardedRows:
    """The rows of .npy files of one dtype and one width as one array, mapped.

    source   a list of paths; a path; or a folder, or a pattern such as "shards/*.npy", whose .npy files are taken in
             the order of their names

    Pictures (N, H, W) or (N, H, W, C) become rows. Raises DataError, DTypeError or ShapeError.
    """
    from scratchvae.disk import map_array

    arrays = {}
    for path in _paths(source, name):
        try:
            arrays[path] = map_array(Path(path))
        except FileError as error:
            hint = "" if ";" in error.message else "; write it again with numpy.save, or leave it out"
            raise DataError(f"{error.message}{hint}") from None
    first = next(iter(arrays))
    shape, dtype = arrays[first].shape[1:], arrays[first].dtype
    for path, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise DTypeError(
                f"{shorten(path, 90)} holds {shorten(array.dtype, 40)}; expected real numbers: convert them"
            )
        if array.ndim not in (2, 3, 4) or 0 in array.shape[1:] or (array.ndim > 2 and not array.flags.c_contiguous):
            order = " in Fortran order" if array.ndim > 2 and not array.flags.c_contiguous else ""
            raise ShapeError(
                f"{shorten(path, 90)} holds an array of shape {short_repr(array.shape)}{order}; expected (N, D), "
                "(N, H, W) or (N, H, W, C), in C order"
            )
        if array.shape[1:] != shape or array.dtype != dtype:
            raise ShapeError(
                f"{shorten(path, 50)} holds rows of {_describe(array)}, and {shorten(first, 50)} rows of "
                f"{_describe(arrays[first])}; expected the same in all files: convert one, or leave it out"
            )
    rows = [array.reshape(len(array), -1) for array in arrays.values() if len(array)]
    if not rows:
        raise DataError(
            f"{name} has no rows in its {len(arrays)} .npy files, such as {first}; expected at least one row"
        )
    return ShardedRows(rows, name, shape if len(shape) > 1 else None)


def find_shards(path: str) -> list[str]:
    """The .npy files of a folder, or the files that a pattern matches, in the order of their names; else [path]."""
    if os.path.isdir(path):  # noqa: PTH112 – False for a text that is no valid name
        files = [str(file) for file in Path(path).iterdir() if file.suffix == ".npy" and file.name[0] != "."]
    elif is_pattern(path):
        import glob  # takes milliseconds, and is rarely needed

        files = glob.glob(path)  # noqa: PTH207 – Path.glob refuses absolute patterns
    else:
        files = [path]
    return sorted(files)


def _paths(source: Any, name: str) -> list[str]:
    """The files of a list, a folder, a pattern or a path. Raises DataError."""
    if isinstance(source, list | tuple):
        return [os.fspath(path) for path in source]
    found = find_shards(os.fspath(source))
    if not found:
        raise DataError(f"{name}: {shorten(source, 90)!r} names no file; expected .npy files, such as 'shards/*.npy'")
    return found


def _describe(array: Array) -> str:
    return f"{' × '.join(map(str, array.shape[1:]))} {array.dtype} numbers"
