"""Locks that one process holds and that go with it, however it ends: two trainings never write into one folder.

`with locked("runs/digits/.lock"):` holds the lock of that file for this process, and never waits: where another process
holds it, or this one does elsewhere, LockedError says which. The system keeps the lock with the open file, so that it
is free again once its holder has ended, killed or not: a lock file that a killed process left behind blocks nobody.

A child that this process forks does not inherit the lock: it neither keeps it beyond the end of its parent, nor gives
it back. On a network's disk, it holds among machines where the disk's own locks do. Where a file system knows none,
an UnlockedWarning says so, and work goes on unguarded.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from scratchvae.disk.folders import open_in_folder, reason_of, remove_empty
from scratchvae.errors import FileError, LockedError, UnlockedWarning, warn

TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
FAR = 2**30  # on Windows a locked byte can be read by nobody else: one far behind all that is written

_held: set[int] = set()  # the open files that this process's locks are on


@contextmanager
def locked(path: str | PathLike[str]) -> Iterator[None]:
    """Hold the lock of the file `path`, made for that if need be, as is its folder; both go again in the end.

    Raises LockedError where it is held already, and FileError where there can be no such file.
    """
    path = Path(path)
    descriptor, made = _take(path)
    owner = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == owner:
            _give_back(path, descriptor)
            remove_empty(made)


def try_lock(descriptor: int) -> bool | None:
    """Whether an open file's lock is ours from now on, until the file is closed; None if its disk knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return None
    except OSError as error:
        return False if error.errno in TAKEN else None
    return True


# Whoever gives a lock back removes its file, and between another's opening of that file and its locking it may be gone,
# or be another one of the same name, which somebody else locks. So a lock counts only if its file is still the one that
# has the name; and no file loses its name but to the holder of its lock.
def _take(path: Path) -> tuple[int, list[Path]]:
    while True:
        try:
            descriptor, made = open_in_folder(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o666))
        except (OSError, ValueError) as error:
            raise FileError(f"cannot lock {path}: {reason_of(error)}; choose another place") from None
        _held.add(descriptor)
        ours = try_lock(descriptor)
        if ours is None:
            warn(f"{path} cannot be locked on this disk: see that no other process writes there", UnlockedWarning)
        if ours is False:
            holder = _holder(path)
            _close(descriptor)
            raise LockedError(f"{path} is locked by {holder}; wait until that has ended, or choose another place")
        if _is_at(path, descriptor):
            with suppress(OSError):  # on a full disk the lock holds, and does not say whose it is
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            return descriptor, made
        _close(descriptor)


def _give_back(path: Path, descriptor: int) -> None:
    ours = _is_at(path, descriptor)
    if sys.platform == "win32":  # which removes no file that is open, and none that another has opened meanwhile
        _close(descriptor)
    with suppress(OSError):
        if ours:
            path.unlink()
    if descriptor in _held:
        _close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    if sys.platform == "win32":  # where no open file loses its name
        return True
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _holder(path: Path) -> str:
    try:
        number = int(path.read_text("ascii"))
    except (OSError, ValueError):  # it has not said who it is yet
        return "another process"
    return f"process {number}" if number != os.getpid() else "this very process, which uses it elsewhere"


def _close(descriptor: int) -> None:
    _held.discard(descriptor)
    os.close(descriptor)


# A lock goes with the last copy of the open file, of which a forked child has one.
def _close_all() -> None:
    while _held:
        with suppress(OSError):
            os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)
