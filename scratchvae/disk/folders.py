"""Folders: the cache, permissions, creation and removal."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TypeVar

from scratchvae.errors import FileError

T = TypeVar("T")
NOT_FLUSHED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # errors of file systems that cannot flush a folder
TRIES = 5
MAX_REASON_CHARACTERS = 150  # characters


def cache_folder() -> Path:
    """The cache folder: $XDG_CACHE_HOME/scratchvae, or the platform's default."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "scratchvae"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "scratchvae"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "scratchvae"
    return Path.home() / ".cache" / "scratchvae"


def check_writable(folder: str | PathLike[str]) -> None:
    """Raises FileError if files cannot be written into `folder`, or it cannot be created. Creates nothing."""
    folder = Path(folder).absolute()
    try:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write into {folder}: {error}; choose another place") from None
    if not existing.is_dir():
        raise FileError(f"cannot write into {folder}: {existing} is not a folder; choose another place")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise FileError(f"cannot write into {folder}: no permission to write to {existing}; choose another place")


def open_in_folder(path: Path, open_file: Callable[[], T]) -> tuple[T, list[Path]]:
    """Create the folder of `path` if necessary, and call `open_file`; return its result and the created folders.

    Another process may remove a folder that it created and left empty, in between. Then the call is repeated; raises
    FileNotFoundError if that happens each time.
    """
    attempts = 0
    while True:
        created = [folder for folder in path.absolute().parents if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return open_file(), created
        except BaseException as error:
            remove_empty(created)
            attempts += 1
            if not isinstance(error, FileNotFoundError) or attempts == TRIES:
                raise


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of `folders`, inner ones first, that exist and are empty."""
    for folder in folders:
        with suppress(OSError):  # other processes may have written files into it
            folder.rmdir()


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, if the platform supports it: a new file is safe only after that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders; it writes names through
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_FLUSHED:
            raise
    finally:
        os.close(descriptor)


def short_reason(error: Exception) -> str:
    """The message of an error without a path, truncated, because it may quote the contents of a file."""
    text = error.strerror if isinstance(error, OSError) else None
    text = text or str(error) or type(error).__name__
    return text if len(text) <= MAX_REASON_CHARACTERS else text[:MAX_REASON_CHARACTERS] + "…"
