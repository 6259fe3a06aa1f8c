"""Files whose content is known beforehand, number by number."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchvae.disk import Array, read_arrays
from scratchvae.errors import DataError, FileError


class Content(NamedTuple):
    """What an array must be: its dtype, its shape, and the SHA-256 of its bytes in C order.

    The digest is of the numbers, not of the file: the same numbers saved by another NumPy, or compressed, are right.
    """

    dtype: str
    shape: tuple[int, ...]
    sha256: str


def read_contents(path: Path, contents: Mapping[str, Content]) -> list[Array]:
    """Those arrays of an .npz file, or the one array "" of a .npy file. Nothing is unpickled. Raises DataError."""

    def choose(names: list[str]) -> Mapping[str, Content]:
        if not set(contents) <= set(names):
            held, wanted = (", ".join(sorted(filter(None, some))) for some in (names, contents))
            raise DataError(f"{path} holds {_arrays(held)}; expected {_arrays(wanted)}: it is another file")
        return contents

    try:
        arrays = read_arrays(path, choose)
    except FileError as error:
        raise DataError(f"{error}; fetch it anew") from None
    for member, expected in contents.items():
        array, where = arrays[member], f"{path}, {member}" if member else str(path)
        if (array.dtype, array.shape) != (np.dtype(expected.dtype), expected.shape):
            raise DataError(
                f"{where}: {array.dtype} of shape {array.shape}; expected {expected.dtype} of shape {expected.shape}: "
                "it is another file"
            )
        check_digest(where, np.ascontiguousarray(array).data, expected.sha256)
    return [arrays[member] for member in contents]


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
