"""The pixels of an image file, grey or in colour, which may have several pages."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.datasets.tiff import TiffPage, images_without_page, is_tiff, read_pages, without_conversions
from scratchvae.disk import Array
from scratchvae.errors import DataError

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF")  # Pillow's other readers are not used
ORIENTATION = 0x0112  # the tag of EXIF
PNG_ORIENTATIONS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")  # texts before an orientation in a PNG
PNG_DEPTH = 24  # position of the bits of a sample in a PNG
MOST_PIXELS = 1 << 22  # of a page
MOST_PIXELS_TO_RESIZE = 1 << 26  # of a page that is made smaller: a photograph
MOST_PIXELS_OF_FILE = 1 << 28
LARGEST_FILE = 1 << 25  # bytes
NUMBER = rb"(?:\s|#[^\r\n]*[\r\n])+([0-9]+)"  # after spaces and comments, in the header of a PBM, PGM or PPM


class ImageFile:
    """An image file of which only the headers have been read: see `open_image_file`.

    sizes   (width, height) of each page, as it is shown
    """

    def __init__(
        self, path: Path, content: bytes, image: Any, tiff_pages: list[TiffPage], to_resize: bool = False
    ) -> None:
        self.path, self.content, self.image, self.tiff_pages = path, content, image, tiff_pages
        self.to_resize = to_resize
        pages = max(1, len(tiff_pages))
        if (frames := getattr(image, "n_frames", 1)) != pages:
            raise DataError(f"{path} holds {frames} images in one {image.format}; save each as a file of its own")
        self.largest_value = self._check_netpbm() if image.format == "PPM" else None
        self.sizes = [self._size(page) for page in range(pages)]
        if sum(width * height for width, height in self.sizes) > MOST_PIXELS_OF_FILE:
            raise DataError(f"{path} has more than {MOST_PIXELS_OF_FILE} pixels in its pages; split it first")

    def read(self, page: int, color: str = "grey", size: tuple[int, int] | None = None) -> Array:
        """The pixels of a page, as it is shown: float32, 0 is black, 1 is white. Raises DataError.

        The shape is (height, width) or, with color="rgb", (height, width, 3): grey is equal red, green and blue. With a
        size (height, width), the page is scaled to it by Pillow's bicubic resize, whatever its proportions.
        """
        self._seek(page)
        values, largest = self._values(page, color)
        if self.tiff_pages and self.tiff_pages[page].white_is_zero:
            values = largest - values
        values = _turned(values, self._orientation(page))
        if size is not None and size != values.shape[:2]:
            values = _resized(values, size, largest)
        pixels: Array = np.divide(values, np.float32(largest), dtype=np.float32)
        return np.repeat(pixels[..., None], 3, axis=2) if color == "rgb" and pixels.ndim == 2 else pixels

    def where(self, page: int) -> str:
        """The path for a message, with the number of the page if there are several."""
        return f"{self.path}, page {page + 1}," if len(self.tiff_pages) > 1 else str(self.path)

    def _seek(self, page: int) -> None:
        if self.tiff_pages:
            self.image.seek(page)

    def _size(self, page: int) -> tuple[int, int]:
        self._seek(page)
        width, height = self.image.size
        most = MOST_PIXELS_TO_RESIZE if self.to_resize else MOST_PIXELS
        if width * height > most:
            hint = "scale it down first" if self.to_resize else "scale it down, or give size=(height, width) to do so"
            raise DataError(f"{self.where(page)} has {width} × {height} pixels; expected {most} at most: {hint}")
        return (height, width) if self._orientation(page) in (5, 6, 7, 8) else (width, height)

    def _orientation(self, page: int) -> int:
        """How the page is to be turned, a number from 1 to 8 as in EXIF."""
        if self.tiff_pages:
            return self.tiff_pages[page].orientation
        # of a PNG without one, Pillow would decode the pixels, to search behind them
        if self.image.format == "PNG" and not any(text in self.content for text in PNG_ORIENTATIONS):
            return 1
        return int(self.image.getexif().get(ORIENTATION, 1))

    def _bits(self, page: int) -> int:
        """The bits of a sample in the file. Pillow reads only 8 of 16 bits, unless the image is grey without alpha."""
        if self.tiff_pages:
            return self.tiff_pages[page].bits
        if self.image.format == "PNG":
            return self.content[PNG_DEPTH]
        return 8 if self.largest_value is None else self.largest_value.bit_length()

    def _values(self, page: int, color: str) -> tuple[Array, int]:
        """The samples of a page as integers (height, width), or (height, width, 3), and the largest possible one."""
        mode, bits = self.image.mode, self._bits(page)
        if mode in ("1", "L") or mode.startswith("I;16") or (mode == "I" and self.largest_value is not None):
            return self._grey_values(mode, bits)
        where = self.where(page)
        if mode in ("I", "F"):
            raise DataError(f"{where} has 32-bit integers or floats; convert it to 8-bit or 16-bit grey first")
        if bits > 8:
            raise DataError(f"{where} is a 16-bit image with colours or alpha; convert it to 16-bit grey first")
        opaque = {"CMYK": "RGB", "YCbCr": "RGB", "La": "LA"}  # modes without a direct conversion to RGBA
        image = self.image.convert(opaque[mode]) if mode in opaque else self.image
        pixels = np.asarray(image.convert("RGBA"))
        if np.any(pixels[..., 3] < 255):
            raise DataError(f"{where} has transparent pixels; remove its alpha channel first")
        if color == "rgb":
            return self._unrounded(pixels[..., :3], 255)
        red, green, blue = (pixels[..., k] for k in range(3))
        if not (np.array_equal(red, green) and np.array_equal(green, blue)):
            raise DataError(f"{where} is a colour image; load it with color='rgb', or convert it to grey first")
        return self._unrounded(red, 255)

    def _grey_values(self, mode: str, bits: int) -> tuple[Array, int]:
        values = np.asarray(self.image)
        if mode == "1":
            values = values.astype(np.uint8)
        largest = {"1": 1, "L": 255}.get(mode, 4095 if self.tiff_pages and bits == 12 else 65535)
        if "transparency" in self.image.info:
            # of a PNG: one sample that is transparent, which only some versions of Pillow scale as they do the pixels
            at = self.content.index(b"tRNS") + 4
            clear = int.from_bytes(self.content[at : at + 2], "big") * (255 // (2**bits - 1) if mode == "L" else 1)
            if np.any(values == clear):
                raise DataError(f"{self.path} has transparent pixels; remove its alpha channel first")
        return self._unrounded(values, largest)

    def _unrounded(self, values: Array, largest: int) -> tuple[Array, int]:
        """The samples of a PGM or PPM as in the file, from 0 to its largest value; Pillow scales and rounds them."""
        if self.largest_value is None or self.largest_value == largest:
            return values, largest
        return np.rint(values * (self.largest_value / largest)).astype(np.int64), self.largest_value

    def _check_netpbm(self) -> int | None:
        """The largest value that a PGM or PPM claims to have, or None for a PBM. Raises DataError."""
        kind = self.content[1:2]
        header = re.match(rb"P." + NUMBER * (2 if kind in b"14" else 3) + rb"\s", self.content)
        if header is None:
            raise DataError(f"{self.path} has an unusual header; save it as PNG")
        width, height, largest = (*map(int, header.groups()), 1)[:3]
        sample = 2 if largest > 255 else 1
        row_bytes = {b"4": (width + 7) // 8, b"5": width * sample, b"6": 3 * width * sample}.get(kind)
        if row_bytes is not None and width * height <= MOST_PIXELS:
            end = header.end() + height * row_bytes
            if self.content[end:].strip():
                raise DataError(f"{self.path} goes on behind its image; expected one image: save each as a file")
            samples = np.frombuffer(self.content[header.end() : end], ">u2" if sample == 2 else np.uint8)
            if kind != b"4" and samples.size and samples.max() > largest:
                raise DataError(
                    f"{self.path} has values up to {samples.max()}, and its header says {largest}; save it as PNG"
                )
        return None if kind in b"14" else largest


@contextmanager
def open_image_file(path: Path, to_resize: bool = False) -> Iterator[ImageFile]:
    """A context with an image file whose headers have been read and checked. Errors inside it become DataErrors."""
    from PIL import Image, UnidentifiedImageError

    try:
        if not path.is_file():
            raise OSError("it is not a file")  # opening a pipe would wait for a writer
        if path.stat().st_size > LARGEST_FILE:
            raise OSError(f"it has {path.stat().st_size} bytes; expected {LARGEST_FILE} at most")
        content = path.read_bytes()  # from a file, Pillow would allocate the size that a chunk claims
        if not content:
            raise OSError("it is empty")
        pages = _checked_pages(path, content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about large sizes, checked here, and about unused metadata
            changed = without_conversions(content, pages) if pages else content
            with Image.open(BytesIO(changed), formats=FORMATS) as image:
                yield ImageFile(path, content, image, pages, to_resize)
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError:
        reason = f"it is none of {', '.join(FORMATS)}"
        if is_tiff(content):
            reason = "it is a TIFF of a kind that Pillow does not read, or damaged"
        raise DataError(f"{path} cannot be read: {reason}; save it as PNG") from None
    except Exception as error:  # Pillow's readers raise many kinds of exceptions for damaged files
        raise DataError(f"{path} cannot be read as an image: {error}; copy it again, or save it as PNG") from None


def _checked_pages(path: Path, content: bytes) -> list[TiffPage]:
    """The pages of a TIFF; [] for another format. Raises DataError, or ValueError for a damaged file."""
    if not is_tiff(content):
        return []
    pages = read_pages(content)
    if missing := images_without_page(pages):
        raise DataError(
            f"{path} describes {missing + len(pages)} images, and only {len(pages)} can be found as pages; save it "
            "as a TIFF with a page for each"
        )
    for number, page in enumerate(pages, 1):
        if problem := page.problem():
            raise DataError(f"{path}{f', page {number},' if len(pages) > 1 else ''} {problem}")
    return pages


# Bytes are scaled as bytes, as everywhere. Of other numbers Pillow scales only floats, one channel at a time.
def _resized(values: Array, size: tuple[int, int], largest: int) -> Array:
    """Pixels (height, width), or (height, width, 3), from 0 to `largest`, in another (height, width)."""
    from PIL import Image

    def resize(channels: Array) -> Array:
        made = Image.fromarray(np.ascontiguousarray(channels)).resize(size[::-1], Image.Resampling.BICUBIC)
        return np.asarray(made)

    if largest == 255:
        return resize(values.astype(np.uint8))
    channels = [resize(channel) for channel in np.atleast_3d(values).astype(np.float32).transpose(2, 0, 1)]
    return np.clip(np.stack(channels, axis=-1), 0, largest).reshape(*size, *values.shape[2:])  # type: ignore[no-any-return]


def _turned(image: Array, orientation: int) -> Array:
    """The image as it is shown. CIPA DC-008 (EXIF 2.3), Orientation: where the first row and column belong."""
    if orientation in (5, 6, 7, 8):  # rows and columns are exchanged
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):  # from right to left
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):  # from bottom to top
        image = image[::-1]
    return image
