"""The idx format of the MNIST family.

A file has a header of big-endian 32-bit words, then the data. The first word is 0x0000_08_nn, where 08 means unsigned
bytes and nn is the number of axes. The length of each axis follows as one word.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from scratchvae.datasets.dataset import Dataset, Split
from scratchvae.datasets.search_paths import first_existing_file
from scratchvae.disk import Array
from scratchvae.disk.directory import BOMB, BOMB_RATIO, DEFLATE_RATIO
from scratchvae.errors import DataError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
BLOCK = 1 << 20


def find_idx(folder: Path, file: str) -> Path | None:
    """The path of this file in `folder`, plain or gzipped, or None."""
    return first_existing_file((folder / file, folder / f"{file}.gz"))


def holds_idx(folder: Path) -> bool:
    """True if `folder` has all four files."""
    return all(find_idx(folder, file) for file in FILES)


def load_idx_folder(folder: Path, name: str | None = None) -> Dataset:
    """Load the four files of an MNIST-like data set, with pixels divided by 255. Raises DataError."""
    paths = [find_idx(folder, file) for file in FILES]
    if not all(paths):
        missing = [file for file, path in zip(FILES, paths, strict=True) if not path]
        raise DataError(f"{folder} lacks {', '.join(missing)} (plain, or with .gz)")
    train_images, train_labels, test_images, test_labels = (
        read_idx(path, axes) for path, axes in zip(paths, (3, 1, 3, 1), strict=True) if path
    )
    splits = []
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        if len(images) != len(labels):
            raise DataError(f"{folder} holds {len(images)} images and {len(labels)} labels of the same split")
        if images.shape[1:] != train_images.shape[1:] or not images.size:
            raise DataError(
                f"{folder} holds images of shapes {train_images.shape} and {images.shape}; expected one size, not empty"
            )
        rows = np.divide(images.reshape(len(images), -1), np.float32(255), dtype=np.float32)
        splits.append(Split(rows, labels.astype(np.int64)))
    height, width = train_images.shape[1:]
    return Dataset(name or folder.name, splits[0], splits[1], (height, width))


def read_idx(path: Path, axes: int) -> Array:
    """The uint8 array with this number of axes in an idx file, gzipped if its name ends in .gz. Raises DataError.

    The shape in the header is compared with the file size before memory is allocated, and no more is decompressed.
    """
    gzipped = path.suffix == ".gz"
    try:
        size = path.stat().st_size
        with gzip.open(path) if gzipped else path.open("rb") as file:
            header = bytes(_read(file, 4 * (axes + 1)))
            shape = _parse_shape(path, header, axes)
            claimed = prod(shape)
            if claimed > (_largest_content(size) if gzipped else size - len(header)):
                raise DataError(f"{path} claims {claimed} bytes, shape {shape}, and has {size}: it is damaged")
            content = _read(file, claimed + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); download it again") from None
    if len(content) != claimed:
        found = len(content) if len(content) < claimed else "more"
        raise DataError(f"{path} claims {claimed} bytes, shape {shape}, and has {found}")
    try:
        return np.frombuffer(content, np.uint8).reshape(shape)
    except ValueError as error:  # an axis of 0, and another that is too long
        raise DataError(f"{path} claims shape {shape}: {error}") from None


def _largest_content(size: int) -> int:
    """The maximum number of bytes in a gzip file of this size that is not a zip bomb."""
    return min(DEFLATE_RATIO * size, max(BOMB, BOMB_RATIO * size))


def _read(file: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """Read `size` bytes, or fewer at the end of the file, in blocks, so that memory is allocated only for real data."""
    content = bytearray()
    while block := file.read(min(BLOCK, size - len(content))):
        content += block
    return content


def _parse_shape(path: Path, header: bytes, axes: int) -> tuple[int, ...]:
    if len(header) < 4 * (axes + 1):
        raise DataError(f"{path} is not an idx file with {axes} axes: it has {len(header)} bytes, too few for a header")
    first, *shape = struct.unpack(f">{axes + 1}I", header)
    if first != 0x0800 + axes:
        raise DataError(f"{path} is not an idx file of bytes with {axes} axes: its header is {header[:4].hex()}")
    return tuple(shape)
