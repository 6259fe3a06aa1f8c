"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from scratchvae.errors import FileError


def check_writable(folder: str | PathLike[str]) -> None:
    """Raises FileError where files could not be written into `folder`, or it could not be made; makes nothing."""
    folder = Path(folder).absolute()
    standing = next(place for place in (folder, *folder.parents) if place.exists())
    if not standing.is_dir():
        raise FileError(f"cannot write into {folder}: {standing} is no folder; choose another place")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise FileError(f"cannot write into {folder}: no permission to write to {standing}; choose another place")


@contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write into, which takes the name `path` only once it is complete and on the disk.

    Until then it has a name of its own in the same folder, which is made if need be. If the block raises, nothing is
    left behind, and what was at `path` before is still there. Raises FileError where nothing can be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        file = part.open("x+b")
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}; choose another place") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
