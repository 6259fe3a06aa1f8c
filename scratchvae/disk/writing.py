"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from scratchvae.disk.folders import flush_folder, open_in_folder, reason_of, remove_empty
from scratchvae.disk.lock import try_lock
from scratchvae.errors import FileError

STALE = 60.0  # seconds
REPLACE_TIMEOUT = 2.0  # seconds


@contextmanager
def atomic_write(path: str | PathLike[str], before_replace: Callable[[], None] | None = None) -> Iterator[BinaryIO]:
    """A file to write into, which takes the name `path` only once it is complete and, with its name, on the disk.

    Until then it is a part, .NAME.HEX.part, in the same folder, which is made if need be. If the block raises, nothing
    is left behind, and what was at `path` before is still there. Several processes may write to one `path` at a time:
    whoever is the last to finish is whose file stays, whole. A process that is killed leaves its part behind, which
    the next one to write to `path` removes. `before_replace` is called once the file is on the disk, before it takes
    its name. Raises FileError where nothing can be written.
    """
    path = Path(path)
    start = f".{path.name[:50]}."
    part = path.parent / f"{start}{os.urandom(6).hex()}.part"
    made: list[Path] = []
    try:
        if path.is_dir():
            raise IsADirectoryError("a folder has that name")
        with suppress(FileNotFoundError):
            path.lstat()  # a name that no file can have is refused now, not once the work is done
        file, made = open_in_folder(path, lambda: part.open("x+b"))
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {path}: {reason_of(error)}; choose another place") from None
    try:
        with file:
            try_lock(file.fileno())
            _remove_stale(path.parent, start)
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.utime(part)  # so that it is not taken for stale now that its lock goes
        if before_replace is not None:
            before_replace()
        _replace(part, path)
        for folder in (path, *made):
            flush_folder(folder.parent)
    except OSError as error:
        raise FileError(f"cannot write {path}: {reason_of(error)}; mend that, or choose another place") from None
    finally:
        part.unlink(missing_ok=True)
        remove_empty(made)


# Windows replaces no file that somebody has open, be it only to read it: whoever does so is soon done.
def _replace(part: Path, path: Path) -> None:
    end = time.monotonic() + REPLACE_TIMEOUT
    while True:
        try:
            part.replace(path)
            return
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > end:
                raise
            time.sleep(REPLACE_TIMEOUT / 100)


# A part is locked for as long as it is written into, but for a moment at either end: one that can be locked, and has
# not been touched for a while, is of a process that is no more.
def _remove_stale(folder: Path, start: str) -> None:
    with suppress(OSError):
        for part in folder.iterdir():
            if part.name.startswith(start) and part.suffix == ".part":
                with suppress(OSError):
                    _remove_if_stale(part)


def _remove_if_stale(part: Path) -> None:
    if time.time() - part.stat().st_mtime < STALE:
        return
    descriptor = os.open(part, os.O_RDWR)
    try:
        free = try_lock(descriptor)
    finally:
        os.close(descriptor)
    if free:
        part.unlink()
