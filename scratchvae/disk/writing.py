"""Files that are written whole or not at all, and where they may go."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from scratchvae.errors import FileError


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


@contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write into, which takes the name `path` only once it is complete and on the disk.

    Until then it has a name of its own in the same folder, which is made if need be. If the block raises, nothing is
    left behind, and what was at `path` before is still there. Raises FileError where nothing can be written.
    """
    path = Path(path)
    part = path.parent / f".{os.urandom(6).hex()}.part"
    made: list[Path] = []
    try:
        made = [folder for folder in path.absolute().parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError("a folder has that name")
        with suppress(FileNotFoundError):
            path.lstat()  # a name that no file can have is refused now, not once the work is done
        file = part.open("x+b")
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {path}: {reason_of(error)}; choose another place") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        made = []
    except OSError as error:
        raise FileError(f"cannot write {path}: {reason_of(error)}") from None
    finally:
        part.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):  # others may have put something there meanwhile
                folder.rmdir()


def reason_of(error: Exception) -> str:
    """What an error says, in as few words as it can be said."""
    text = error.strerror if isinstance(error, OSError) else None
    return text or str(error) or type(error).__name__
