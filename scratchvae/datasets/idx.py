"""The idx format of the MNIST family.

A file is a header of big-endian 32-bit words, then the bytes. The first word is 0x0000_08_nn: 08 says unsigned bytes,
nn how many axes; one word for each axis follows.
"""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np

from scratchvae.datasets.dataset import Dataset, Split
from scratchvae.datasets.shelves import first_file
from scratchvae.disk import Array
from scratchvae.errors import DataError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


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
        splits.append(
            Split(images.reshape(len(images), -1).astype(np.float32) / np.float32(255), labels.astype(np.int64))
        )
    height, width = train_images.shape[1:]
    return Dataset(name or folder.name, splits[0], splits[1], (height, width))


def read_idx(path: Path, axes: int) -> Array:
    """The uint8 array of that many axes in one idx file, gzipped if its name ends in .gz. Raises DataError."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it anew") from None
    header = 4 * (axes + 1)
    if len(content) < header:
        raise DataError(f"{path} is no idx file with {axes} axes: its {len(content)} bytes do not fill the header")
    words = np.frombuffer(content[:header], ">u4")
    if words[0] != 0x0800 + axes:
        raise DataError(f"{path} is no idx file of unsigned bytes with {axes} axes: its header is {content[:4].hex()}")
    shape = tuple(int(n) for n in words[1:])
    if len(content) != header + prod(shape):
        raise DataError(f"{path} promises {prod(shape)} bytes, shape {shape}, and holds {len(content) - header}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
