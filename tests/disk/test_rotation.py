"""The last few versions of a file, whatever happened between two steps."""

import errno
import os
from pathlib import Path

import pytest

from scratchvae.disk import atomic_write, rotate, rotation, versions, writing
from scratchvae.errors import FileError


class Killed(BaseException):
    """Stands for the end of the process."""


def write(path, number, keep):
    with atomic_write(path, lambda: rotate(path, keep)) as file:
        file.write(b"%d" % number)


def held(path):
    return [(found.name, int(found.read_bytes())) for found in versions(path)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
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
def test_the_last_few_are_kept_in_their_order(path, keep):
    for number in range(7):
        write(path, number, keep)
        names = ["run.npz", "run.1.npz", "run.2.npz", "run.3.npz", "run.4.npz"][: min(keep, number + 1)]
        assert held(path) == [(name, number - age) for age, name in enumerate(names)]
    assert len(list(path.parent.iterdir())) == keep


def test_they_are_kept_where_a_file_can_have_one_name_only(path, without_links):
    for number in range(5):
        write(path, number, 3)
    assert held(path) == [("run.npz", 4), ("run.1.npz", 3), ("run.2.npz", 2)]
    assert len(list(path.parent.iterdir())) == 3


def calls(monkeypatch, call):
    """Lets one of the calls that rotation and renaming make, counted from 0, be the last before the process ends."""
    left = [call]

    def until(real):
        def counted(*given, **named):
            result = real(*given, **named)
            if not left[0]:
                raise Killed
            left[0] -= 1
            return result

        return counted

    for of, name in ((Path, "replace"), (Path, "unlink"), (os, "link"), (rotation.shutil, "copyfileobj")):
        monkeypatch.setattr(of, name, until(getattr(of, name)))


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("keep", [2, 3, 4])
@pytest.mark.parametrize("call", range(6))
@pytest.mark.parametrize("times", [1, 3])
def test_no_version_is_lost_that_a_kill_does_not_make_older_than_the_last_few(
    path, monkeypatch, request, links, keep, call, times
):
    if not links:
        request.getfixturevalue("without_links")
    for number in range(9):
        write(path, number, keep)
    for _ in range(times):
        before = held(path)
        with monkeypatch.context() as patched:
            calls(patched, call)
            try:
                write(path, 9, keep)
            except Killed:
                pass
            else:
                return
        numbers = [number for _, number in held(path)]
        assert numbers[0] in (8, 9)  # at no moment is there none
        assert numbers == sorted(numbers, reverse=True)
        assert len(set(numbers)) >= min(keep, len({number for _, number in before})) - 1
    write(path, 10, keep)
    write(path, 11, keep)
    assert [number for _, number in held(path)][:2] == [11, 10]


def test_a_version_is_found_behind_the_gap_that_a_kill_left(path):
    for number in range(5):
        write(path, number, 4)
    path.with_name("run.1.npz").unlink()
    assert held(path) == [("run.npz", 4), ("run.2.npz", 2), ("run.3.npz", 1)]
    write(path, 5, 4)
    assert held(path) == [("run.npz", 5), ("run.1.npz", 4), ("run.2.npz", 2), ("run.3.npz", 1)]


def test_a_disk_that_fails_again_and_again_costs_no_version(path, monkeypatch):
    for number in range(3):
        write(path, number, 3)
    before = held(path)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(3):
        with pytest.raises(FileError, match="No space left"):
            write(path, 9, 3)
        assert held(path) == before


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_it_is_on_the_disk_before_the_one_before_gives_way_and_its_name_afterwards(path, monkeypatch, keep):
    for number in range(3):
        write(path, number, keep)
    told = []

    def watch(of, name, as_told):
        real = getattr(of, name)

        def call(*given, **named):
            told.append(as_told(*given))
            return real(*given, **named)

        monkeypatch.setattr(of, name, call)

    watch(os, "fsync", lambda descriptor: "flush")
    watch(os, "link", lambda old, new: f"link {new.name}")
    watch(Path, "replace", lambda old, new: f"name {new.name}")
    monkeypatch.setattr(writing, "flush_folder", lambda folder: told.append(f"flush the names in {folder.name}"))
    write(path, 3, keep)
    rotated = {1: [], 2: ["link run.1.npz"], 3: ["name run.2.npz", "link run.1.npz"]}[keep]
    assert told == ["flush", *rotated, "name run.npz", f"flush the names in {path.parent.name}"]
