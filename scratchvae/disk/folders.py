"""Folders that files may go into."""

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
NOT_FLUSHED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # what a file system says that has no way to flush a folder
TRIES = 5
LONGEST_REASON = 500  # characters


def cache_folder() -> Path:
    """Where is kept what can be had again: $XDG_CACHE_HOME/scratchvae, or what the platform has in its place."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "scratchvae"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "scratchvae"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "scratchvae"
    return Path.home() / ".cache" / "scratchvae"


def check_writable(folder: str | PathLike[str]) -> None:
    """Raises FileError where files could not be written into `folder`, or it could not be made; makes nothing."""
    folder = Path(folder).absolute()
    try:
        standing = next(place for place in (folder, *folder.parents) if place.exists())
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write into {folder}: {error}; choose another place") from None
    if not standing.is_dir():
        raise FileError(f"cannot write into {folder}: {standing} is no folder; choose another place")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise FileError(f"cannot write into {folder}: no permission to write to {standing}; choose another place")


def open_in_folder(path: Path, opened: Callable[[], T]) -> tuple[T, list[Path]]:
    """What `opened` opens in the folder of `path`, which is made if need be, and the folders that were made.

    Raises FileNotFoundError only if the folder goes away again each time: another process takes those away that it
    made and left empty.
    """
    tried = 0
    while True:
        made = [folder for folder in path.absolute().parents if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return opened(), made
        except BaseException as error:
            remove_empty(made)
            tried += 1
            if not isinstance(error, FileNotFoundError) or tried == TRIES:
                raise


def remove_empty(folders: Iterable[Path]) -> None:
    """Take away those of `folders`, inner ones first, that are there and hold nothing."""
    for folder in folders:
        with suppress(OSError):  # others may have put something there meanwhile
            folder.rmdir()


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where a platform can: a file is safe once its name is."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders, and writes names through by itself
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_FLUSHED:
            raise
    finally:
        os.close(descriptor)


def reason_of(error: Exception) -> str:
    """What an error says, in as few words as it can be said; it may quote a file at length."""
    text = error.strerror if isinstance(error, OSError) else None
    text = text or str(error) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"
