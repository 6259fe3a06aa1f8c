"""Reading of arrays with known checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchvae.disk import Array, ArrayFile, join_names, open_arrays
from scratchvae.errors import DataError, FileError


class ArrayChecksum(NamedTuple):
    """The expected dtype, shape and SHA-256 (of the bytes in C order) of an array.

    The digest is of the numbers, not of the file, so that it does not depend on the NumPy version or the compression.
    Boolean True counts as byte 1.
    """

    dtype: str
    shape: tuple[int, ...]
    sha256: str


def read_contents(path: Path, contents: Mapping[str, ArrayChecksum]) -> list[Array]:
    """Read and verify these arrays of an .npz file, or the array "" of a .npy file.

    An array with another dtype or shape is not read. Nothing is unpickled. Raises DataError.
    """
    try:
        with open_arrays(path) as file:
            names = list(file.headers)
            if not set(contents) <= set(names):
                found, expected_names = (join_names(filter(None, group)) for group in (names, contents))
                raise DataError(
                    f"{path} holds {_arrays(found)}; expected {_arrays(expected_names)}: it is another file"
                )
            return [_read_checked(path, file, member, expected) for member, expected in contents.items()]
    except FileError as error:
        raise DataError(f"{error.message}; download it again") from None


def _read_checked(path: Path, file: ArrayFile, member: str, expected: ArrayChecksum) -> Array:
    header, where = file.headers[member], f"{path}, {member}" if member else str(path)
    if (header.dtype, header.shape) != (np.dtype(expected.dtype), expected.shape):
        raise DataError(
            f"{where}: {header.dtype} of shape {header.shape}; expected {expected.dtype} of shape {expected.shape}: "
            "it is another file"
        )
    array = file.read(member)
    check_digest(where, np.ascontiguousarray(array).data, expected.sha256)
    return array


def check_digest(where: str, content: bytes | memoryview, sha256: str) -> None:
    """Raises DataError unless `content` has this SHA-256; `where` is the path for the message."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{where}: the content has SHA-256 {found[:8]}…, expected {sha256[:8]}…; it is damaged, or another file: "
            "download it again"
        )


def _arrays(names: str) -> str:
    return f"the arrays {names}" if names else "one array without a name (.npy)"
