"""Atomic writing: a file appears completely or not at all."""

import errno
import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from child_processes import PYTHON

from scratchvae.disk import atomic_write, check_writable, writing
from scratchvae.errors import FileError

WINDOWS = sys.platform == "win32"


def paths_under(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write(path, content=b"new"):
    with atomic_write(path) as file:
        file.write(content)


@pytest.fixture
def regular(tmp_path):
    path = tmp_path / "regular"
    path.write_bytes(b"a file")
    return path


def test_the_file_appears_only_after_the_block(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as file:
        file.write(b"whole")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert paths_under(tmp_path) == ["a.bin"]


def test_the_old_content_is_readable_until_the_new_is_complete(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, FileError])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_exception_in_the_block_propagates_and_changes_nothing(tmp_path, error, old):
    path = tmp_path / "a.bin"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"half")
        raise error("stop")
    assert paths_under(tmp_path) == ([] if old is None else ["a.bin"])
    assert old is None or path.read_bytes() == old


def test_a_disk_error_in_the_block_raises_file_error_with_the_reason(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(FileError, match=r"a\.bin.*No space left"), atomic_write(path) as file:
        file.write(b"half")
        raise OSError(28, "No space left on device")
    assert path.read_bytes() == b"old"
    assert paths_under(tmp_path) == ["a.bin"]


def test_a_disk_error_at_the_end_raises_file_error_and_changes_nothing(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(5, "Input/output error")

    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(FileError, match="Input/output error"):
        write(path)
    assert path.read_bytes() == b"old"
    assert paths_under(tmp_path) == ["a.bin"]


def test_the_block_can_read_what_it_wrote(tmp_path):
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"there and back")
        file.seek(0)
        assert file.read() == b"there and back"
    assert (tmp_path / "a.bin").read_bytes() == b"there and back"


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as first:
        first.write(b"first, and longer")
        write(path, b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first, and longer"
    assert paths_under(tmp_path) == ["a.bin"]


def test_the_folder_is_created(tmp_path):
    write(str(tmp_path / "a" / "b" / "c.bin"))
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"new"


@pytest.mark.parametrize("below", ["a.bin", "folder/a.bin"])
def test_a_target_below_a_regular_file_is_refused(tmp_path, regular, below):
    with pytest.raises(FileError, match="cannot write"):
        write(regular / below)
    assert paths_under(tmp_path) == ["regular"]
    assert regular.read_bytes() == b"a file"


def test_a_target_that_is_a_folder_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(FileError, match="folder"):
        write(folder)
    assert paths_under(tmp_path) == ["folder"]


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b", "a" * 1000])
def test_an_invalid_target_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="cannot write"):
        write(name)
    assert paths_under(tmp_path) == []


@pytest.mark.parametrize("below", [".", "new", "new/newer"])
def test_a_writable_path_is_accepted_and_unchanged(tmp_path, below):
    check_writable(tmp_path / below)
    assert paths_under(tmp_path) == []


def test_a_relative_path_is_resolved_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("new/newer")
    (tmp_path / "new").write_bytes(b"")
    with pytest.raises(FileError, match="not a folder"):
        check_writable("new/newer")


@pytest.mark.parametrize("below", [".", "folder", "folder/deeper"])
def test_a_path_at_or_below_a_regular_file_is_refused_by_name(regular, below):
    with pytest.raises(FileError, match="regular is not a folder; choose another place"):
        check_writable(regular / below)


def test_a_path_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="no permission"):
        check_writable(tmp_path / "new")


@pytest.mark.skipif(WINDOWS, reason="of such a name Windows says no more than that nothing has it")
def test_a_path_with_a_too_long_name_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot write"):
        check_writable(tmp_path / ("a" * 1000))


flushes = pytest.mark.skipif(sys.platform == "win32", reason="Windows flushes no folders, and has shorter paths")

HALF_WRITTEN = """
import os, signal, sys
from scratchvae.disk import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("half", flush=True)
    sys.stdin.read()
"""


@contextmanager
def half_written(path):
    """Start another process that is writing `path`."""
    with subprocess.Popen(
        [PYTHON, "-c", HALF_WRITTEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            assert process.stdout.readline() == "half\n"
            yield process
        finally:
            process.kill()


def temporary_files(folder):
    return list(folder.glob(".*.part"))


def make_old(part):
    os.utime(part, (0, time.time() - writing.STALE - 1))


def test_the_temporary_file_of_a_killed_process_is_removed_at_the_next_write(tmp_path):
    path = tmp_path / "a.bin"
    with half_written(path) as other:
        other.kill()
    (part,) = temporary_files(tmp_path)
    assert part.name.startswith(".a.bin.") and part.read_bytes() == b"half"
    write(path)  # a file younger than a minute may belong to a running process
    assert temporary_files(tmp_path) == [part]
    make_old(part)
    write(tmp_path / "b.bin")
    write(tmp_path / "a.bin.b")
    assert part.exists()
    write(path)
    assert paths_under(tmp_path) == ["a.bin", "a.bin.b", "b.bin"]


def test_a_temporary_file_in_use_is_not_removed(tmp_path):
    path = tmp_path / "a.bin"
    with half_written(path) as other:
        (part,) = temporary_files(tmp_path)
        make_old(part)
        write(path)
        assert temporary_files(tmp_path) == [part]
        other.communicate("", timeout=60)
    assert path.read_bytes() == b"half"
    assert paths_under(tmp_path) == ["a.bin"]


def test_without_locks_no_temporary_file_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "try_lock", lambda _: None)
    path = tmp_path / "a.bin"
    with half_written(path) as other:
        other.kill()
    (part,) = temporary_files(tmp_path)
    make_old(part)
    write(path)
    assert temporary_files(tmp_path) == [part]


def test_a_temporary_file_is_touched_before_its_lock_is_released(tmp_path, monkeypatch):
    ages, replace = [], Path.replace

    def replace_and_record_age(part, path):
        ages.append(time.time() - part.stat().st_mtime)
        return replace(part, path)

    monkeypatch.setattr(Path, "replace", replace_and_record_age)
    with atomic_write(tmp_path / "a.bin") as file:
        make_old(*temporary_files(tmp_path))
    assert file.closed and ages[0] < writing.STALE / 2


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a" * 255, marks=pytest.mark.skipif(WINDOWS, reason="Windows limits a path to 260 characters")),
        "é" * 127 if not WINDOWS else "é" * 27,
        "[a].bin",
    ],
)
def test_files_with_long_or_odd_names_are_written(tmp_path, name):
    write(tmp_path / name)
    assert paths_under(tmp_path) == [name]


def test_the_names_of_the_file_and_of_new_folders_are_flushed(tmp_path, monkeypatch):
    flushed, flush = [], writing.flush_folder
    monkeypatch.setattr(writing, "flush_folder", lambda folder: (flushed.append(folder), flush(folder)))
    write(tmp_path / "new" / "newer" / "a.bin")
    assert flushed == [tmp_path / "new" / "newer", tmp_path / "new", tmp_path]


@flushes
def test_an_unsupported_folder_flush_is_ignored_and_a_failed_one_raises(tmp_path, monkeypatch):
    fsync, path = os.fsync, tmp_path / "a.bin"

    def refuse(number):
        def fsync_without_folders(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            fsync(descriptor)

        return fsync_without_folders

    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    write(path)
    assert path.read_bytes() == b"new"
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(FileError, match="Input/output error"):
        write(path)


def test_a_folder_removed_by_another_process_is_created_again(tmp_path, monkeypatch):
    path, mkdir, removed = tmp_path / "new" / "a.bin", Path.mkdir, []

    def create_and_remove_twice(folder, *args, **kwargs):
        mkdir(folder, *args, **kwargs)
        if len(removed) < 2:
            removed.append(folder)
            folder.rmdir()

    monkeypatch.setattr(Path, "mkdir", create_and_remove_twice)
    write(path)
    assert path.read_bytes() == b"new"
    assert len(removed) == 2


@pytest.mark.parametrize(
    ("platform", "times", "done"), [("win32", 3, True), ("win32", 10**9, False), ("linux", 3, False)]
)
def test_replacing_a_file_in_use_is_retried_on_windows(tmp_path, monkeypatch, platform, times, done):
    path, replace, tried = tmp_path / "a.bin", Path.replace, []

    def busy(part, target):
        tried.append(part)
        if len(tried) <= times:
            raise PermissionError(errno.EACCES, "Permission denied")
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(writing, "REPLACE_TIMEOUT", 0.05)
    monkeypatch.setattr(writing, "try_lock", lambda _: True)  # Windows uses another lock
    monkeypatch.setattr(sys, "platform", platform)
    path.write_bytes(b"old")
    if done:
        write(path)
    else:
        with pytest.raises(FileError, match=r"a\.bin: Permission denied"):
            write(path)
    assert path.read_bytes() == (b"new" if done else b"old")
    assert len(tried) == 4 if done else len(tried) > 3 if platform == "win32" else len(tried) == 1
    assert paths_under(tmp_path) == ["a.bin"]
