"""Arrays in files: known by name, dtype and shape, and held against the size of the file, before any number is read.

Nothing is unpickled, and nothing that a header merely claims is allocated:

    what a file claims                           is refused where
    a .npy header of so many bytes               it is longer than LONGEST_HEADER
    a dtype                                      it is of objects, of records, or of numbers of no size
    a shape                                      shape × itemsize is not the number of bytes that are there
    a zip's directory of so many bytes           it is larger than LARGEST_DIRECTORY
    members of so many bytes each                they overlap, share a name, or are more than deflate makes of theirs
    members that expand so and so much           they are BOMB bytes and more in all, and over BOMB_RATIO times theirs
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from math import prod
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any, NamedTuple

import numpy as np

from scratchvae.disk.directory import check_directory
from scratchvae.disk.folders import reason_of
from scratchvae.errors import FileError, ScratchVAEError

Members = dict[str, Callable[[], IO[bytes]]]  # what opens each
Array = np.ndarray[Any, np.dtype[Any]]
NPY, ZIP = b"\x93NUMPY", b"PK"  # how a .npy and an .npz file begin
LONGEST_HEADER = 2**11  # bytes; NumPy writes 128 for a plain array, at most 1472 for one of 64 axes
LONGEST_LIST = 500  # characters
CHUNK_BYTES = 2**16  # bytes read at a time


class ArrayHeader(NamedTuple):
    """An array that has not been read: its dtype, its shape, and whether its first axis runs fastest."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool

    @property
    def nbytes(self) -> int:
        """What it takes, in the file and in memory."""
        return prod(self.shape) * self.dtype.itemsize


class ArrayFile:
    """The arrays of an open .npz file, or the one of a .npy file, whose name is "": `described`, then `read`."""

    def __init__(self, file: IO[bytes]) -> None:
        start = file.read(len(NPY))
        size = file.seek(0, 2)
        file.seek(0)
        self._members: Members
        sizes: dict[str, int]
        if start == NPY:
            self._members, sizes = {"": partial(_from_start, file)}, {"": size}
        elif start.startswith(ZIP):
            self._members, sizes = _members(file, size)
        else:
            raise FileError("it is neither a .npy nor an .npz file")
        self.headers: dict[str, ArrayHeader] = {}
        for name, opened in self._members.items():
            self.headers[name] = _describe(name, opened(), sizes[name])

    def read(self, name: str) -> Array:
        """The array of that name."""
        described, member = self.headers[name], self._members[name]()
        _header(name, member)
        shape = described.shape[::-1] if described.fortran else described.shape
        array = np.empty(shape, described.dtype)
        room = array.reshape(-1).view(np.uint8)
        for begin in range(0, len(room), CHUNK_BYTES):
            part = room[begin : begin + CHUNK_BYTES]
            content = member.read(len(part))
            if len(content) != len(part):
                raise FileError(f"{_called(name)} breaks off after {begin + len(content)} of {len(room)} bytes")
            part[...] = np.frombuffer(content, np.uint8)
        member.read(1)  # at the end of a zip's member its checksum is looked at
        if array.dtype.kind == "b":
            np.not_equal(room, 0, out=room.view(np.bool_))  # a byte other than 0 and 1 makes a boolean of no sense
        return array.T if described.fortran else array


@contextmanager
def open_arrays(path: Path) -> Iterator[ArrayFile]:
    """The arrays of the file at `path`; whatever goes wrong in the block is a FileError that names the file."""
    try:
        try:
            regular = S_ISREG(path.stat().st_mode)
        except ValueError as error:  # a name that none can have
            raise FileError(reason_of(error)) from None
        if not regular:
            raise FileError("it is no regular file")  # to open a pipe would wait for whoever writes to it
        with path.open("rb") as file:
            yield ArrayFile(file)
    except FileError as error:
        named = str(error).startswith(str(path))
        raise FileError(str(error) if named else f"{path} cannot be read: {reason_of(error)}") from None
    except (ScratchVAEError, MemoryError):
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {reason_of(error)}") from None
    except Exception as error:  # NumPy, zipfile and zlib have a dozen ways to say that a file is damaged
        raise FileError(f"{path} is damaged ({reason_of(error)}); take a copy of it, or write it anew") from None


def read_arrays(path: Path, choose: Callable[[list[str]], Iterable[str]]) -> dict[str, Array]:
    """The arrays of an .npz file that `choose` picks from all their names, or of a .npy file, whose one name is "".

    Nothing is unpickled. Raises FileError for what is no such file, or is damaged.
    """
    with open_arrays(path) as file:
        return {name: file.read(name) for name in choose(list(file.headers))}


def join_names(names: Iterable[str]) -> str:
    """The names of arrays, in order, as far as a message has room for them."""
    text = ", ".join(sorted(names))
    return text if len(text) <= LONGEST_LIST else text[:LONGEST_LIST] + "…"


def _from_start(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


def _members(file: IO[bytes], size: int) -> tuple[Members, dict[str, int]]:
    archive, sizes = check_directory(file, size)
    opened: Members = {name.removesuffix(".npy"): partial(archive.open, name) for name in sizes}
    return opened, {name.removesuffix(".npy"): length for name, length in sizes.items()}


def _describe(name: str, member: IO[bytes], size: int) -> ArrayHeader:
    called = _called(name)
    shape, fortran, dtype, length = _header(name, member)
    if dtype.hasobject or dtype.kind == "V" or not dtype.itemsize:
        raise FileError(f"{called} holds {dtype}; expected real numbers")
    described = ArrayHeader(dtype, shape, fortran)
    if min(shape, default=0) < 0 or length + described.nbytes != size:
        raise FileError(
            f"{called} claims shape {shape} of {dtype}, which are {described.nbytes} bytes, and holds {size - length}"
        )
    return described


def _header(name: str, member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order and dtype of what follows, and the length of what was read."""
    start = member.read(len(NPY) + 2)
    if start[:-2] != NPY or start[-2] not in (1, 2):
        raise FileError(f"{_called(name)} is none: expected what numpy.save writes")
    width = 2 * start[-2]  # bytes of the number that says how long the header is
    length = int.from_bytes(word := member.read(width), "little")
    if length > LONGEST_HEADER:
        raise FileError(f"{_called(name)} has a header of {length} bytes; expected at most {LONGEST_HEADER}")
    read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    try:
        parsed = read(BytesIO(word + member.read(length)), LONGEST_HEADER)
    except MemoryError:  # how Python's parser says of brackets in brackets that they are too many
        parsed = None
    if parsed is None:
        raise FileError(f"{_called(name)} has a header that is nested too deep")
    shape, fortran, dtype = parsed
    return shape, fortran, dtype, len(start) + width + length


def _called(name: str) -> str:
    return f"the array {name!r}" if name else "the array"
