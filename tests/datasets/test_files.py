"""Data sets in .npy and .npz files."""

import os
import pickle
import re
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds, uniform

from scratchvae.datasets import load
from scratchvae.errors import DataError


def saved(folder, array, name="data.npy"):
    np.save(folder / name, array)
    return folder / name


def rows_of(path, **arguments):
    return load(path, **arguments).part("all").images


def assert_refused(source, *words, **arguments):
    with pytest.raises(DataError) as refusal:
        load(source, **arguments)
    for word in (str(source), *words):
        assert word in refusal.value.message


@given(rows=st.integers(1, 130), pixels=st.integers(1, 17), seed=seeds)
def test_a_tenth_of_the_rows_is_for_testing_and_part_all_is_the_source(tmp_path, rows, pixels, seed):
    array = uniform(seed, rows, pixels).astype(np.float32)
    data = load(saved(tmp_path, array), seed=seed)
    assert len(data.test.images) == rows // 10
    assert np.array_equal(data.test.images, array[data.test_mask])
    assert np.array_equal(data.train.images, array[~data.test_mask])
    every_tenth = load(tmp_path / "data.npy", seed=None)
    assert np.array_equal(every_tenth.test.images, array[9::10])
    assert np.array_equal(data.part("all").images, array)
    assert data.train.labels is data.test.labels is data.part("all").labels is None


def test_a_float32_array_is_not_copied(tmp_path):
    path = saved(tmp_path, np.ones((40_003, 200), np.float32))
    tracemalloc.start()
    try:
        data = load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data.train.images) == 36_003
    assert peak < 1.5 * path.stat().st_size


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, bool])
def test_rows_are_contiguous_even_for_files_in_fortran_order(tmp_path, dtype):
    array = np.round(uniform(0, 45, 7)).astype(np.float32)
    data = load(saved(tmp_path, np.asfortranarray(array.astype(dtype))))
    assert data.train.images.flags.c_contiguous and data.test.images.flags.c_contiguous
    assert np.array_equal(data.part("all").images, array)


@given(st.tuples(st.integers(10, 20), st.integers(1, 5), st.integers(1, 5)), st.sampled_from([(), (1,)]), seeds)
def test_pictures_become_rows_and_their_shape_is_recorded(tmp_path, shape, end, seed):
    array = uniform(seed, *shape).astype(np.float32)
    data = load(saved(tmp_path, array.reshape(shape + end)))
    assert data.image_shape == shape[1:]
    assert np.array_equal(data.part("all").images, array.reshape(len(array), -1))


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [(1, None), (4, None), (9, None), (15, None), (16, (4, 4)), (17, None), (25, (5, 5)), (784, (28, 28))],
)
def test_rows_are_pictures_only_if_the_number_of_pixels_is_a_square_of_at_least_16(tmp_path, pixels, shape):
    assert load(saved(tmp_path, np.zeros((10, pixels)))).image_shape == shape


def test_uint8_is_divided_by_255(tmp_path):
    array = np.arange(256, dtype=np.uint8).reshape(64, 4)
    rows = rows_of(saved(tmp_path, array))
    assert rows.dtype == np.float32
    assert (rows.min(), rows.max()) == (0.0, 1.0)
    np.testing.assert_allclose(rows, array / 255, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64, np.int8, bool])
@pytest.mark.parametrize("largest", [0, 1])
def test_zeros_and_ones_are_unchanged(tmp_path, dtype, largest):
    array = (np.arange(60).reshape(20, 3) % 2 * largest).astype(dtype)
    rows = rows_of(saved(tmp_path, array))
    assert rows.dtype == np.float32
    assert np.array_equal(rows, array)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f4", np.float64])
def test_floats_are_unchanged(tmp_path, dtype):
    array = np.random.default_rng(0).normal(scale=100, size=(20, 3)).astype(dtype)
    rows = rows_of(saved(tmp_path, array))
    assert rows.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert np.array_equal(rows, array)


@pytest.mark.parametrize("scale", ["auto", "none"])
def test_an_array_of_pictures_in_colour_has_rows_of_red_green_and_blue(tmp_path, scale):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), np.uint8)
    np.save(tmp_path / "colour.npy", pixels)
    data = load(tmp_path / "colour.npy", scale=scale)
    assert data.image_shape == (5, 4, 3) and "(5×4×3)" in repr(data)
    rows = data.part("all").images
    np.testing.assert_allclose(rows * (255 if scale == "auto" else 1), pixels.reshape(12, -1), rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.arange(34).reshape(17, 2) // 2, ["int64 from 0 to 16", "divide"]),
        (np.full((10, 2), 300, np.int32), ["int32 from 300 to 300", "divide"]),
        (np.full((10, 2), -1, np.int8), ["int8 from -1 to -1"]),
        (np.full((10, 2), 1j), ["complex128", "real numbers"]),
        (np.full((10, 2), "a"), ["real numbers"]),
        (np.zeros((10, 2), [("a", "f4")]), ["real numbers"]),
        (np.zeros(()), ["()", "expected (N, D)"]),
        (np.zeros(20), ["(20,)", "expected (N, D)"]),
        (np.zeros((10, 2, 2, 4)), ["(10, 2, 2, 4)", "expected (N, D), (N, H, W), or (N, H, W, 3)"]),
        (np.zeros((10, 3, 2, 2)), ["(10, 3, 2, 2)", "move the channels to the end", "transpose(0, 2, 3, 1)"]),
        (np.zeros((10, 2, 2, 3, 1)), ["(10, 2, 2, 3, 1)"]),
        (np.zeros((0, 4)), ["(0, 4)", "not empty"]),
        (np.zeros((10, 0)), ["(10, 0)", "not empty"]),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else "",
)
def test_an_invalid_array_is_refused_with_a_hint(tmp_path, array, words):
    assert_refused(saved(tmp_path, array), *words)


def test_the_array_of_an_npz_is_found_alone_or_by_name(tmp_path):
    a, b = np.zeros((10, 2)), np.ones((11, 3))
    np.savez(tmp_path / "one.npz", a=a)
    np.savez_compressed(tmp_path / "two.npz", a=a, b=b)
    assert np.array_equal(rows_of(tmp_path / "one.npz"), a)
    assert np.array_equal(rows_of(str(tmp_path / "two.npz"), key="b"), b)
    assert_refused(tmp_path / "two.npz", "arrays a, b;", "key=")
    assert_refused(tmp_path / "two.npz", "arrays a, b and no 'c'", "key=", key="c")
    assert_refused(tmp_path / "one.npz", "no 'c'", key="c")
    np.savez(tmp_path / "many.npz", **{f"{'x' * 200}{k}": a for k in range(9)})
    with pytest.raises(DataError, match=r"…x*…; name one") as refusal:
        load(tmp_path / "many.npz")
    assert len(str(refusal.value)) <= 200


@pytest.mark.parametrize("source", ["digits", "mnist", "data.npy", "folder"])
def test_a_key_is_refused_except_for_npz_files(source):
    assert_refused(source, "key='a'", "leave it out", key="a")


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


def test_nothing_is_ever_unpickled(tmp_path):
    bomb = Bomb(str(tmp_path / "boom"))
    objects = np.array([[bomb] * 2] * 10, object)
    np.savez(tmp_path / "a.npz", a=objects)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(bomb))
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(bomb))
    for path in (saved(tmp_path, objects), tmp_path / "a.npz", tmp_path / "bare.npy", tmp_path / "bare.npz"):
        assert_refused(path)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("name", ["data.npy", "data.npz"])
@pytest.mark.parametrize("part", [0, 0.001, 0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, name, part):
    path = tmp_path / name
    (np.save if name.endswith("npy") else np.savez)(path, np.random.default_rng(0).random((20, 50)))
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert_refused(path, "" if part else "neither a .npy nor an .npz file")


@pytest.mark.parametrize("name", ["data.npy", "data.npz"])
def test_a_damaged_header_is_refused(tmp_path, name):
    path = tmp_path / name
    (np.save if name.endswith("npy") else np.savez)(path, np.zeros((20, 4)))
    path.write_bytes(path.read_bytes().replace(b"(20, 4)", b"(20, 4("))
    assert_refused(path, "is damaged")


def test_a_shape_larger_than_any_memory_is_refused(tmp_path):
    path = saved(tmp_path, np.zeros((20, 4)))
    path.write_bytes(path.read_bytes().replace(b"(20, 4), }" + b" " * 20, b"(10000000000000, 4), }" + b" " * 8))
    assert_refused(path, "cannot be read")


@pytest.mark.parametrize("name", ["data.npy", "data.npz", "data.txt", "data"])
def test_a_text_file_is_refused(tmp_path, name):
    (tmp_path / name).write_text("1, 2, 3\n4, 5, 6\n" * 20, encoding="utf-8")
    assert_refused(tmp_path / name)


def test_a_zip_without_arrays_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("readme.txt", "no array")
    assert_refused(tmp_path / "empty.npz", "none")
    assert_refused(tmp_path / "text.npz")


@pytest.mark.parametrize("name", ["nothing.npy", "nothing", "a" * 1000])
def test_a_missing_source_is_refused_with_the_known_names(name):
    with pytest.raises(DataError, match=re.escape(f"no data '{name[:50]}")) as caught:
        load(name)
    assert "expected digits, " in str(caught.value) and ".npy" in str(caught.value)
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize("part", ["", "Train", "validation", None])
def test_an_unknown_part_is_refused(tmp_path, part):
    with pytest.raises(DataError, match="'train', 'test' or 'all'"):
        load(saved(tmp_path, np.zeros((10, 4)))).part(part)
