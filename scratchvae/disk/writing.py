"""Atomic writes: a file is replaced completely or not at all."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from scratchvae.disk.folders import flush_folder, open_in_folder, remove_empty, short_reason
from scratchvae.disk.lock import try_lock
from scratchvae.errors import FileError

STALE = 60.0  # seconds
REPLACE_TIMEOUT = 2.0  # seconds


@contextmanager
def atomic_write(path: str | PathLike[str], before_replace: Callable[[], None] | None = None) -> Iterator[BinaryIO]:
    """A context with a new file, which replaces `path` at the end, once it is complete and on the disk.

    Until then the file is named .NAME.HEX.part, in the same folder, which is created if necessary. If the block raises,
    the new file is removed and `path` is unchanged. A link remains, and the file that it names is replaced. Several
    processes may write to the same `path`; the last one to finish determines the contents. A killed process leaves its
    part file behind; the next write to `path` removes it.
    `before_replace` is called after the file is on the disk and before it replaces `path`. Raises FileError if the file
    cannot be written.
    """
    path = _target(Path(path))
    prefix = f".{path.name[:50]}."
    part = path.parent / f"{prefix}{os.urandom(6).hex()}.part"
    created: list[Path] = []
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        if path.exists() and not path.is_file():
            raise OSError("it is a device or a pipe, and would be replaced")
        with suppress(FileNotFoundError):
            path.lstat()  # raises now for an invalid name, instead of after the block
        file, created = open_in_folder(path, lambda: part.open("x+b"))
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {path}: {short_reason(error)}; choose another place") from None
    try:
        with file:
            try_lock(file.fileno())
            _remove_stale(path.parent, prefix)
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.utime(part)  # it is about to lose its lock, and must not look stale
        if before_replace is not None:
            before_replace()
        _replace(part, path)
        for folder in (path, *created):
            flush_folder(folder.parent)
    except OSError as error:
        raise FileError(f"cannot write {path}: {short_reason(error)}; correct that, or choose another place") from None
    finally:
        part.unlink(missing_ok=True)
        remove_empty(created)


def _target(path: Path) -> Path:
    """The file that a link names, so that the link remains."""
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, ValueError, RuntimeError):  # a circle of links
        return path


# On Windows a file cannot be replaced while another process has it open, usually for a short time.
def _replace(part: Path, path: Path) -> None:
    deadline = time.monotonic() + REPLACE_TIMEOUT
    while True:
        try:
            part.replace(path)
            return
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > deadline:
                raise
            time.sleep(REPLACE_TIMEOUT / 100)


# A part file is locked while it is written, except for a moment at the begin and at the end. So if it can be locked and
# was not modified for a while, its process has ended.
def _remove_stale(folder: Path, prefix: str) -> None:
    with suppress(OSError):
        for part in folder.iterdir():
            if part.name.startswith(prefix) and part.suffix == ".part":
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
