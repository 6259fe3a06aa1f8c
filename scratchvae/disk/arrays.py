"""Safe reading of .npy and .npz files: dtypes and shapes are checked against the file size before data is read.

Nothing is unpickled, and no memory is allocated for sizes that a header claims but the file does not have:

    claim of the file                            refused if
    length of a .npy header                      it is more than MAX_HEADER_BYTES
    dtype                                        it has objects, records, or an item size of 0
    shape                                        shape × itemsize is not the number of bytes in the file
    size of the zip directory                    it is more than LARGEST_DIRECTORY
    offsets, names and sizes of zip members      they overlap, are repeated, or exceed what deflate can produce
    total uncompressed size                      it is more than BOMB bytes and more than BOMB_RATIO × compressed size
"""

from __future__ import annotations

import re
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
from scratchvae.disk.file_objects import name_of, open_at_position
from scratchvae.disk.folders import short_reason
from scratchvae.errors import FileError, ScratchVAEError
from scratchvae.validation import short_repr, shorten

Members = dict[str, Callable[[], IO[bytes]]]  # functions that open the members, by name
Array = np.ndarray[Any, np.dtype[Any]]
NPY_MAGIC, ZIP_MAGIC = b"\x93NUMPY", b"PK"  # the first bytes of a .npy and of an .npz file
MAX_HEADER_BYTES = 2**11  # bytes; NumPy writes 128 for an ordinary array, at most 1472 for 64 axes
MAX_LIST_CHARACTERS = 100  # characters
CHUNK_BYTES = 2**16  # bytes read at a time
LONG_DOUBLE = re.compile(rb"'descr': '[<>]f(10|12|16)'")


class ArrayHeader(NamedTuple):
    """The dtype, the shape and the order (True for Fortran order) of an array in a file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes."""
        return prod(self.shape) * self.dtype.itemsize


class ArrayFile:
    """The arrays of an open .npz file, or the array "" of a .npy file: `headers` by name, and `read`."""

    def __init__(self, file: IO[bytes]) -> None:
        start = file.read(len(NPY_MAGIC))
        size = file.seek(0, 2)
        file.seek(0)
        self._members: Members
        sizes: dict[str, int]
        if start == NPY_MAGIC:
            self._members, sizes = {"": partial(_from_start, file)}, {"": size}
        elif start.startswith(ZIP_MAGIC):
            self._members, sizes = _members(file, size)
        else:
            raise FileError("it is neither a .npy nor an .npz file")
        self.headers: dict[str, ArrayHeader] = {}
        for name, open_member in self._members.items():
            self.headers[name] = _check_header(name, open_member(), sizes[name])

    def read(self, name: str) -> Array:
        """Read the array of this name."""
        header, member = self.headers[name], self._members[name]()
        _read_header(name, member)
        shape = header.shape[::-1] if header.fortran else header.shape
        array = np.empty(shape, header.dtype)
        buffer = array.reshape(-1).view(np.uint8)
        for begin in range(0, len(buffer), CHUNK_BYTES):
            chunk = buffer[begin : begin + CHUNK_BYTES]
            content = member.read(len(chunk))
            if len(content) != len(chunk):
                raise FileError(f"{_label(name)} ends after {begin + len(content)} of {len(buffer)} bytes")
            chunk[...] = np.frombuffer(content, np.uint8)
        member.read(1)  # zipfile checks the CRC at the end of a member
        if array.dtype.kind == "b":
            np.not_equal(buffer, 0, out=buffer.view(np.bool_))  # a byte other than 0 and 1 is not a valid boolean
        return array.T if header.fortran else array


@contextmanager
def open_arrays(source: Path | IO[bytes]) -> Iterator[ArrayFile]:
    """A context with the arrays of the file at a path, or of an open binary file, which stays open.

    Errors inside the block become FileErrors that name the file.
    """
    label = name_of(source)
    try:
        if isinstance(source, Path):
            try:
                regular = S_ISREG(source.stat().st_mode)
            except ValueError as error:  # an invalid file name
                raise FileError(short_reason(error)) from None
            if not regular:
                raise FileError("it is not a regular file")  # opening a pipe would wait for a writer
            with source.open("rb") as opened:
                yield ArrayFile(opened)
        else:
            file = open_at_position(source)
            yield ArrayFile(file)
            file.seek(0, 2)  # as after a stream that was read whole
    except FileError as error:
        names_path = error.message.startswith(label)
        raise FileError(error.message if names_path else f"{label} cannot be read: {error.message}") from None
    except (ScratchVAEError, MemoryError):
        raise
    except OSError as error:
        raise FileError(f"{label} cannot be read: {short_reason(error)}") from None
    except Exception as error:  # NumPy, zipfile and zlib raise many kinds of exceptions for damaged files
        raise FileError(f"{label} is damaged ({short_reason(error)}); restore a copy, or write it again") from None


def read_arrays(path: Path, choose: Callable[[list[str]], Iterable[str]]) -> dict[str, Array]:
    """Read the arrays whose names `choose` returns, given all names; a .npy file has one array named "".

    Nothing is unpickled. Raises FileError for another kind of file, or a damaged one.
    """
    with open_arrays(path) as file:
        return {name: file.read(name) for name in choose(list(file.headers))}


def map_array(path: Path) -> Array:
    """The array of a .npy file, memory-mapped, read-only; an empty one is in memory.

    The header is checked against the size of the file first. Raises FileError.
    """
    with open_arrays(path) as file:
        if list(file.headers) != [""]:
            raise FileError("it is an .npz file, which cannot be mapped; expected a .npy file")
        header = file.headers[""]
        if not header.nbytes:
            return np.empty(header.shape, header.dtype)
        offset = path.stat().st_size - header.nbytes
        return np.memmap(path, header.dtype, "r", offset, header.shape, "F" if header.fortran else "C")


def join_names(names: Iterable[str]) -> str:
    """The sorted names with commas, truncated for an error message."""
    text = ", ".join(sorted(names))
    return text if len(text) <= MAX_LIST_CHARACTERS else text[:MAX_LIST_CHARACTERS] + "…"


def _from_start(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


def _members(file: IO[bytes], size: int) -> tuple[Members, dict[str, int]]:
    archive, sizes = check_directory(file, size)
    members: Members = {name.removesuffix(".npy"): partial(archive.open, name) for name in sizes}
    return members, {name.removesuffix(".npy"): length for name, length in sizes.items()}


def _check_header(name: str, member: IO[bytes], size: int) -> ArrayHeader:
    label = _label(name)
    shape, fortran, dtype, length = _read_header(name, member)
    if dtype.hasobject or dtype.kind == "V" or not dtype.itemsize:
        raise FileError(f"{label} holds {shorten(dtype)}; expected real numbers")
    header = ArrayHeader(dtype, shape, fortran)
    if min(shape, default=0) < 0 or length + header.nbytes != size:
        raise FileError(
            f"{label} claims shape {short_repr(shape)} of {shorten(dtype)}, which are {header.nbytes} bytes, and holds "
            f"{size - length}"
        )
    return header


def _read_header(name: str, member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order and dtype of an array, and the number of bytes of its header."""
    start = member.read(len(NPY_MAGIC) + 2)
    if start[:-2] != NPY_MAGIC or start[-2] not in (1, 2):
        raise FileError(f"{_label(name)} is not in .npy format; expected a file written by numpy.save")
    width = 2 * start[-2]  # bytes of the length of the header
    length = int.from_bytes(word := member.read(width), "little")
    if length > MAX_HEADER_BYTES:
        raise FileError(f"{_label(name)} has a header of {length} bytes; expected at most {MAX_HEADER_BYTES}")
    read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    content = member.read(length)
    try:
        parsed = read(BytesIO(word + content), MAX_HEADER_BYTES)
    except MemoryError:  # Python's parser raises it for deeply nested brackets
        parsed = None
    except ValueError:
        if LONG_DOUBLE.search(content):
            raise FileError(
                f"{_label(name)} holds long doubles of another kind of machine, which this one lacks; load them "
                "there, and save them as float64"
            ) from None
        raise
    if parsed is None:
        raise FileError(f"{_label(name)} has a header that is nested too deeply")
    shape, fortran, dtype = parsed
    return shape, fortran, dtype, len(start) + width + length


def _label(name: str) -> str:
    return f"the array {short_repr(name)}" if name else "the array"
