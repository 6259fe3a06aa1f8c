"""A folder of grey images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.datasets.dataset import Dataset, hold_out_every_tenth
from scratchvae.errors import DataError

LARGEST_PIXEL = {"1": 1, "L": 255, "I;16": 65535}  # by Pillow's name for the mode of a grey image
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF")  # no other of Pillow's readers is let near a file
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff"}
MOST_PIXELS = 1 << 22
LARGEST_FILE = 1 << 25  # bytes


def load_folder(path: Path) -> Dataset:
    """The grey images of one folder, all of one size, in the order of their names; needs Pillow.

    8-bit values are divided by 255, 16-bit values by 65535. Each tenth image is kept for test_mask. An image may have
    4,194,304 pixels, as 2048 × 2048 has; what all of them say in their headers is held against each other before the
    first is decoded. Raises DataError.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise DataError("reading images needs Pillow: install it with  pip install 'scratchvae[cli]'") from None
    paths = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not paths:
        raise DataError(f"{path} holds no images; expected files ending in {', '.join(sorted(SUFFIXES))}")
    first = _size(paths[0])
    for file in paths[1:]:
        if (size := _size(file)) != first:
            raise DataError(f"{file} is of size {_times(size)}, {paths[0].name} of {_times(first)}; expected one size")
    width, height = first
    rows = np.empty((len(paths), height, width), np.float32)
    for row, file in zip(rows, paths, strict=True):
        with _opened(file) as image:
            # the header is read anew: a file that another process changed meanwhile does not fit, and says so
            np.divide(np.asarray(image), np.float32(LARGEST_PIXEL[image.mode]), out=row, dtype=np.float32)
    return hold_out_every_tenth(str(path), rows.reshape(len(rows), -1), (height, width))


def _size(file: Path) -> tuple[int, int]:
    """The (width, height) of an image, as its header says, once it is known that we can take it."""
    with _opened(file) as image:
        if image.mode not in LARGEST_PIXEL:
            raise DataError(f"{file} is no grey image but of mode {image.mode}; convert it to 8-bit grey first")
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise DataError(
                f"{file} has {_times(image.size)} pixels; expected {MOST_PIXELS} at most: scale it down first"
            )
        return width, height


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """An image of which only the header is read as yet. Raises DataError for whatever goes wrong with it."""
    from PIL import Image

    try:
        if not file.is_file():
            raise OSError("it is no file")  # a pipe would be waited for
        if file.stat().st_size > LARGEST_FILE:
            raise OSError(f"it has {file.stat().st_size} bytes; expected {LARGEST_FILE} at most")
        content = BytesIO(file.read_bytes())  # to read from a file takes room for what a chunk claims, from here not
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's on sizes, which we bound, and on metadata, which we do not read
            with Image.open(content, formats=FORMATS) as image:
                yield image
    except DataError:
        raise
    except Exception as error:  # each format of Pillow's has its own way to say that a file is damaged
        raise DataError(f"{file} cannot be read as an image: {error}") from None


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"
