"""Locks that one process holds, and that go with it."""

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

LIMIT = 60  # seconds, of a machine that is busy with other work

HOLDER = """
import os, sys
from scratchvae.disk import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    {then}
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
def holding(path, then=WAIT):
    """Another process that holds the lock, and what it says afterwards."""
    code = HOLDER.format(then=then.strip())
    with subprocess.Popen(
        [PYTHON, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / ".lock"


def test_it_is_there_while_it_is_held_and_gone_with_its_folder_afterwards(path):
    with locked(str(path)):
        assert path.read_text(encoding="utf-8") == f"{os.getpid()}\n"
    assert not path.parent.exists()


def test_a_folder_that_has_something_in_it_by_then_stays(path):
    with locked(path):
        (path.parent / "model.npz").write_bytes(b"")
    assert [file.name for file in path.parent.iterdir()] == ["model.npz"]


def test_it_is_free_again_after_an_error(path):
    with pytest.raises(KeyboardInterrupt), locked(path):
        raise KeyboardInterrupt
    with locked(path):
        pass


def test_what_another_process_holds_is_refused_at_once_by_its_number_until_it_ends(path):
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


def test_what_this_process_holds_elsewhere_is_refused_too_and_stays_held(path):
    with locked(path):
        for _ in range(2):
            with pytest.raises(LockedError, match="this process"), locked(path):
                pass
        assert path.exists()


def test_a_killed_holder_leaves_its_file_which_blocks_nobody(path):
    with holding(path) as other:
        other.kill()
        other.wait(LIMIT)
        assert path.exists()
        with locked(path):
            assert path.read_text(encoding="utf-8") == f"{os.getpid()}\n"
    assert not path.exists()


@needs_fork
def test_it_is_free_once_its_holder_is_killed_though_a_forked_child_lives_on(path):
    with holding(path, FORK) as other:
        child = int(other.stdout.readline())
        try:
            with pytest.raises(LockedError, match=str(other.pid)), locked(path):
                pass
            other.kill()
            other.wait(LIMIT)
            os.kill(child, 0)  # it is still there
            with locked(path):
                pass
        finally:
            os.kill(child, signal.SIGKILL)


@needs_fork
def test_a_forked_child_that_leaves_the_block_gives_nothing_back(path):
    with holding(path, LEAVE_IN_A_CHILD) as other:
        assert other.stdout.readline() == "child has left\n"
        assert path.exists()
        with pytest.raises(LockedError, match=str(other.pid)), locked(path):
            pass


@can_unlink
def test_a_file_that_its_holder_removed_before_we_locked_it_does_not_count(path, monkeypatch):
    asked, hold = [], lock.try_lock

    def hold_what_is_gone_at_first(descriptor):
        if not asked:
            path.unlink()
        asked.append(descriptor)
        return hold(descriptor)

    monkeypatch.setattr(lock, "try_lock", hold_what_is_gone_at_first)
    with locked(path):
        assert len(asked) == 2
        with pytest.raises(LockedError), locked(path):
            pass


@can_unlink
def test_a_file_that_another_made_anew_is_not_removed(path):
    with locked(path):
        path.unlink()
        path.write_text("another's", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "another's"


OPEN = Path("/dev/fd")


@pytest.mark.skipif(not OPEN.is_dir(), reason="this platform does not list a process's open files")
def test_open_files_do_not_add_up(path):
    before = sorted(OPEN.iterdir())
    for _ in range(3):
        with locked(path), pytest.raises(LockedError), locked(path):
            pass
    assert lock._descriptors == set()
    assert sorted(OPEN.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks otherwise")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_that_knows_no_locks_is_worked_on_with_a_warning(path, monkeypatch, number):
    import fcntl

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(UnlockedWarning, match=r"\.lock cannot be locked on this disk"), locked(path):
        assert path.exists()
    assert not path.exists()


def test_a_place_that_can_hold_no_lock_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path, tmp_path / "file" / ".lock", tmp_path / "a\0b" / ".lock"):
        with pytest.raises(FileError, match="cannot lock"), locked(place):
            pass


def test_on_a_full_disk_it_is_held_and_does_not_say_whose_it_is(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    for _ in range(2):
        with locked(path), pytest.raises(LockedError, match="locked by another process"), locked(path):
            pass
    assert not path.exists()
