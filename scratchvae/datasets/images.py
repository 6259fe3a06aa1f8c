"""Data in a folder of grey images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.datasets.dataset import Dataset, hold_out
from scratchvae.errors import DataError

LARGEST_PIXEL = {"1": 1, "L": 255, "I;16": 65535}  # by Pillow's name for the mode of a grey image
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF")  # Pillow's other readers are not used
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff"}
MOST_PIXELS = 1 << 22
LARGEST_FILE = 1 << 25  # bytes


def load_folder(path: Path, seed: int | None = 0) -> Dataset:
    """Load the grey images of a folder, all of one size, in the order of their names. Needs Pillow.

    8-bit values are divided by 255, 16-bit values by 65535. A tenth of the images, chosen by `seed`, is for testing. An image may have at most
    4,194,304 pixels (2048 × 2048). The sizes in all headers are compared before the first image is decoded. Raises
    DataError.
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
        with _open_image(file) as image:
            # np.divide raises if another process has changed the size of the image since
            np.divide(np.asarray(image), np.float32(LARGEST_PIXEL[image.mode]), out=row, dtype=np.float32)
    return hold_out(str(path), rows.reshape(len(rows), -1), (height, width), seed=seed)


def _size(file: Path) -> tuple[int, int]:
    """The (width, height) of an image from its header, after a check of its mode and size."""
    with _open_image(file) as image:
        if image.mode not in LARGEST_PIXEL:
            raise DataError(f"{file} is not a grey image, its mode is {image.mode}; convert it to 8-bit grey first")
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise DataError(
                f"{file} has {_times(image.size)} pixels; expected {MOST_PIXELS} at most: scale it down first"
            )
        return width, height


@contextmanager
def _open_image(file: Path) -> Iterator[Any]:
    """A context with an image of which only the header has been read. Errors inside the block become DataErrors."""
    from PIL import Image

    try:
        if not file.is_file():
            raise OSError("it is not a file")  # opening a pipe would wait for a writer
        if file.stat().st_size > LARGEST_FILE:
            raise OSError(f"it has {file.stat().st_size} bytes; expected {LARGEST_FILE} at most")
        content = BytesIO(file.read_bytes())  # from a file, Pillow would allocate the size that a chunk claims
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about large sizes, checked here, and about unused metadata
            with Image.open(content, formats=FORMATS) as image:
                yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise many kinds of exceptions for damaged files
        raise DataError(f"{file} cannot be read as an image: {error}") from None


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"
