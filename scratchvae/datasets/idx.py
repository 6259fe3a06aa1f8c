"""The idx format of the MNIST family.

A file is a header of big-endian 32-bit words, then the bytes. The first word is 0x0000_08_nn: 08 says unsigned bytes,
nn how many axes; one word for each axis follows.
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
from scratchvae.datasets.search_paths import first_file
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
    """Where `folder` has that file, plain or gzipped."""
    return first_file((folder / file, folder / f"{file}.gz"))


def holds_idx(folder: Path) -> bool:
    """Whether all four files are there."""
    return all(find_idx(folder, file) for file in FILES)


def load_idx_folder(folder: Path, name: str | None = None) -> Dataset:
    """The four files of an MNIST-like set: pixels divided by 255, labels as they are. Raises DataError."""
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
            raise DataError(f"{folder} holds {len(images)} images and {len(labels)} labels of the same part")
        if images.shape[1:] != train_images.shape[1:] or not images.size:
            raise DataError(
                f"{folder} holds images of shapes {train_images.shape} and {images.shape}; expected some, of one size"
            )
        rows = np.divide(images.reshape(len(images), -1), np.float32(255), dtype=np.float32)
        splits.append(Split(rows, labels.astype(np.int64)))
    height, width = train_images.shape[1:]
    return Dataset(name or folder.name, splits[0], splits[1], (height, width))


def read_idx(path: Path, axes: int) -> Array:
    """The uint8 array of that many axes in one idx file, gzipped if its name ends in .gz. Raises DataError.

    What the header promises is held against the size of the file before anything is made room for, and no more than
    that is unpacked.
    """
    packed = path.suffix == ".gz"
    try:
        size = path.stat().st_size
        with gzip.open(path) if packed else path.open("rb") as file:
            header = bytes(_read(file, 4 * (axes + 1)))
            shape = _shape(path, header, axes)
            promised = prod(shape)
            if promised > (_most_unpacked(size) if packed else size - len(header)):
                raise DataError(f"{path} promises {promised} bytes, shape {shape}, and is of {size}: it is damaged")
            content = _read(file, promised + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it anew") from None
    if len(content) != promised:
        held = f"holds {len(content)}" if len(content) < promised else "goes on after them"
        raise DataError(f"{path} promises {promised} bytes, shape {shape}, and {held}")
    try:
        return np.frombuffer(content, np.uint8).reshape(shape)
    except ValueError as error:  # no bytes, and axes that are too long all the same
        raise DataError(f"{path} promises shape {shape}: {error}") from None


def _most_unpacked(size: int) -> int:
    """What deflate can make of so many bytes, or, of what is no small file, a bomb."""
    return min(DEFLATE_RATIO * size, max(BOMB, BOMB_RATIO * size))


def _read(file: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """So many bytes, or those that are left: in blocks, so that what is made room for is there."""
    content = bytearray()
    while block := file.read(min(BLOCK, size - len(content))):
        content += block
    return content


def _shape(path: Path, header: bytes, axes: int) -> tuple[int, ...]:
    if len(header) < 4 * (axes + 1):
        raise DataError(f"{path} is no idx file with {axes} axes: its {len(header)} bytes do not fill the header")
    first, *shape = struct.unpack(f">{axes + 1}I", header)
    if first != 0x0800 + axes:
        raise DataError(f"{path} is no idx file of unsigned bytes with {axes} axes: its header is {header[:4].hex()}")
    return tuple(shape)
