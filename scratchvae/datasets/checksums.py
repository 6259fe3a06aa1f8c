"""Files whose content is known beforehand, number by number."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchvae.disk import Array, ArrayFile, join_names, open_arrays
from scratchvae.errors import DataError, FileError


class ArrayChecksum(NamedTuple):
    """What an array must be: its dtype, its shape, and the SHA-256 of its bytes in C order.

    The digest is of the numbers, not of the file: the same numbers saved by another NumPy, or compressed, are right; a
    True is 1, whatever byte other than 0 the file has for it.
    """

    dtype: str
    shape: tuple[int, ...]
    sha256: str


def read_contents(path: Path, contents: Mapping[str, ArrayChecksum]) -> list[Array]:
    """Those arrays of an .npz file, or the one array "" of a .npy file; none is read that claims to be another one.

    Nothing is unpickled. Raises DataError.
    """
    try:
        with open_arrays(path) as file:
            names = list(file.headers)
            if not set(contents) <= set(names):
                held, wanted = (join_names(filter(None, some)) for some in (names, contents))
                raise DataError(f"{path} holds {_arrays(held)}; expected {_arrays(wanted)}: it is another file")
            return [_read_checked(path, file, member, expected) for member, expected in contents.items()]
    except FileError as error:
        raise DataError(f"{error}; fetch it anew") from None


def _read_checked(path: Path, file: ArrayFile, member: str, expected: ArrayChecksum) -> Array:
    claimed, where = file.headers[member], f"{path}, {member}" if member else str(path)
    if (claimed.dtype, claimed.shape) != (np.dtype(expected.dtype), expected.shape):
        raise DataError(
            f"{where}: {claimed.dtype} of shape {claimed.shape}; expected {expected.dtype} of shape {expected.shape}: "
            "it is another file"
        )
    array = file.read(member)
    check_digest(where, np.ascontiguousarray(array).data, expected.sha256)
    return array


def check_digest(where: str, content: bytes | memoryview, sha256: str) -> None:
    """Raises DataError unless `content`, which was found at `where`, has that SHA-256."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{where}: the content has SHA-256 {found[:8]}…, expected {sha256[:8]}…; it is damaged, or another file: "
            "fetch it anew"
        )


def _arrays(names: str) -> str:
    return f"the arrays {names}" if names else "one array without a name (.npy)"
