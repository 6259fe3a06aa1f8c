"""The idx format and the search for its files."""

import gzip
import struct
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from scratchvae.datasets import load
from scratchvae.datasets.idx import FILES, read_idx
from scratchvae.disk import cache_folder
from scratchvae.errors import DataError

sizes = st.integers(1, 6)


def idx_bytes(array):
    return struct.pack(f">{array.ndim + 1}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def make_set(seed=0, rows=(12, 5), height=4, width=3):
    rng = np.random.default_rng(seed)
    shapes = [shape for n in rows for shape in ((n, height, width), (n,))]
    arrays = [rng.integers(0, 256 if len(shape) == 3 else 10, shape, np.uint8) for shape in shapes]
    arrays[1][0] = 0  # labels are kept if one of them is 0
    return arrays


def write_set(folder, arrays, packed=(False,) * 4):
    folder.mkdir(parents=True, exist_ok=True)
    for file, array, pack in zip(FILES, arrays, packed, strict=True):
        content = idx_bytes(array)
        (folder / (file + ".gz" * pack)).write_bytes(gzip.compress(content) if pack else content)


def assert_equal(data, arrays):
    for split, images, labels in ((data.train, *arrays[:2]), (data.test, *arrays[2:])):
        assert split.images.dtype == np.float32
        assert split.images.shape == (len(images), images[0].size)
        np.testing.assert_allclose(split.images * 255, images.reshape(len(images), -1), rtol=1e-6)
        assert np.array_equal(split.labels, labels)
    assert data.image_shape == arrays[0].shape[1:]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise DataError("asked the network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("scratchvae.datasets.mnist.download", refuse)


@pytest.fixture
def places(offline, tmp_path, monkeypatch):
    """The three searched folders; none exists yet."""
    monkeypatch.setenv("SCRATCHVAE_DATA", str(tmp_path / "environment"))
    environment, cache = tmp_path / "environment", tmp_path / "xdg" / "scratchvae"
    return {"folder": tmp_path / "folder", "environment": environment, "cache": cache}


@given(seeds, st.tuples(sizes, sizes), sizes, sizes, st.tuples(*[st.booleans()] * 4))
def test_plain_and_gzipped_files_are_read(tmp_path_factory, seed, rows, height, width, packed):
    folder = tmp_path_factory.mktemp("idx")
    arrays = make_set(seed, rows, height, width)
    write_set(folder, arrays, packed)
    data = load(folder)
    assert_equal(data, arrays)
    assert data.name == folder.name


USUAL = {
    "hyphens": str,
    "dots": lambda file: file.replace("-idx", ".idx"),
    "underscores": lambda file: file.replace("-", "_"),
    "capitals": str.upper,
    "test": lambda file: file.replace("t10k", "test"),
    "subfolders": lambda file: f"{file}/{file}",
    "subfolders, dots inside": lambda file: f"{file}/{file.replace('-idx', '.idx')}",
    "name of the set": lambda file: f"emnist-letters-{file.replace('t10k', 'test')}",
    "dots, name of the set": lambda file: f"My.Set.{file.replace('-idx', '.idx')}",
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("usual", USUAL.values(), ids=USUAL)
def test_files_are_found_by_their_usual_names(tmp_path, usual, packed):
    arrays = make_set()
    write_set(tmp_path / "set", arrays, (packed,) * 4)
    for file in FILES:
        old = tmp_path / "set" / (file + ".gz" * packed)
        content = old.read_bytes()
        old.unlink()
        new = tmp_path / "set" / (usual(file) + (".gz" * packed))
        new.parent.mkdir(exist_ok=True)
        new.write_bytes(content)
    assert_equal(load(tmp_path / "set"), arrays)


def test_names_may_be_mixed_and_other_files_lie_beside_them(tmp_path):
    arrays = make_set()
    write_set(tmp_path, arrays, (True, False, False, True))
    for file, name in zip(
        (FILES[0] + ".gz", FILES[2]), ("train-images.idx3-ubyte.gz", "T10K-images.idx3-ubyte"), strict=True
    ):
        (tmp_path / file).rename(tmp_path / name)
    (tmp_path / f"._{FILES[1]}").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "README.md").write_text("idx", encoding="utf-8")
    assert_equal(load(tmp_path), arrays)


def test_a_plain_file_is_preferred_to_a_packed_one_and_to_one_in_a_subfolder(tmp_path):
    for seed, packed in enumerate((False, True)):
        write_set(tmp_path, make_set(seed), (packed,) * 4)
    write_set(tmp_path / "train-images.idx3-ubyte", make_set(2))
    assert_equal(load(tmp_path), make_set(0))


def test_gzip_is_known_by_the_content_whatever_the_name(tmp_path):
    arrays = make_set()
    write_set(tmp_path, arrays, (True, False, True, False))
    (tmp_path / f"{FILES[0]}.gz").rename(tmp_path / FILES[0])
    (tmp_path / FILES[1]).rename(tmp_path / f"{FILES[1]}.gz")
    assert_equal(load(tmp_path), arrays)


@pytest.mark.parametrize("missing", [[0], [1], [2, 3], [0, 1, 2]])
def test_a_folder_with_some_of_the_files_is_refused_by_what_it_lacks(tmp_path, missing):
    write_set(tmp_path, make_set())
    for k in missing:
        (tmp_path / FILES[k]).unlink()
    with pytest.raises(DataError) as refusal:
        load(tmp_path)
    message = refusal.value.message
    assert message.startswith(f"{tmp_path} lacks ")
    assert [file in message for file in FILES] == [k in missing for k in range(4)]


def test_files_of_several_sets_are_refused(tmp_path):
    write_set(tmp_path, make_set())
    for file in FILES:
        (tmp_path / f"letters-{file}").write_bytes((tmp_path / file).read_bytes())
    with pytest.raises(DataError, match=r"2 data sets, '', 'letters'; move each"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("labels", "right", "classes"),
    [
        ([0, 1, 2, 1, 0, 2], [0, 1, 2, 1, 0, 2], "0 1 2"),
        ([0, 3, 1, 1, 0, 3], [0, 3, 1, 1, 0, 3], "0 1 2 3"),
        ([1, 2, 3, 1, 3, 2], [0, 1, 2, 0, 2, 1], "1 2 3"),
        ([1, 9, 200, 1, 9, 9], [0, 1, 2, 0, 1, 1], "1 9 200"),
        ([1, 2, 3, 1, 0, 2], [1, 2, 3, 1, 0, 2], "0 1 2 3"),
        ([255] * 6, [0] * 6, "255"),
        ([0, 255, 0, 255, 0, 0], [0, 255, 0, 255, 0, 0], " ".join(map(str, range(256)))),
    ],
)
def test_labels_that_do_not_begin_at_0_are_numbered_and_named(tmp_path, labels, right, classes):
    arrays = make_set(rows=(4, 2))
    arrays[1], arrays[3] = np.array(labels[:4], np.uint8), np.array(labels[4:], np.uint8)
    write_set(tmp_path, arrays)
    data = load(tmp_path)
    assert data.part("all").labels.tolist() == right
    assert data.classes == tuple(classes.split())


def damage(path, change):
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"\x00\x00\x0d" + content[3:],
        lambda content: b"\x00\x00\x08\x02" + content[4:],
        lambda content: b"<html>not found</html>",
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:4] + b"\xff" * 4 + content[8:],
    ],
    ids=["another type", "another number of axes", "a web page", "truncated", "too long", "promises too much"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, file, change):
    write_set(tmp_path / "set", make_set())
    damage(tmp_path / "set" / file, change)
    with pytest.raises(DataError, match=file):
        load(tmp_path / "set")


@pytest.mark.parametrize("length", range(16))
def test_a_file_truncated_in_its_header_is_refused_by_name(tmp_path, length):
    (tmp_path / FILES[0]).write_bytes(idx_bytes(np.zeros((1, 2, 2), np.uint8))[:length])
    with pytest.raises(DataError, match=FILES[0]):
        read_idx(tmp_path / FILES[0], 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda packed: packed[:-4],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        lambda packed: packed[:12] + bytes(byte ^ 255 for byte in packed[12:-8]) + packed[-8:],
        lambda packed: b"",
    ],
    ids=["no end", "half", "wrong checksum", "wrong content", "empty"],
)
def test_a_damaged_gz_is_refused_by_name(tmp_path, change):
    write_set(tmp_path / "set", make_set(), (True,) * 4)
    damage(tmp_path / "set" / f"{FILES[2]}.gz", change)
    with pytest.raises(DataError, match=rf"{FILES[2]}\.gz"):
        load(tmp_path / "set")


@pytest.mark.parametrize("name", [FILES[0], f"{FILES[0]}.gz"])
@pytest.mark.parametrize("shape", [(1 << 30, 1 << 15, 1 << 15), (0, 2**32 - 1, 2**32 - 1), (2**32 - 1,) * 3])
def test_a_header_with_a_large_size_allocates_no_memory(tmp_path, name, shape):
    content = struct.pack(">4I", 0x0803, *shape) + bytes(1000)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=name):
            read_idx(tmp_path / name, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6


def test_no_more_than_the_size_in_the_header_is_unpacked(tmp_path):
    content = struct.pack(">4I", 0x0803, 10, 10, 10) + bytes(100_000_000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(content))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"1000 bytes, shape \(10, 10, 10\), and has more"):
            read_idx(tmp_path / "bomb.gz", 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6


@pytest.mark.parametrize("part", [0, 2])
def test_different_numbers_of_images_and_labels_are_refused(tmp_path, part):
    arrays = make_set()
    arrays[part] = arrays[part][:-1]
    write_set(tmp_path / "set", arrays)
    with pytest.raises(DataError, match=r"images and \d+ labels"):
        load(tmp_path / "set")


def test_splits_with_different_image_sizes_or_without_images_are_refused(tmp_path):
    arrays = make_set()
    for wrong in (arrays[2][:, :, :2], arrays[2][:0]):
        write_set(tmp_path / "set", [*arrays[:2], wrong, arrays[3][: len(wrong)]])
        with pytest.raises(DataError, match="shapes"):
            load(tmp_path / "set")


@pytest.mark.parametrize("missing", FILES)
def test_a_folder_with_a_missing_file_is_refused(places, missing):
    write_set(places["folder"] / "mnist", make_set())
    (places["folder"] / "mnist" / missing).unlink()
    with pytest.raises(DataError, match=r"does not hold mnist.*train-images-idx3-ubyte"):
        load("mnist", folder=places["folder"])


def test_a_named_set_is_found_by_its_usual_names_but_not_by_those_of_another_set(places):
    arrays = make_set()
    write_set(places["folder"], arrays)
    for file in FILES:
        (places["folder"] / f"letters-{file}").write_bytes(b"another set")
        (places["folder"] / file).rename(places["folder"] / file.replace("-idx", ".idx"))
    assert_equal(load("mnist", folder=places["folder"]), arrays)
    (places["folder"] / "train-images.idx3-ubyte").unlink()
    with pytest.raises(DataError, match="does not hold mnist"):
        load("mnist", folder=places["folder"])


@pytest.mark.parametrize("inside", ["mnist", "."])
def test_the_search_order_is_folder_environment_cache(places, inside):
    arrays = {place: make_set(seed) for seed, place in enumerate(places)}
    for place, path in places.items():
        write_set(path / inside, arrays[place])
    assert_equal(load("mnist", folder=places["folder"]), arrays["folder"])
    assert_equal(load("mnist"), arrays["environment"])
    (places["environment"] / inside / FILES[1]).unlink()
    assert_equal(load("mnist"), arrays["cache"])


def test_a_given_folder_is_the_only_one_searched(places):
    write_set(places["environment"] / "mnist", make_set())
    write_set(places["cache"] / "mnist", make_set())
    with pytest.raises(DataError) as refusal:
        load("mnist", folder=places["folder"])
    assert refusal.value.message.startswith(str(places["folder"]))


def test_a_subfolder_named_as_the_set_is_searched_first(places):
    arrays = {name: make_set(seed) for seed, name in enumerate((".", "mnist", "fashion-mnist"))}
    for name in arrays:
        write_set(places["folder"] / name, arrays[name])
    for name in ("mnist", "fashion-mnist"):
        data = load(name, folder=places["folder"])
        assert_equal(data, arrays[name])
        assert data.name == name


def test_a_set_found_nowhere_is_downloaded(places, monkeypatch):
    monkeypatch.delenv("SCRATCHVAE_DATA")
    with pytest.raises(DataError, match="asked the network"):
        load("mnist")


@pytest.mark.parametrize(
    ("platform", "variable", "ending"),
    [
        ("linux", "XDG_CACHE_HOME", "scratchvae"),
        ("win32", "LOCALAPPDATA", "scratchvae"),
        ("linux", "HOME", ".cache/scratchvae"),
        ("darwin", "HOME", "Library/Caches/scratchvae"),
    ],
)
def test_the_cache_folder_is_the_platforms(monkeypatch, tmp_path, platform, variable, ending):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    if variable != "HOME":
        monkeypatch.setenv(variable, str(tmp_path))
    assert cache_folder() == tmp_path / ending


def test_the_real_mnist_has_the_known_size_mean_and_deviation(real_data, offline):
    try:
        data = load("mnist")
    except DataError:
        pytest.skip(f"{real_data} (SCRATCHVAE_DATA) holds no MNIST")
    assert data.train.images.shape == (60000, 784)
    assert data.test.images.shape == (10000, 784)
    assert data.image_shape == (28, 28)
    assert data.classes == tuple("0123456789")
    assert abs(data.train.images.mean() - 0.1307) < 1e-3
    assert abs(data.train.images.std() - 0.3081) < 1e-3
