"""TIFF files: pages, orders of bytes, kinds of samples, orientation."""

import struct

import numpy as np
import pytest

from scratchvae.datasets import load, tiff
from scratchvae.errors import DataError

Image = pytest.importorskip("PIL.Image")
TiffImagePlugin = pytest.importorskip("PIL.TiffImagePlugin")
FORMATS = {3: "H", 4: "I", 2: "B"}
ORDERS = pytest.mark.parametrize("order", ["II", "MM"])


def tiff_bytes(pages, order="II", big=False):
    """A TIFF with these pages, each (stored bytes, width, height, further tags or other values by number).

    A tag's value is an integer, a list of integers (SHORT), or bytes (text).
    """
    end = "<" if order == "II" else ">"
    offset, inline, entry_format, count_format = ("Q", 8, "HHQ", "Q") if big else ("I", 4, "HHI", "H")
    content = bytearray(order.encode() + struct.pack(end + "H", 43 if big else 42))
    content += struct.pack(end + "HHQ", 8, 0, 0) if big else struct.pack(end + "I", 0)
    link = len(content) - inline
    for data, width, height, changes in pages:
        tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height, 279: len(data), **changes}
        tags = {tag: value for tag, value in tags.items() if value is not None}
        tags[273] = len(content)
        content += data + bytes(-len(data) % 2)
        entries = b""
        for tag, value in sorted(tags.items()):
            if isinstance(value, bytes):
                kind, numbers = 2, list(value)
            else:
                numbers = value if isinstance(value, list) else [value]
                kind = 4 if tag in (273, 279) else 3
            packed = struct.pack(f"{end}{len(numbers)}{FORMATS[kind]}", *numbers)
            if len(packed) > inline:
                position, packed = len(content), packed + bytes(len(packed) % 2)
                content += packed
                packed = struct.pack(end + offset, position)
            entries += struct.pack(end + entry_format, tag, kind, len(numbers)) + packed.ljust(inline, b"\0")
        struct.pack_into(end + offset, content, link, len(content))
        count = len(entries) // (12 if not big else 20)
        content += struct.pack(end + count_format, count) + entries
        link = len(content)
        content += bytes(inline)
    return bytes(content)


def stored(values, bits, order="II"):
    """The rows of samples as a TIFF stores them: each row begins with a new byte."""
    if bits == 16:
        return values.astype("<u2" if order == "II" else ">u2").tobytes()
    content = b""
    for row in values:
        digits = "".join(f"{number:0{bits}b}" for number in row)
        digits += "0" * (-len(digits) % 8)
        content += int(digits, 2).to_bytes(len(digits) // 8, "big")
    return content


def samples(bits, size=(3, 5)):
    values = np.random.default_rng(bits).integers(0, 1 << bits, size)
    values[0, :2] = 0, (1 << bits) - 1
    return values


def rows_of(folder):
    data = load(folder)
    return data.part("all").images.reshape(-1, *data.image_shape)


def assert_refused(folder, *words):
    with pytest.raises(DataError) as refusal:
        load(folder)
    for word in words:
        assert word in str(refusal.value)
    assert str(folder) in refusal.value.message


@ORDERS
@pytest.mark.parametrize("big", [False, True], ids=["TIFF", "BigTIFF"])
@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_0_is_black_whatever_the_bits_the_order_and_the_photometric_interpretation(
    tmp_path, order, big, white_is_zero, bits
):
    values = samples(bits)
    page = stored(values, bits, order), 5, 3, {258: bits, 262: 0 if white_is_zero else 1}
    (tmp_path / "x.tif").write_bytes(tiff_bytes([page], order, big))
    if order == "MM" and (bits == 12 or big):  # Pillow reads neither
        words = (
            ["12-bit", "big-endian", "convert it"]
            if bits == 12
            else ["a kind that Pillow does not read", "save it as PNG"]
        )
        assert_refused(tmp_path, *words)
        return
    expected = values / ((1 << bits) - 1)
    np.testing.assert_allclose(rows_of(tmp_path)[0], 1 - expected if white_is_zero else expected, atol=1e-7)


@ORDERS
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [1, 8, 16])
def test_pages_are_turned_each_by_its_own_orientation(tmp_path, order, orientation, bits):
    values = samples(bits, (4, 4))
    pages = [(stored(values, bits, order), 4, 4, {258: bits, 274: turn}) for turn in (orientation, 1, 3)]
    (tmp_path / "x.tif").write_bytes(tiff_bytes(pages, order))
    turned = {
        1: values,
        2: np.fliplr(values),
        3: np.rot90(values, 2),
        4: np.flipud(values),
        5: values.T,
        6: np.rot90(values, -1),
        7: np.rot90(values, 2).T,
        8: np.rot90(values),
    }
    expected = [turned[orientation], values, turned[3]]
    np.testing.assert_allclose(rows_of(tmp_path), np.array(expected) / ((1 << bits) - 1), atol=1e-7)


def test_pages_may_have_different_bits_and_interpretations(tmp_path):
    pages = [
        (stored(samples(8), 8), 5, 3, {}),
        (stored(255 - samples(8), 8), 5, 3, {262: 0}),
        (stored(samples(8) * 257, 16), 5, 3, {258: 16}),
        (stored(65535 - samples(8) * 257, 16), 5, 3, {258: 16, 262: 0}),
    ]
    (tmp_path / "x.tif").write_bytes(tiff_bytes(pages))
    np.testing.assert_allclose(rows_of(tmp_path), np.broadcast_to(samples(8) / 255, (4, 3, 5)), atol=1e-7)


@pytest.mark.parametrize("compression", ["group4", "tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_compressed_pages_with_white_as_zero_are_inverted(tmp_path, compression):
    values = samples(1, (20, 20)).astype(bool)
    mode = {"tiffinfo": {262: 0}}
    Image.fromarray(values).save(tmp_path / "x.tif", compression=compression, **mode)
    content = (tmp_path / "x.tif").read_bytes()
    assert tiff.read_pages(content)[0].white_is_zero
    with Image.open(tmp_path / "x.tif") as image:
        expected = np.asarray(image)
    np.testing.assert_array_equal(rows_of(tmp_path)[0], expected)


GREYS = [k * 256 for k in (0, 60, 120, 255)]


@ORDERS
@pytest.mark.parametrize("bits", [4, 8])
def test_a_palette_of_greys_gives_its_greys(tmp_path, order, bits):
    palette = (GREYS + [0] * ((1 << bits) - 4)) * 3
    values = np.array([[0, 1, 2], [3, 2, 1]])
    (tmp_path / "x.tif").write_bytes(
        tiff_bytes([(stored(values, bits), 3, 2, {258: bits, 262: 3, 320: palette})], order)
    )
    np.testing.assert_allclose(rows_of(tmp_path)[0] * 255, np.array([0, 60, 120, 255])[values], atol=1e-4)


ROW = bytes(range(15))


@pytest.mark.parametrize(
    ("data", "tags", "words"),
    [
        (ROW, {254: 1}, ["page 2", "thumbnail", "remove it"]),
        (ROW, {255: 2}, ["page 2", "thumbnail", "remove it"]),
        (ROW, {254: 4}, ["page 2", "mask", "remove it"]),
        (ROW, {262: None}, ["page 2", "black or white"]),
        (ROW, {262: 32803}, ["page 2", "32803", "convert it"]),
        (ROW, {339: 2}, ["page 2", "signed", "convert it"]),
        (ROW * 2, {258: 16, 339: 2}, ["page 2", "signed", "convert it"]),
        (ROW * 4, {258: 32}, ["page 2", "32 bits", "convert it"]),
        (ROW * 4, {258: 32, 339: 3}, ["page 2", "floats", "convert it"]),
        (ROW * 2, {258: 10}, ["page 2", "10 bits", "convert it"]),
        (ROW * 2, {258: 14}, ["page 2", "14 bits", "convert it"]),
        (ROW * 2, {258: [8, 8], 277: 2, 338: 0}, ["page 2", "2 channels", "save each"]),
        (ROW * 4, {258: [8] * 4, 262: 2, 277: 4, 338: 0}, ["page 2", "4 channels", "save each"]),
        (ROW * 2, {258: [8, 8], 277: 2}, ["page 2", "2 channels", "save each"]),
        (ROW * 6, {258: [16] * 3, 262: 2, 277: 3}, ["page 2", "16-bit", "convert it"]),
        (ROW * 3, {258: [8] * 3, 262: 2, 277: 3}, ["page 2", "colour", "convert it"]),
        (ROW * 2, {258: [8, 8], 277: 2, 338: 2}, ["page 2", "transparent", "remove its alpha"]),
        (ROW, {262: 3, 320: [1, 2, 3, 4] * 192}, ["page 2", "palette", "save it"]),
        (ROW, {262: 3, 320: [k * 256 for k in range(256)] * 2 + [0] * 256}, ["page 2", "colour", "convert it"]),
        (ROW, {32997: 4}, ["page 2", "4 slices", "save each"]),
    ],
    ids=str,
)
def test_a_page_that_is_no_grey_image_is_refused_by_its_number(tmp_path, data, tags, words):
    pages = [(ROW, 5, 3, {}), (data, 5, 3, tags)]
    (tmp_path / "x.tif").write_bytes(tiff_bytes(pages))
    assert_refused(tmp_path, "x.tif", *words)


def test_grey_stored_as_colour_or_with_an_opaque_alpha_channel_is_read(tmp_path):
    values = samples(8).astype(np.uint8)
    opaque = np.stack([values, np.full_like(values, 255)], axis=-1)
    pages = [
        (np.repeat(values[..., None], 3, -1).tobytes(), 5, 3, {258: [8] * 3, 262: 2, 277: 3}),
        (opaque.tobytes(), 5, 3, {258: [8] * 2, 277: 2, 338: 2}),
    ]
    if (
        b"II",
        1,
        (1,),
        1,
        (8, 8),
        (1,),
    ) in TiffImagePlugin.OPEN_INFO:  # premultiplied alpha, which later versions of Pillow read
        pages.append((opaque.tobytes(), 5, 3, {258: [8] * 2, 277: 2, 338: 1}))
    (tmp_path / "x.tif").write_bytes(tiff_bytes(pages))
    np.testing.assert_allclose(rows_of(tmp_path), np.broadcast_to(values / 255, (len(pages), 3, 5)), atol=1e-7)


@pytest.mark.parametrize(
    "description",
    [b"ImageJ=1.54f\nimages=7\nslices=7\nloop=false\n\0", b'{"shape": [7, 3, 5]}\0', b"ImageJ=1.54f\r\nimages=7\r\n\0"],
)
def test_images_without_a_page_are_not_left_out(tmp_path, description):
    page = ROW * 7, 5, 3, {270: description}
    (tmp_path / "x.tif").write_bytes(tiff_bytes([page]))
    assert_refused(tmp_path, "x.tif", "7 images", "only 1", "a page for each")
    (tmp_path / "x.tif").write_bytes(tiff_bytes([(ROW, 5, 3, {270: description})] * 7))
    assert len(rows_of(tmp_path)) == 7


def test_a_description_of_one_image_is_no_problem(tmp_path):
    for k, description in enumerate(
        (b"ImageJ=1.54f\nunit=micron\n\0", b'{"shape": [3, 5]}\0', b"images=9\0", b"\xff\0")
    ):
        (tmp_path / f"{k}.tif").write_bytes(tiff_bytes([(ROW, 5, 3, {270: description})], "MM"))
    assert len(rows_of(tmp_path)) == 4


@pytest.mark.parametrize("order", ["II", "MM"])
def test_pages_in_a_circle_are_refused(tmp_path, order):
    content = bytearray(tiff_bytes([(ROW, 5, 3, {})] * 2, order))
    content[-4:] = content[4:8]
    (tmp_path / "x.tif").write_bytes(content)
    assert_refused(tmp_path, "x.tif", "circle")


def test_a_file_cut_at_any_byte_is_refused_by_name(tmp_path):
    content = tiff_bytes([(ROW, 5, 3, {270: b"some text\0"}), (ROW, 5, 3, {})])
    for length in range(len(content)):
        (tmp_path / "x.tif").write_bytes(content[:length])
        assert_refused(tmp_path, "x.tif", "cannot be read")


def test_pages_are_counted_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff, "MOST_PAGES", 3)
    (tmp_path / "x.tif").write_bytes(tiff_bytes([(ROW, 5, 3, {})] * 3))
    assert len(rows_of(tmp_path)) == 3
    (tmp_path / "x.tif").write_bytes(tiff_bytes([(ROW, 5, 3, {})] * 4))
    assert_refused(tmp_path, "more than 3 pages", "split it")
