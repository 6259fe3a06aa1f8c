"""Folders of images."""

import os
import tracemalloc

import numpy as np
import pytest

from scratchvae.datasets import load
from scratchvae.errors import ConfigError, DataError

Image = pytest.importorskip("PIL.Image")


def assert_refused(source, *words, **arguments):
    with pytest.raises(DataError) as refusal:
        load(source, **arguments)
    for word in (str(source), *words):
        assert word in refusal.value.message


def save_images(folder, pixels, mode=None, ending=".png", names="{:02}"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pixels):
        picture_file = Image.fromarray(picture)
        (picture_file.convert(mode) if mode else picture_file).save(folder / (names.format(number) + ending))
    return folder


def pictures(largest=255, dtype=np.uint8, rows=11, size=(5, 4)):
    return np.random.default_rng(0).integers(0, largest, (rows, *size), dtype, endpoint=True)


def rows_of(folder):
    data = load(folder)
    return data.part("all").images.reshape(-1, *data.image_shape)


@pytest.mark.parametrize("ending", [".png", ".PNG", ".tif"])
@pytest.mark.parametrize(("largest", "dtype", "mode"), [(255, np.uint8, "L"), (1, bool, "1"), (65535, np.uint16, None)])
def test_image_file_become_rows_from_0_to_1_in_name_order(tmp_path, ending, largest, dtype, mode):
    pixels = pictures(1, np.uint8).astype(bool) if dtype is bool else pictures(largest, dtype)
    folder = save_images(tmp_path / "images", pixels, mode, ending)
    data = load(folder)
    assert data.image_shape == (5, 4)
    assert data.train.images.dtype == np.float32
    assert len(data.test.images) == 1
    assert data.classes is None
    assert data.files == tuple(f"{k:02}{ending}" for k in range(11))
    np.testing.assert_allclose(data.part("all").images * largest, pixels.reshape(11, -1), rtol=1e-6)


def test_one_image_is_a_data_set(tmp_path):
    data = load(save_images(tmp_path / "images", pictures(rows=1)))
    assert data.part("all").images.shape == (1, 20)
    assert data.files == ("00.png",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: Image.new("L", (5, 4)).save(path), ["5 × 4", "4 × 5", "expected one size"]),
        (lambda path: Image.new("RGB", (4, 5), (1, 2, 1)).save(path), ["colour", "convert it to grey"]),
        (lambda path: Image.new("LA", (4, 5), (9, 254)).save(path), ["transparent", "remove its alpha"]),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), ["cannot be read"]),
        (lambda path: path.write_bytes(b""), ["cannot be read", "empty"]),
        (lambda path: path.write_text("not an image", encoding="utf-8"), ["cannot be read", "save it as PNG"]),
    ],
    ids=["another size", "RGB", "LA", "truncated", "empty", "text"],
)
def test_an_image_that_does_not_fit_is_refused_by_name(tmp_path, change, words):
    folder = save_images(tmp_path / "images", pictures())
    change(folder / "07.png")
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


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "none" / "empty").mkdir(parents=True)
    (tmp_path / "none" / "README.txt").write_text("no image", encoding="utf-8")
    (tmp_path / "none" / ".00.png").write_bytes(b"")
    assert_refused(tmp_path / "none", "holds no images", ".png")


def test_sizes_are_compared_before_decoding(tmp_path, monkeypatch):
    folder = save_images(tmp_path / "images", pictures())
    Image.new("L", (5, 4)).save(folder / "10.png")
    monkeypatch.setattr(np, "empty", None)
    assert_refused(folder, str(folder / "10.png"), "expected one size")


def test_a_file_whose_format_contradicts_its_name_is_refused(tmp_path):
    folder = save_images(tmp_path / "images", pictures())
    Image.new("L", (4, 5)).save(folder / "07.gif")
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


def test_names_are_sorted_as_people_count(tmp_path):
    names = ["IMG10", "img2", "Img1", "img1b", "img01", "img100", "a", "img2.5", "10", "9"]
    right = ["9", "10", "a", "img01", "Img1", "img1b", "img2", "img2.5", "IMG10", "img100"]
    for value, name in enumerate(names):
        save_images(tmp_path, np.full((1, 2, 2), value, np.uint8), names=name)
    data = load(tmp_path)
    assert data.files == tuple(f"{name}.png" for name in right)
    assert np.rint(data.part("all").images[:, 0] * 255).tolist() == [names.index(name) for name in right]


@pytest.mark.parametrize("name", ["._00.png", ".00.png", ".DS_Store", "Thumbs.db", "desktop.ini", "Desktop.ini"])
def test_hidden_files_are_passed_over(tmp_path, recwarn, name):
    folder = save_images(tmp_path / "images", pictures())
    (folder / name).write_bytes(b"\x00\x05\x16\x07" + bytes(20))
    assert len(load(folder).files) == 11
    assert not recwarn.list


@pytest.mark.parametrize("name", ["__MACOSX", ".git", ".ipynb_checkpoints", "@eaDir"])
def test_hidden_folders_are_passed_over(tmp_path, recwarn, name):
    save_images(tmp_path / "flat", pictures())
    save_images(tmp_path / "flat" / name, pictures())
    save_images(tmp_path / "classes" / "cat", pictures())
    save_images(tmp_path / "classes" / name, pictures())
    save_images(tmp_path / "classes" / "cat" / name, pictures())
    assert len(load(tmp_path / "flat").files) == 11
    assert load(tmp_path / "classes").classes == ("cat",)
    assert not recwarn.list


def test_files_that_are_not_images_are_named_in_a_warning(tmp_path):
    folder = save_images(tmp_path / "images", pictures())
    (folder / "labels.csv").write_text("file,label\n", encoding="utf-8")
    (folder / "notes").mkdir()
    (folder / "notes" / "README.txt").write_text("no image", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"images: 2 not read, as not images: labels\.csv, notes/"):
        assert len(load(folder).files) == 11


def test_files_that_are_not_images_are_named_in_class_folders_too(tmp_path):
    for name in ("cat", "dog"):
        save_images(tmp_path / name, pictures(rows=3))
    (tmp_path / "dog" / "a.txt").write_text("", encoding="utf-8")
    (tmp_path / "dog" / "old").mkdir()
    (tmp_path / "LICENSE").write_text("", encoding="utf-8")
    with pytest.warns(UserWarning, match="LICENSE, dog/a.txt, dog/old/"):
        assert load(tmp_path).classes == ("cat", "dog")


@pytest.mark.parametrize("ending", [".gif", ".WEBP", ".heic", ".svg", ".dng", ".jp2"])
def test_an_image_of_a_format_that_is_not_read_is_refused_by_name(tmp_path, ending):
    folder = save_images(tmp_path / "images", pictures())
    (folder / f"x{ending}").write_bytes(b"image")
    assert_refused(folder, str(folder / f"x{ending}"), "not read", "save it as PNG")
    (folder / f"x{ending}").rename(tmp_path / f"x{ending}")
    assert_refused(tmp_path, str(tmp_path / f"x{ending}"), "not read", "save it as PNG")


def test_subfolders_are_classes_in_natural_order(tmp_path):
    pixels = pictures(rows=12)
    for part, name in enumerate(["class 2", "class 10", "Class 1"]):
        save_images(tmp_path / name, pixels[4 * part : 4 * part + 4], names="img{}")
    data = load(tmp_path)
    assert data.classes == ("Class 1", "class 2", "class 10")
    assert data.part("all").labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert data.files[:5] == (*(f"Class 1/img{k}.png" for k in range(4)), "class 2/img0.png")
    order = [*range(8, 12), *range(8)]
    np.testing.assert_allclose(data.part("all").images * 255, pixels[order].reshape(12, -1), rtol=1e-6)


def test_images_both_in_a_folder_and_in_its_subfolders_are_refused(tmp_path):
    save_images(tmp_path, pictures(rows=2))
    save_images(tmp_path / "cat", pictures(rows=2))
    assert_refused(tmp_path, "00.png", "subfolder cat", "move the subfolder elsewhere")


def test_a_class_has_the_images_of_all_folders_inside_its_folder(tmp_path):
    save_images(tmp_path / "cat" / "2024" / "may", pictures(rows=2))
    save_images(tmp_path / "cat", pictures(rows=1))
    save_images(tmp_path / "dog", pictures(rows=1))
    data = load(tmp_path)
    assert data.classes == ("cat", "dog") and data.part("all").labels.tolist() == [0, 0, 0, 1]
    assert data.files == ("cat/00.png", "cat/2024/may/00.png", "cat/2024/may/01.png", "dog/00.png")


@pytest.mark.parametrize("deep", ["train/cat", "cat/test"])
def test_parts_of_a_data_set_are_no_classes_at_any_depth(tmp_path, deep):
    save_images(tmp_path / deep, pictures(rows=2))
    assert_refused(tmp_path, "a part of a data set and no class", "name the folder of one part")


COLOURS = np.random.default_rng(1).integers(0, 256, (11, 5, 4, 3), np.uint8)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".ppm"])
def test_pictures_in_colour_are_rows_of_red_green_and_blue(tmp_path, ending):
    data = load(save_images(tmp_path / "images", COLOURS, ending=ending), color="rgb")
    assert data.image_shape == (5, 4, 3)
    np.testing.assert_allclose(data.part("all").images * 255, COLOURS.reshape(11, -1), rtol=1e-6)


def test_grey_pictures_have_equal_red_green_and_blue(tmp_path):
    folder = save_images(tmp_path / "images", pictures(65535, np.uint16))
    colours = load(folder, color="rgb").part("all").images.reshape(11, 5, 4, 3)
    assert np.array_equal(colours, np.repeat(rows_of(folder)[..., None], 3, axis=3))


def test_a_picture_in_colour_is_refused_with_the_argument_that_reads_it(tmp_path):
    assert_refused(save_images(tmp_path / "images", COLOURS), "00.png", "load it with color='rgb'")


@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_pictures_of_any_size_are_scaled_as_by_pillow(tmp_path, color):
    rng, sizes = np.random.default_rng(0), [(5, 4), (31, 17), (8, 6)]
    channels = (3,) if color == "rgb" else ()
    originals = [rng.integers(0, 256, (*size, *channels), np.uint8) for size in sizes]
    folder = save_images(tmp_path / "images", originals)
    assert_refused(
        folder, "01.png has height and width 31 × 17, 00.png 5 × 4", "give size=(height, width)", color=color
    )
    data = load(folder, color=color, size=(8, 6), seed=None)
    assert data.image_shape == (8, 6, *channels)
    expected = [np.asarray(Image.fromarray(picture).resize((6, 8), Image.Resampling.BICUBIC)) for picture in originals]
    rows = data.part("all").images.reshape(3, 8, 6, *channels)
    assert np.array_equal(np.rint(rows * 255), expected) and np.array_equal(expected[2], originals[2])


@pytest.mark.parametrize(("largest", "dtype"), [(65535, np.uint16), (1, bool)])
def test_other_depths_are_scaled_without_rounding(tmp_path, largest, dtype):
    pixels = pictures(1, np.uint8).astype(bool) if dtype is bool else pictures(largest, dtype)
    rows = load(save_images(tmp_path / "images", pixels), size=(10, 8)).part("all").images.reshape(-1, 10, 8)
    whole = [Image.fromarray(p.astype(np.float32)).resize((8, 10), Image.Resampling.BICUBIC) for p in pixels]
    np.testing.assert_allclose(rows, np.clip(np.stack(whole) / largest, 0, 1), atol=1e-6)


def test_a_turned_picture_is_scaled_after_turning(tmp_path):
    (tmp_path / "images").mkdir()
    picture, exif = Image.fromarray(pictures(rows=1)[0]), Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "images" / "a.png", exif=exif)
    shown = picture.transpose(Image.Transpose.ROTATE_270)
    rows = load(tmp_path / "images", size=(3, 7)).part("all").images.reshape(3, 7)
    assert np.array_equal(np.rint(rows * 255), np.asarray(shown.resize((7, 3), Image.Resampling.BICUBIC)))


def test_a_large_photograph_is_read_if_it_is_scaled(tmp_path, monkeypatch):
    monkeypatch.setattr("scratchvae.datasets.image_file.MOST_PIXELS", 19)
    monkeypatch.setattr("scratchvae.datasets.image_file.MOST_PIXELS_TO_RESIZE", 20)
    folder = save_images(tmp_path / "images", pictures())
    assert_refused(folder, "expected 19 at most", "give size=(height, width)")
    assert load(folder, size=[2, 3]).image_shape == (2, 3)
    monkeypatch.setattr("scratchvae.datasets.image_file.MOST_PIXELS_TO_RESIZE", 18)
    assert_refused(folder, "expected 18 at most", "scale it down first", size=(2, 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": (2,)}, ["size=(2,)", "expected (height, width)"]),
        ({"size": (0, 3)}, ["size[0]=0", "at least 1"]),
        ({"size": 32}, ["size=32", "expected a tuple", "(height, width), such as (64, 64)"]),
    ],
)
def test_an_invalid_size_is_refused(tmp_path, arguments, words):
    with pytest.raises(DataError) as refusal:
        load(save_images(tmp_path / "images", pictures()), **arguments)
    assert all(word in str(refusal.value) for word in words)


def test_color_and_size_are_refused_for_other_data(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((12, 16)))
    for source in ("digits", tmp_path / "rows.npy"):
        with pytest.raises(DataError, match=r"color='rgb' is only for a folder of images, .* leave it out"):
            load(source, color="rgb")
        with pytest.raises(DataError, match=r"size=\(4, 4\) is only for a folder of images"):
            load(source, size=(4, 4))
    with pytest.raises(ConfigError, match="color='red' is unknown; choose one of grey, rgb"):
        load("digits", color="red")


def test_a_class_without_images_is_refused(tmp_path):
    save_images(tmp_path / "cat", pictures(rows=2))
    (tmp_path / "dog").mkdir()
    assert_refused(tmp_path, str(tmp_path / "dog"), "holds no images", "move it")


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
def test_names_that_are_not_utf_8_can_be_written(tmp_path):
    name = os.fsdecode(b"\xe9t\xe9")
    try:
        save_images(tmp_path / name, pictures(rows=2), names=name + "{}")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes only UTF-8")
    data = load(tmp_path)
    assert data.classes == ("�t�",)
    assert data.files == ("�t�/�t�0.png", "�t�/�t�1.png")


def test_formats_may_be_mixed_and_each_is_divided_by_its_own_largest_value(tmp_path):
    grey = np.full((8, 8), 51, np.uint8)
    for ending in (".png", ".jpg", ".bmp", ".pgm", ".tif"):
        Image.fromarray(grey).save(tmp_path / f"a{ending}")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "b.png")
    Image.fromarray(grey > 0).save(tmp_path / "c.pbm")
    rows = rows_of(tmp_path)
    np.testing.assert_allclose(rows[:6], 0.2, atol=1e-6)
    np.testing.assert_array_equal(rows[6], 1)


def save_stack(path, pages, **options):
    first, *rest = (Image.fromarray(page) for page in pages)
    first.save(path, save_all=True, append_images=rest, **options)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_each_page_is_a_row(tmp_path, compression, dtype):
    pixels = pictures(np.iinfo(dtype).max, dtype)
    save_stack(tmp_path / "b.tif", pixels[:10], compression=compression)
    save_images(tmp_path, pixels[10:], names="c")
    data = load(tmp_path)
    assert data.files == (*(f"b.tif page {k}" for k in range(1, 11)), "c.png")
    np.testing.assert_allclose(data.part("all").images * np.iinfo(dtype).max, pixels.reshape(11, -1), rtol=1e-6)


def test_a_page_of_another_size_is_refused_by_its_number(tmp_path):
    save_stack(tmp_path / "a.tif", [np.zeros((4, 5), np.uint8)] * 3 + [np.zeros((5, 4), np.uint8)])
    assert_refused(tmp_path, "a.tif, page 4", "4 × 5", "5 × 4", "expected one size")


def test_pages_of_classes_have_the_label_of_their_folder(tmp_path):
    for name, count in (("a", 3), ("b", 2)):
        (tmp_path / name).mkdir()
        save_stack(tmp_path / name / "x.tiff", pictures(rows=count))
    data = load(tmp_path)
    assert data.part("all").labels.tolist() == [0, 0, 0, 1, 1]
    assert data.files[2:4] == ("a/x.tiff page 3", "b/x.tiff page 1")


def test_sizes_are_compared_after_turning(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (4, 5)).save(tmp_path / "a.png")
    for ending in (".jpg", ".png", ".tif"):
        Image.new("L", (5, 4)).save(tmp_path / f"b{ending}", exif=exif)
    assert load(tmp_path).image_shape == (5, 4)
    Image.new("L", (4, 5)).save(tmp_path / "c.png", exif=exif)
    assert_refused(tmp_path, "c.png has height and width 4 × 5", "expected one size")


def test_a_labelled_folder_holds_out_rows_of_each_class(tmp_path):
    for name in ("a", "b"):
        save_images(tmp_path / name, pictures(rows=20))
    assert sorted(load(tmp_path).test.labels.tolist()) == [0, 0, 1, 1]


@pytest.mark.parametrize("part", ["train", "Test", "validation"])
def test_parts_of_a_data_set_are_no_classes(tmp_path, part):
    for name in (part, "zebra"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"not read before")
    with pytest.raises(DataError, match=f"holds the folder {part}, a part of a data set and no class"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["one.png", "stack.tif", "train-images-idx3-ubyte", "x.idx3-ubyte.gz"])
def test_a_single_file_of_images_is_refused_by_its_folder(tmp_path, name):
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(DataError, match="is a single file of images; name the folder"):
        load(tmp_path / name)
