"""Files that appear whole or not at all."""

import os

import pytest

from scratchvae.disk import check_writable, whole_file
from scratchvae.errors import FileError


def everything_under(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write(path, content=b"new"):
    with whole_file(path) as file:
        file.write(content)


@pytest.fixture
def regular(tmp_path):
    path = tmp_path / "regular"
    path.write_bytes(b"a file")
    return path


def test_the_file_appears_only_once_the_block_is_done(tmp_path):
    path = tmp_path / "a.bin"
    with whole_file(path) as file:
        file.write(b"whole")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert everything_under(tmp_path) == ["a.bin"]


def test_the_old_content_stays_readable_until_the_new_is_complete(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, FileError])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_exception_in_the_block_passes_through_and_changes_nothing(tmp_path, error, old):
    path = tmp_path / "a.bin"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(error), whole_file(path) as file:
        file.write(b"half")
        raise error("stop")
    assert everything_under(tmp_path) == ([] if old is None else ["a.bin"])
    assert old is None or path.read_bytes() == old


def test_a_disk_that_fails_in_the_block_is_a_file_error_with_the_reason(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(FileError, match=r"a\.bin.*No space left"), whole_file(path) as file:
        file.write(b"half")
        raise OSError(28, "No space left on device")
    assert path.read_bytes() == b"old"
    assert everything_under(tmp_path) == ["a.bin"]


def test_a_disk_that_fails_at_the_last_moment_is_a_file_error_and_changes_nothing(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(5, "Input/output error")

    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(FileError, match="Input/output error"):
        write(path)
    assert path.read_bytes() == b"old"
    assert everything_under(tmp_path) == ["a.bin"]


def test_the_block_may_read_back_what_it_wrote(tmp_path):
    with whole_file(tmp_path / "a.bin") as file:
        file.write(b"there and back")
        file.seek(0)
        assert file.read() == b"there and back"
    assert (tmp_path / "a.bin").read_bytes() == b"there and back"


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "a.bin"
    with whole_file(path) as first:
        first.write(b"first, and longer")
        write(path, b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first, and longer"
    assert everything_under(tmp_path) == ["a.bin"]


def test_the_folder_is_made(tmp_path):
    write(str(tmp_path / "a" / "b" / "c.bin"))
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"new"


@pytest.mark.parametrize("below", ["a.bin", "folder/a.bin"])
def test_a_target_below_a_regular_file_is_refused(tmp_path, regular, below):
    with pytest.raises(FileError, match="cannot write"):
        write(regular / below)
    assert everything_under(tmp_path) == ["regular"]
    assert regular.read_bytes() == b"a file"


def test_a_target_that_is_a_folder_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(FileError, match="folder"):
        write(folder)
    assert everything_under(tmp_path) == ["folder"]


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b", "a" * 1000])
def test_a_target_that_can_be_no_file_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="cannot write"):
        write(name)
    assert everything_under(tmp_path) == []


@pytest.mark.parametrize("below", [".", "new", "new/newer"])
def test_a_writable_place_is_accepted_and_left_as_it_is(tmp_path, below):
    check_writable(tmp_path / below)
    assert everything_under(tmp_path) == []


def test_a_relative_place_is_judged_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("new/newer")
    (tmp_path / "new").write_bytes(b"")
    with pytest.raises(FileError, match="no folder"):
        check_writable("new/newer")


@pytest.mark.parametrize("below", [".", "folder", "folder/deeper"])
def test_a_place_at_or_below_a_regular_file_is_named_and_refused(regular, below):
    with pytest.raises(FileError, match="regular is no folder; choose another place"):
        check_writable(regular / below)


def test_a_place_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="no permission"):
        check_writable(tmp_path / "new")


def test_a_place_whose_name_is_too_long_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot write"):
        check_writable(tmp_path / ("a" * 1000))
