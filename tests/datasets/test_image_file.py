"""Image files of one page: PNG, JPEG, BMP, PBM, PGM, PPM."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest

from scratchvae.datasets import image_file, load
from scratchvae.errors import DataError

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")
GREY = np.random.default_rng(0).integers(0, 256, (6, 5), np.uint8)
SMOOTH = np.repeat(np.repeat(np.array([[0, 90], [160, 255]], np.uint8), 8, 0), 16, 1)  # whole blocks of a JPEG


def read(folder, content, name="x.png"):
    (folder / name).write_bytes(content)
    data = load(folder)
    assert data.train.images.dtype == np.float32
    return data.part("all").images.reshape(-1, *data.image_shape)[0]


def assert_refused(folder, content, name, *words):
    with pytest.raises(DataError) as refusal:
        read(folder, content, name)
    for word in words:
        assert word in str(refusal.value)
    assert str(folder / name) in refusal.value.message


def saved(image, kind, **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(depth, colour_type, rows, before=(), after=(), size=(3, 1), interlaced=0):
    """A PNG with these packed rows, each without a filter, and chunks before and after the pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, interlaced)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *before, (b"IDAT", pixels), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*pair) for pair in chunks)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("orientation", range(10))
def test_an_image_is_turned_as_exif_says(tmp_path, kind, mode, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(
        Image.fromarray(SMOOTH).convert(mode), kind, exif=exif, **({"quality": 100} if kind == "JPEG" else {})
    )
    expected = ImageOps.exif_transpose(Image.open(BytesIO(content))).convert("L")
    np.testing.assert_allclose(read(tmp_path, content) * 255, np.asarray(expected), atol=1e-4)


EXIF_6 = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
XMP_6 = (
    b'XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("chunk", [(b"eXIf", EXIF_6), (b"iTXt", XMP_6)], ids=["EXIF", "XMP"])
def test_a_png_is_turned_by_exif_or_xmp_before_or_after_its_pixels(tmp_path, where, chunk):
    content = png(8, 0, [b"\1\2\3", b"\4\5\6"], size=(3, 2), **{where: [chunk]})
    np.testing.assert_allclose(read(tmp_path, content) * 255, [[4, 1], [5, 2], [6, 3]], rtol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_png_of_any_depth_is_divided_by_its_largest_value(tmp_path, bits):
    values = np.random.default_rng(bits).integers(0, 1 << bits, 16 // bits or 1)
    row = int("".join(f"{value:0{bits}b}" for value in values), 2).to_bytes(2, "big")
    found = read(tmp_path, png(bits, 0, [row], size=(len(values), 1)))
    np.testing.assert_allclose(found[0], values / ((1 << bits) - 1), rtol=1e-6)


@pytest.mark.parametrize(("bits", "size"), [(8, (5, 6)), (16, (7, 9)), (8, (1, 1)), (16, (8, 8))])
def test_an_interlaced_png_is_read(tmp_path, bits, size):
    values = np.random.default_rng(0).integers(0, 1 << bits, size[::-1])
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = [
        row.astype(">u2" if bits == 16 else np.uint8).tobytes()
        for x, y, dx, dy in passes
        for row in values[y::dy, x::dx]
        if row.size
    ]
    found = read(tmp_path, png(bits, 0, rows, size=size, interlaced=1))
    np.testing.assert_allclose(found, values / ((1 << bits) - 1), atol=1e-7)


PALETTE = (b"PLTE", b"\0\0\0\7\7\7\xff\xff\xff\1\2\3")


@pytest.mark.parametrize(
    ("content", "right"),
    [
        (png(2, 3, [b"\x18"], [PALETTE]), [0, 7, 255]),
        (png(2, 3, [b"\x18"], [PALETTE, (b"tRNS", b"\xff\xff\xff\0")]), [0, 7, 255]),
        (png(1, 3, [b"\x40"], [(b"PLTE", b"\xff\xff\xff\0\0\0")]), [255, 0, 255]),
        (png(8, 4, [b"\1\xff\2\xff\3\xff"]), [1, 2, 3]),
        (png(8, 2, [b"\1\1\1\2\2\2\3\3\3"]), [1, 2, 3]),
        (png(8, 6, [b"\1\1\1\xff\2\2\2\xff\3\3\3\xff"]), [1, 2, 3]),
        (png(8, 2, [b"\1\1\1\2\2\2\3\3\3"], [(b"tRNS", b"\0\1\0\2\0\3")]), [1, 2, 3]),
        (png(8, 0, [b"\1\2\3"], [(b"tRNS", b"\0\4")]), [1, 2, 3]),
        (png(1, 0, [b"\0"], [(b"tRNS", b"\0\1")]), [0, 0, 0]),
        (png(2, 0, [b"\x1c"], [(b"tRNS", b"\0\2")]), [0, 85, 255]),
        (png(16, 0, [b"\1\1\2\2\3\3"], [(b"tRNS", b"\0\1")]), [1, 2, 3]),
    ],
    ids=[
        "palette", "palette, unused clear colour", "palette of 1 bit", "grey and alpha", "RGB", "RGBA",
        "RGB, unused clear colour", "unused clear grey", "unused clear bit", "unused clear grey of 2 bits",
        "unused clear grey of 16 bits",
    ],
)  # fmt: skip
def test_grey_stored_as_colour_and_opaque_images_are_read(tmp_path, content, right):
    np.testing.assert_allclose(read(tmp_path, content)[0] * 255, right, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png(2, 3, [b"\x1c"], [PALETTE]), ["colour", "convert it to grey"]),
        (png(8, 2, [b"\1\1\1\2\2\2\3\3\4"]), ["colour", "convert it to grey"]),
        (png(8, 2, [b"\1\1\1\2\2\2\3\4\3"]), ["colour", "convert it to grey"]),
        (png(2, 3, [b"\x18"], [PALETTE, (b"tRNS", b"\xff\x80")]), ["transparent", "remove"]),
        (png(2, 3, [b"\x18"], [PALETTE, (b"tRNS", b"\0")]), ["transparent", "remove"]),
        (png(8, 4, [b"\1\xff\2\xfe\3\xff"]), ["transparent", "remove"]),
        (png(8, 6, [b"\1\1\1\xff\2\2\2\0\3\3\3\xff"]), ["transparent", "remove"]),
        (png(8, 2, [b"\1\1\1\2\2\2\3\3\3"], [(b"tRNS", b"\0\2\0\2\0\2")]), ["transparent", "remove"]),
        (png(8, 0, [b"\1\2\3"], [(b"tRNS", b"\0\3")]), ["transparent", "remove"]),
        (png(1, 0, [b"\x40"], [(b"tRNS", b"\0\1")]), ["transparent", "remove"]),
        (png(2, 0, [b"\x1c"], [(b"tRNS", b"\0\1")]), ["transparent", "remove"]),
        (png(16, 0, [b"\1\1\2\2\3\3"], [(b"tRNS", b"\2\2")]), ["transparent", "remove"]),
        (png(16, 4, [b"\1\1\xff\xff" * 3]), ["16-bit", "convert it to 16-bit grey"]),
        (png(16, 2, [b"\1\1\1\1\1\1" * 3]), ["16-bit", "convert it to 16-bit grey"]),
        (saved(Image.fromarray(GREY), "PNG", save_all=True, append_images=[Image.fromarray(GREY // 2)]), ["2 images"]),
    ],
    ids=[
        "palette of colours", "blue", "green", "palette, half clear", "palette, clear", "grey and alpha", "RGBA",
        "RGB, clear colour", "clear grey", "clear bit", "clear grey of 2 bits", "clear grey of 16 bits",
        "16 bits with alpha", "16 bits of colours", "animation",
    ],
)  # fmt: skip
def test_a_png_with_more_than_grey_is_refused(tmp_path, content, words):
    assert_refused(tmp_path, content, "x.png", *words)


def key_only(grey):
    """A CMYK image that prints black ink only."""
    empty = Image.new("L", grey.size)
    return Image.merge("CMYK", [empty, empty, empty, grey.point(lambda value: 255 - value)])


@pytest.mark.parametrize(
    ("change", "kind", "options"),
    [
        (lambda image: image, "JPEG", {"quality": 100}),
        (lambda image: image, "JPEG", {"quality": 100, "progressive": True}),
        (lambda image: image.convert("RGB"), "JPEG", {"quality": 100}),
        (key_only, "JPEG", {"quality": 100}),
        (lambda image: image, "BMP", {}),
        (lambda image: image.convert("RGB"), "BMP", {}),
        (lambda image: image.convert("RGBA"), "BMP", {}),
        (lambda image: image.convert("P"), "BMP", {}),
        (lambda image: image.convert("P"), "TIFF", {}),
        (key_only, "TIFF", {}),
        (lambda image: image.convert("RGB"), "TIFF", {"compression": "jpeg", "quality": 100}),
        (lambda image: image.convert("LA"), "TIFF", {}),
    ],
)
def test_grey_of_any_format_and_mode_is_the_same(tmp_path, change, kind, options):
    content = saved(change(Image.fromarray(SMOOTH)), kind, **options)
    np.testing.assert_allclose(read(tmp_path, content) * 255, SMOOTH, atol=1.01 if "quality" in options else 1e-4)


def test_a_bitmap_with_white_before_black_in_its_palette_is_read(tmp_path):
    image = Image.frombytes("P", (2, 1), b"\0\1")
    image.putpalette([255] * 3 + [0] * 3)
    np.testing.assert_array_equal(read(tmp_path, saved(image, "BMP"), "x.bmp"), [[1, 0]])


@pytest.mark.parametrize(
    ("image", "kind", "words"),
    [
        (Image.new("RGB", (4, 4), (200, 0, 0)), "JPEG", ["colour", "convert it"]),
        (Image.new("CMYK", (4, 4), (200, 0, 0, 0)), "JPEG", ["colour", "convert it"]),
        (Image.new("RGB", (4, 4), (200, 0, 0)), "BMP", ["colour", "convert it"]),
        (Image.new("I", (4, 4)), "TIFF", ["signed or floats", "convert it"]),
        (Image.new("F", (4, 4)), "TIFF", ["signed or floats", "convert it"]),
        (Image.new("L", (4, 4)), "GIF", ["cannot be read", "save it as PNG"]),
    ],
    ids=["JPEG", "CMYK", "BMP", "integers", "floats", "GIF"],
)
def test_what_is_not_grey_is_refused(tmp_path, image, kind, words):
    assert_refused(tmp_path, saved(image, kind), "x.jpg", *words)


def test_a_jpeg_with_two_images_is_refused(tmp_path):
    image = Image.fromarray(SMOOTH).convert("RGB")
    content = saved(image, "MPO", save_all=True, append_images=[image])
    assert_refused(tmp_path, content, "x.jpg", "2 images", "save each as a file")


@pytest.mark.parametrize("largest", [1, 2, 15, 100, 200, 254, 255, 256, 1023, 4095, 10000, 65534, 65535])
@pytest.mark.parametrize("kind", ["P2", "P5"])
def test_a_pgm_is_divided_by_the_largest_value_that_it_names(tmp_path, largest, kind):
    values = np.unique(np.linspace(0, largest, 300).astype(int))
    header = f"{kind}\n# from a camera\n{len(values)} 1\n{largest}\n".encode()
    packed = values.astype(">u2" if largest > 255 else np.uint8).tobytes()
    content = header + (packed if kind == "P5" else " ".join(map(str, values)).encode())
    np.testing.assert_allclose(read(tmp_path, content, "x.pgm")[0], values / largest, rtol=1e-6)


@pytest.mark.parametrize(
    "content", [b"P4 3 2\n\x40\x80", b"P1 3 2\n0 1 0\n1 0 0", b"P1 3 2 010100", b"P4 3 2\n\x40\x80\n"]
)
def test_in_a_bitmap_1_is_black(tmp_path, content):
    np.testing.assert_array_equal(read(tmp_path, content, "x.pbm"), [[1, 0, 1], [0, 1, 1]])


@pytest.mark.parametrize("content", [b"P6 2 1 100\n\1\1\1\x32\x32\x32", b"P3 2 1 100\n1 1 1 50 50 50"])
def test_a_ppm_of_greys_is_read(tmp_path, content):
    np.testing.assert_allclose(read(tmp_path, content, "x.ppm"), [[0.01, 0.5]], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"P5 2 1 255\nabP5 2 1 255\ncd", ["goes on", "save each"]),
        (b"P4 8 1\naP4 8 1\nb", ["goes on", "save each"]),
        (b"P6 1 1 255\naaaP6 1 1 255\nbbb", ["goes on", "save each"]),
        (b"P5 2 1 9\n\x09\x0a", ["10", "9", "save it as PNG"]),
        (b"P5 2 1 4095\n\x0f\xff\x10\x00", ["4096", "4095", "save it as PNG"]),
        (b"P2 2 1 9\n9 10", ["cannot be read"]),
        (b"P6 1 1 255\n\1\2\1", ["colour", "convert it"]),
        (b"P6 1 1 4095\n\1\2\1\2\1\2", ["16-bit", "convert it"]),
        (b"P5 2 2 255\nab", ["cannot be read"]),
        (b"P5 2", ["cannot be read"]),
        (b"Pf 1 1 -1.0\n\0\0\0\0", ["save it as PNG"]),
        (b"P5 10000 10000 255\n", ["10000 × 10000", "scale it down"]),
    ],
)
def test_a_pgm_or_ppm_that_is_not_one_grey_image_is_refused(tmp_path, content, words):
    assert_refused(tmp_path, content, "x.pgm", *words)


def test_an_image_with_too_many_pixels_is_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(image_file, "MOST_PIXELS", 29)
    monkeypatch.setattr(np, "asarray", None)
    assert_refused(tmp_path, saved(Image.fromarray(GREY), "PNG"), "x.png", "5 × 6 pixels", "scale it down")


def test_a_file_with_too_many_pixels_in_its_pages_is_refused_before_decoding(tmp_path, monkeypatch):
    image = Image.fromarray(GREY)
    content = saved(image, "TIFF", save_all=True, append_images=[image] * 2)
    monkeypatch.setattr(image_file, "MOST_PIXELS_OF_FILE", 89)
    monkeypatch.setattr(np, "asarray", None)
    assert_refused(tmp_path, content, "x.tif", "more than 89 pixels", "split it")


def test_a_too_large_file_is_refused_without_reading(tmp_path, monkeypatch):
    content = saved(Image.fromarray(GREY), "PNG")
    monkeypatch.setattr(image_file, "LARGEST_FILE", len(content))
    assert read(tmp_path, content).shape == (6, 5)
    assert_refused(tmp_path, content + b"\0", "x.png", "cannot be read", f"expected {len(content)} at most")
