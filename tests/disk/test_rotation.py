"""Rotation: the last versions of a file survive an interruption at any step."""

import errno
import os
from pathlib import Path

import pytest

from scratchvae.disk import atomic_write, rotate, rotation, versions, writing
from scratchvae.errors import FileError


class Killed(BaseException):
    """Simulates the end of the process."""


def write(path, number, keep):
    with atomic_write(path, lambda: rotate(path, keep)) as file:
        file.write(b"%d" % number)


def versions_of(path):
    return [(version.name, int(version.read_bytes())) for version in versions(path)]


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


@pytest.fixture
def without_links(monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("keep", [1, 2, 3, 5])
def test_the_last_versions_are_retained_in_order(path, keep):
    for number in range(7):
        write(path, number, keep)
        names = ["run.npz", "run.1.npz", "run.2.npz", "run.3.npz", "run.4.npz"][: min(keep, number + 1)]
        assert versions_of(path) == [(name, number - age) for age, name in enumerate(names)]
    assert len(list(path.parent.iterdir())) == keep


def test_the_last_versions_are_retained_without_hard_links(path, without_links):
    for number in range(5):
        write(path, number, 3)
    assert versions_of(path) == [("run.npz", 4), ("run.1.npz", 3), ("run.2.npz", 2)]
    assert len(list(path.parent.iterdir())) == 3


def kill_after_call(monkeypatch, call):
    """Simulate the end of the process after call number `call` (from 0) of rotation and renaming."""
    remaining = [call]

    def counting(original):
        def counted(*arguments, **keywords):
            result = original(*arguments, **keywords)
            if not remaining[0]:
                raise Killed
            remaining[0] -= 1
            return result

        return counted

    for owner, name in ((Path, "replace"), (Path, "unlink"), (os, "link"), (rotation.shutil, "copyfileobj")):
        monkeypatch.setattr(owner, name, counting(getattr(owner, name)))


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("keep", [2, 3, 4])
@pytest.mark.parametrize("call", range(6))
@pytest.mark.parametrize("times", [1, 3])
def test_a_kill_at_any_call_loses_at_most_the_oldest_version(path, monkeypatch, request, links, keep, call, times):
    if not links:
        request.getfixturevalue("without_links")
    for number in range(9):
        write(path, number, keep)
    for _ in range(times):
        before = versions_of(path)
        with monkeypatch.context() as patched:
            kill_after_call(patched, call)
            try:
                write(path, 9, keep)
            except Killed:
                pass
            else:
                return
        numbers = [number for _, number in versions_of(path)]
        assert numbers[0] in (8, 9)  # there is always a newest version
        assert numbers == sorted(numbers, reverse=True)
        assert len(set(numbers)) >= min(keep, len({number for _, number in before})) - 1
    write(path, 10, keep)
    write(path, 11, keep)
    assert [number for _, number in versions_of(path)][:2] == [11, 10]


def test_versions_after_a_gap_are_found(path):
    for number in range(5):
        write(path, number, 4)
    path.with_name("run.1.npz").unlink()
    assert versions_of(path) == [("run.npz", 4), ("run.2.npz", 2), ("run.3.npz", 1)]
    write(path, 5, 4)
    assert versions_of(path) == [("run.npz", 5), ("run.1.npz", 4), ("run.2.npz", 2), ("run.3.npz", 1)]


def test_repeated_disk_errors_lose_no_version(path, monkeypatch):
    for number in range(3):
        write(path, number, 3)
    before = versions_of(path)

    def raise_disk_full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", raise_disk_full)
    for _ in range(3):
        with pytest.raises(FileError, match="No space left"):
            write(path, 9, 3)
        assert versions_of(path) == before


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_new_version_is_flushed_before_rotation_and_its_name_afterwards(path, monkeypatch, keep):
    for number in range(3):
        write(path, number, keep)
    events = []

    def record_calls(owner, name, describe):
        original = getattr(owner, name)

        def call(*arguments, **keywords):
            events.append(describe(*arguments))
            return original(*arguments, **keywords)

        monkeypatch.setattr(owner, name, call)

    record_calls(os, "fsync", lambda descriptor: "flush")
    record_calls(os, "link", lambda old, new: f"link {new.name}")
    record_calls(Path, "replace", lambda old, new: f"name {new.name}")
    monkeypatch.setattr(writing, "flush_folder", lambda folder: events.append(f"flush the names in {folder.name}"))
    write(path, 3, keep)
    rotated = {1: [], 2: ["link run.1.npz"], 3: ["name run.2.npz", "link run.1.npz"]}[keep]
    assert events == ["flush", *rotated, "name run.npz", f"flush the names in {path.parent.name}"]
