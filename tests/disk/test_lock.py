"""Lock files: held by one process, released when it ends."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from child_processes import PYTHON

from scratchvae.disk import lock, locked
from scratchvae.errors import FileError, LockedError, UnlockedWarning

LIMIT = 60  # seconds, on a busy machine

HOLDER = """
import os, sys
from scratchvae.disk import locked
with locked(sys.argv[1]):
    print("locked", flush=True)
    {action}
"""
WAIT = "sys.stdin.read()"
FORK = """
    if os.fork() == 0:  # a child that outlives its parent
        print(os.getpid(), flush=True)
        sys.stdin.read()
        os._exit(0)
    sys.stdin.read()
"""
LEAVE_IN_A_CHILD = """
    if os.fork():
        os.wait()
        print("child has left", flush=True)
        sys.stdin.read()
"""

can_unlink = pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")


@contextmanager
def holding(path, action=WAIT):
    """Start another process that holds the lock and then runs `action`."""
    script = HOLDER.format(action=action.strip())
    with subprocess.Popen(
        [PYTHON, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / ".lock"


def test_the_lock_file_and_its_folder_exist_only_while_locked(path):
    with locked(str(path)):
        assert path.read_text(encoding="utf-8") == f"{os.getpid()}\n"
    assert not path.parent.exists()


def test_a_folder_with_other_files_is_not_removed(path):
    with locked(path):
        (path.parent / "model.npz").write_bytes(b"")
    assert [file.name for file in path.parent.iterdir()] == ["model.npz"]


def test_the_lock_is_released_after_an_error(path):
    with pytest.raises(KeyboardInterrupt), locked(path):
        raise KeyboardInterrupt
    with locked(path):
        pass


def test_a_lock_of_another_process_is_refused_with_its_pid_until_it_ends(path):
    with holding(path) as other:
        for _ in range(2):
            with (
                pytest.raises(LockedError, match=rf"\.lock is locked by process {other.pid}; wait until"),
                locked(path),
            ):
                pass
        other.communicate("", timeout=LIMIT)
        assert not path.parent.exists()
        with locked(path):
            pass


def test_a_second_lock_in_this_process_is_refused_and_the_first_remains(path):
    with locked(path):
        for _ in range(2):
            with pytest.raises(LockedError, match="this process"), locked(path):
                pass
        assert path.exists()


def test_the_lock_file_of_a_killed_process_blocks_nobody(path):
    with holding(path) as other:
        other.kill()
        other.wait(LIMIT)
        assert path.exists()
        with locked(path):
            assert path.read_text(encoding="utf-8") == f"{os.getpid()}\n"
    assert not path.exists()


@needs_fork
def test_the_lock_of_a_killed_process_is_released_despite_a_forked_child(path):
    with holding(path, FORK) as other:
        child = int(other.stdout.readline())
        try:
            with pytest.raises(LockedError, match=str(other.pid)), locked(path):
                pass
            other.kill()
            other.wait(LIMIT)
            os.kill(child, 0)  # the child is still alive
            with locked(path):
                pass
        finally:
            os.kill(child, signal.SIGKILL)


@needs_fork
def test_a_forked_child_that_leaves_the_block_releases_no_lock(path):
    with holding(path, LEAVE_IN_A_CHILD) as other:
        assert other.stdout.readline() == "child has left\n"
        assert path.exists()
        with pytest.raises(LockedError, match=str(other.pid)), locked(path):
            pass


@can_unlink
def test_a_lock_on_a_removed_file_is_tried_again(path, monkeypatch):
    attempts, try_lock = [], lock.try_lock

    def remove_then_lock(descriptor):
        if not attempts:
            path.unlink()
        attempts.append(descriptor)
        return try_lock(descriptor)

    monkeypatch.setattr(lock, "try_lock", remove_then_lock)
    with locked(path):
        assert len(attempts) == 2
        with pytest.raises(LockedError), locked(path):
            pass


@can_unlink
def test_a_file_recreated_by_another_process_is_not_removed(path):
    with locked(path):
        path.unlink()
        path.write_text("another's", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "another's"


OPEN = Path("/dev/fd")


@pytest.mark.skipif(not OPEN.is_dir(), reason="this platform does not list a process's open files")
def test_no_file_descriptor_is_leaked(path):
    before = sorted(OPEN.iterdir())
    for _ in range(3):
        with locked(path), pytest.raises(LockedError), locked(path):
            pass
    assert lock._descriptors == set()
    assert sorted(OPEN.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks otherwise")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_without_locks_gives_a_warning(path, monkeypatch, number):
    import fcntl

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(UnlockedWarning, match=r"\.lock cannot be locked on this disk"), locked(path):
        assert path.exists()
    assert not path.exists()


def test_a_path_that_cannot_be_locked_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path, tmp_path / "file" / ".lock", tmp_path / "a\0b" / ".lock"):
        with pytest.raises(FileError, match="cannot lock"), locked(place):
            pass


def test_on_a_full_disk_the_lock_works_without_its_pid(path, monkeypatch):
    def raise_disk_full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", raise_disk_full)
    for _ in range(2):
        with locked(path), pytest.raises(LockedError, match="locked by another process"), locked(path):
            pass
    assert not path.exists()
