"""Folders of images."""

import os
import tracemalloc

import numpy as np
import pytest

from scratchvae.datasets import images, load
from scratchvae.errors import DataError


def assert_refused(source, *words, **arguments):
    with pytest.raises(DataError) as refusal:
        load(source, **arguments)
    for word in (str(source), *words):
        assert word in refusal.value.message


def save_images(folder, pixels, mode=None, ending=".png"):
    image = pytest.importorskip("PIL.Image")
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pixels):
        picture_file = image.fromarray(picture)
        (picture_file.convert(mode) if mode else picture_file).save(folder / f"{number:02}{ending}")
    return folder


def pictures(largest=255, dtype=np.uint8, rows=11, size=(5, 4)):
    return np.random.default_rng(0).integers(0, largest, (rows, *size), dtype, endpoint=True)


@pytest.mark.parametrize("ending", [".png", ".PNG", ".tif"])
@pytest.mark.parametrize(("largest", "dtype", "mode"), [(255, np.uint8, "L"), (1, bool, "1"), (65535, np.uint16, None)])
def test_grey_images_become_rows_from_0_to_1_in_name_order(tmp_path, ending, largest, dtype, mode):
    pixels = pictures(1, np.uint8).astype(bool) if dtype is bool else pictures(largest, dtype)
    folder = save_images(tmp_path / "images", pixels, mode, ending)
    (folder / "README.txt").write_text("not an image", encoding="utf-8")
    data = load(folder)
    assert data.image_shape == (5, 4)
    assert data.train.images.dtype == np.float32
    assert len(data.test.images) == 1
    np.testing.assert_allclose(data.part("all").images * largest, pixels.reshape(11, -1), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path, image: image.new("L", (5, 4)).save(path), ["5 × 4", "4 × 5", "expected one size"]),
        (lambda path, image: image.new("RGB", (4, 5)).save(path), ["mode is RGB", "grey"]),
        (lambda path, image: image.new("LA", (4, 5)).save(path), ["mode is LA", "grey"]),
        (lambda path, image: path.write_bytes(path.read_bytes()[:60]), ["cannot be read"]),
        (lambda path, image: path.write_bytes(b""), ["cannot be read"]),
        (lambda path, image: path.write_text("not an image", encoding="utf-8"), ["cannot be read"]),
        (lambda path, image: (path.unlink(), path.mkdir()), ["cannot be read"]),
    ],
    ids=["another size", "RGB", "LA", "truncated", "empty", "text", "a folder"],
)
def test_an_image_that_does_not_fit_is_refused_by_name(tmp_path, change, words):
    folder = save_images(tmp_path / "images", pictures())
    change(folder / "07.png", pytest.importorskip("PIL.Image"))
    assert_refused(folder, str(folder / "07.png"), *words)


def test_an_image_with_invalid_chunks_is_refused_by_name(tmp_path):
    folder = save_images(tmp_path / "images", pictures())
    content = bytearray((folder / "07.png").read_bytes())
    content[content.index(b"IDAT") - 1] -= 9
    (folder / "07.png").write_bytes(content)
    assert_refused(folder, str(folder / "07.png"), "cannot be read")


def test_an_image_above_the_limit_of_pillow_is_refused_by_name(tmp_path, monkeypatch):
    folder = save_images(tmp_path / "images", pictures())
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 5)
    assert_refused(folder, str(folder / "00.png"), "cannot be read")


def test_a_folder_with_too_few_images_is_refused(tmp_path):
    assert_refused(save_images(tmp_path / "few", pictures(rows=9)), "9 rows", "at least 10")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "README.txt").write_text("no image", encoding="utf-8")
    assert_refused(tmp_path / "none", "holds no images", ".png")


def test_an_image_with_too_many_pixels_is_refused_before_decoding(tmp_path, monkeypatch):
    folder = save_images(tmp_path / "images", pictures())
    monkeypatch.setattr(images, "MOST_PIXELS", 19)
    monkeypatch.setattr(np, "asarray", None)
    assert_refused(folder, str(folder / "00.png"), "4 × 5 pixels", "scale it down")


def test_sizes_are_compared_before_decoding(tmp_path, monkeypatch):
    folder = save_images(tmp_path / "images", pictures())
    pytest.importorskip("PIL.Image").new("L", (5, 4)).save(folder / "10.png")
    monkeypatch.setattr(np, "empty", None)
    assert_refused(folder, str(folder / "10.png"), "expected one size")


def test_a_file_whose_format_contradicts_its_name_is_refused(tmp_path):
    folder = save_images(tmp_path / "images", pictures())
    pytest.importorskip("PIL.Image").new("L", (4, 5)).save(folder / "07.gif")
    (folder / "07.gif").rename(folder / "07.png")
    assert_refused(folder, str(folder / "07.png"), "cannot be read")


def test_warnings_of_pillow_are_suppressed(tmp_path, monkeypatch, recwarn):
    folder = save_images(tmp_path / "images", pictures())
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 15)  # a warning up to twice the limit
    assert len(load(folder).part("all").images) == 11
    assert not recwarn.list


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    folder = save_images(tmp_path / "images", pictures())
    os.mkfifo(folder / "11.png")
    assert_refused(folder, str(folder / "11.png"), "cannot be read", "not a file")


def test_a_chunk_with_a_large_claimed_size_allocates_no_memory(tmp_path):
    folder = save_images(tmp_path / "images", pictures())
    content = (folder / "07.png").read_bytes()
    at = content.index(b"IDAT") - 4
    (folder / "07.png").write_bytes(content[:at] + b"\x7f\xff\xff\xff" + content[at + 4 : -12])
    tracemalloc.start()
    try:
        assert len(load(folder).part("all").images) == 11  # all pixels are present
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10e6


def test_a_too_large_file_is_refused_without_reading(tmp_path, monkeypatch):
    folder = save_images(tmp_path / "images", pictures())
    monkeypatch.setattr(images, "LARGEST_FILE", 200)
    (folder / "07.png").write_bytes((folder / "07.png").read_bytes() + bytes(200))
    assert_refused(folder, str(folder / "07.png"), "cannot be read", "expected 200 at most")
