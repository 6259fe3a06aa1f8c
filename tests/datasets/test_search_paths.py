"""The search paths of data sets."""

from pathlib import Path

import pytest

from scratchvae.datasets import NAMES, load
from scratchvae.datasets.search_paths import find_file, first_existing_file
from scratchvae.errors import DataError

NEEDS_FILES = [name for name in NAMES if name not in ("digits", "sprites", "mnist", "fashion-mnist")]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The three searched folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("SCRATCHVAE_DATA", str(tmp_path / "environment"))
    environment, cache = tmp_path / "environment", tmp_path / "xdg" / "scratchvae"
    return {"folder": tmp_path / "folder", "environment": environment, "cache": cache}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("inside", ["faces", "."])
def test_the_search_order_is_folder_environment_cache(places, inside):
    files = {place: touch(path / inside / "a.npy") for place, path in places.items()}
    assert find_file("faces", "a.npy", places["folder"]) == files["folder"]
    assert find_file("faces", "a.npy") == files["environment"]
    files["environment"].unlink()
    assert find_file("faces", "a.npy") == files["cache"]


def test_without_the_environment_the_cache_is_searched(places, monkeypatch):
    monkeypatch.delenv("SCRATCHVAE_DATA")
    touch(places["environment"] / "a.npy")
    cached = touch(places["cache"] / "faces" / "a.npy")
    assert find_file("faces", "a.npy") == cached


def test_a_subfolder_named_as_the_set_is_searched_first(places):
    touch(places["folder"] / "a.npy")
    inner = touch(places["folder"] / "faces" / "a.npy")
    assert find_file("faces", "a.npy", places["folder"]) == inner


def test_a_given_folder_is_the_only_one_searched(places):
    for place in ("environment", "cache"):
        touch(places[place] / "faces" / "a.npy")
    with pytest.raises(DataError) as refusal:
        find_file("faces", "a.npy", places["folder"])
    assert str(places["folder"]) in refusal.value.message
    assert str(places["environment"]) not in refusal.value.message
    assert str(places["cache"]) not in refusal.value.message


@pytest.mark.parametrize("name", NEEDS_FILES)
def test_a_missing_set_is_refused_with_the_paths_and_a_hint(places, name):
    with pytest.raises(DataError) as refusal:
        load(name)
    for words in (str(places["environment"]), str(places["cache"]), "copy it there", "--data-dir", "SCRATCHVAE_DATA"):
        assert words in refusal.value.message


def test_an_unreadable_folder_is_refused(monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(DataError, match=r"folder cannot be read.*Permission"):
        first_existing_file([Path("folder/a.npy")])
