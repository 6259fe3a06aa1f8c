"""File locks between processes, so that two trainings never write into the same folder.

`with locked("runs/digits/.lock"):` acquires the lock of this file for the process, without waiting. If another process
holds it, or this process elsewhere, it raises LockedError, which names the process. The operating system releases the
lock when the process ends, even if it is killed: a lock file that a killed process left behind does not block others.

A forked child does not inherit the lock: it neither holds it after its parent has ended, nor releases it. On a network
file system, the lock works between machines if the file system supports that. If a file system has no locks, an
UnlockedWarning is issued, and the block runs without a lock.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from scratchvae.disk.folders import open_in_folder, remove_empty, short_reason
from scratchvae.errors import FileError, LockedError, UnlockedWarning, warn

ALREADY_LOCKED = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
LOCKED_BYTE = 2**30  # Windows locks bytes, which others cannot read then: choose one behind the end of the file

_descriptors: set[int] = set()  # of the lock files of this process


@contextmanager
def locked(path: str | PathLike[str]) -> Iterator[None]:
    """A context that holds the lock of the file `path`. File and folder are created, and removed at the end.

    Raises LockedError if it is locked already, and FileError if the file cannot be created.
    """
    path = Path(path)
    descriptor, created = _acquire(path)
    owner = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == owner:
            _release(path, descriptor)
            remove_empty(created)


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file until it is closed; return True on success, None if the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return None
    except OSError as error:
        return False if error.errno in ALREADY_LOCKED else None
    return True


# The holder of a lock removes the file when it releases the lock. A file may therefore be removed after another process
# has opened it and before that process locks it, and a third process may create a new file. So a lock is valid only if
# its file is still the one at `path`. Only the holder of the lock removes the file.
def _acquire(path: Path) -> tuple[int, list[Path]]:
    while True:
        try:
            descriptor, created = open_in_folder(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o666))
        except (OSError, ValueError) as error:
            raise FileError(f"cannot lock {path}: {short_reason(error)}; choose another place") from None
        _descriptors.add(descriptor)
        acquired = try_lock(descriptor)
        if acquired is None:
            warn(f"{path} cannot be locked on this disk: make sure that no other process writes there", UnlockedWarning)
        if acquired is False:
            holder = _holder(path)
            _close(descriptor)
            raise LockedError(f"{path} is locked by {holder}; wait until it has ended, or choose another place")
        if _is_at(path, descriptor):
            with suppress(OSError):  # on a full disk the lock is valid, without the process ID
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            return descriptor, created
        _close(descriptor)


def _release(path: Path, descriptor: int) -> None:
    valid = _is_at(path, descriptor)
    if sys.platform == "win32":  # it cannot remove a file that is open
        _close(descriptor)
    with suppress(OSError):
        if valid:
            path.unlink()
    if descriptor in _descriptors:
        _close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    if sys.platform == "win32":  # an open file cannot be removed
        return True
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _holder(path: Path) -> str:
    try:
        number = int(path.read_text("ascii"))
    except (OSError, ValueError):  # it has not written its number yet
        return "another process"
    return f"process {number}" if number != os.getpid() else "this process, which uses it elsewhere"


def _close(descriptor: int) -> None:
    _descriptors.discard(descriptor)
    os.close(descriptor)


# A lock is released when the last copy of the open file is closed, and a forked child has a copy.
def _close_all() -> None:
    while _descriptors:
        with suppress(OSError):
            os.close(_descriptors.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)
