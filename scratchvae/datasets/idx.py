"""The idx format of the MNIST family.

A file has a header of big-endian 32-bit words, then the data. The first word is 0x0000_08_nn, where 08 means unsigned
bytes and nn is the number of axes. The length of each axis follows as one word.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from scratchvae.datasets.dataset import Dataset, Split
from scratchvae.disk import Array
from scratchvae.disk.directory import BOMB, BOMB_RATIO, DEFLATE_RATIO
from scratchvae.errors import DataError
from scratchvae.validation import join_choices, short_repr

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
NAME = re.compile(
    r"(?:(?P<set>.+)[-_.])?(?P<split>train|t10k|test)[-_.](?P<kind>images[-_.]idx3|labels[-_.]idx1)[-_.]ubyte(?:\.gz)?",
    re.IGNORECASE,
)
MAX_LISTED = 60  # characters of the names of data sets in a message
BLOCK = 1 << 20
GZIP = b"\x1f\x8b"


def find_idx_sets(folder: Path) -> dict[str, dict[str, Path]]:
    """The idx files in `folder`: the path of each of FILES that is found, by the name of the set, which is often "".

    Names may have dots or underscores in place of hyphens, capital letters, "test" in place of "t10k", the ending .gz,
    and the name of a set before them, as in emnist-letters-train-images-idx3-ubyte.gz. A file may lie in a subfolder
    of its name. An unpacked file is preferred. Raises DataError for a folder that cannot be read.
    """
    try:
        named = _named_as_idx(folder)
        paths = named + [path for subfolder in named if subfolder.is_dir() for path in _named_as_idx(subfolder)]
        paths = [path for path in paths if path.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} cannot be read: {error}") from None
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(paths, key=lambda path: (path.suffix.lower() == ".gz", path.parent != folder)):
        parts = NAME.fullmatch(path.name)
        assert parts is not None
        split = "train" if parts["split"].lower() == "train" else "t10k"
        file = next(file for file in FILES if file.startswith(f"{split}-{parts['kind'][:6].lower()}"))
        found.setdefault((parts["set"] or "").lower(), {}).setdefault(file, path)
    return found


def _named_as_idx(folder: Path) -> list[Path]:
    """The paths in a folder that have the name of an idx file, but no hidden ones; those in FILES come first."""
    paths = [path for path in folder.iterdir() if NAME.fullmatch(path.name) and not path.name.startswith(".")]
    return sorted(paths, key=lambda path: (path.name.removesuffix(".gz") not in FILES, path.name))


def find_idx(folder: Path, file: str) -> Path | None:
    """The path of this file in `folder`, in any of its usual names, or None."""
    return find_idx_sets(folder).get("", {}).get(file)


def holds_idx(folder: Path) -> bool:
    """True if `folder` has all four files."""
    return len(find_idx_sets(folder).get("", {})) == len(FILES)


def load_idx_folder(folder: Path, name: str | None = None) -> Dataset:
    """Load the four files of an MNIST-like data set. Raises DataError.

    Pixels are divided by 255, unless all are 0 or 1.
    Labels that begin at 0 are kept. Others, as the 1 to 26 of EMNIST's letters, are numbered from 0, and
    `Dataset.classes` has them as text. With a `name`, only files without the name of a set are read.
    """
    sets = find_idx_sets(folder)
    if name is not None:
        sets = {"": sets.get("", {})}
    if len(sets) > 1:
        names = join_choices([short_repr(prefix) for prefix in sorted(sets)], MAX_LISTED)
        raise DataError(
            f"{folder} holds idx files of {len(sets)} data sets, {names}; move each into a folder of its own"
        )
    paths = next(iter(sets.values()), {})
    if missing := [file for file in FILES if file not in paths]:
        raise DataError(f"{folder} lacks {', '.join(missing)} (plain, or with .gz); copy all four files there")
    train_images, train_labels, test_images, test_labels = (
        read_idx(paths[file], axes) for file, axes in zip(FILES, (3, 1, 3, 1), strict=True)
    )
    numbers = _class_numbers(np.concatenate([train_labels, test_labels]))
    splits = []
    largest = 255 if max(train_images.max(initial=0), test_images.max(initial=0)) > 1 else 1
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        if len(images) != len(labels):
            raise DataError(f"{folder} holds {len(images)} images and {len(labels)} labels of the same split")
        if images.shape[1:] != train_images.shape[1:] or not images.size:
            raise DataError(
                f"{folder} holds images of shapes {train_images.shape} and {images.shape}; expected one size, not empty"
            )
        rows = np.divide(images.reshape(len(images), -1), np.float32(largest), dtype=np.float32)
        splits.append(Split(rows, np.searchsorted(numbers, labels)))
    height, width = train_images.shape[1:]
    classes = tuple(map(str, numbers.tolist()))
    return Dataset(name or folder.name, splits[0], splits[1], (height, width), classes=classes)


def _class_numbers(labels: Array) -> Array:
    """The labels (K,) of the classes: 0 to the largest one or, if no label is 0, those that occur."""
    return np.unique(labels) if labels.size and labels.min() > 0 else np.arange(int(labels.max(initial=0)) + 1)


def read_idx(path: Path, axes: int) -> Array:
    """The uint8 array with this number of axes in an idx file, plain or gzipped. Raises DataError.

    The shape in the header is compared with the file size before memory is allocated, and no more is decompressed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            gzipped = file.read(2) == GZIP  # whatever its name: browsers unpack a file and keep the ending .gz
        with gzip.open(path) if gzipped else path.open("rb") as file:
            header = bytes(_read(file, 4 * (axes + 1)))
            shape = _parse_shape(path, header, axes)
            claimed = prod(shape)
            if claimed > (_largest_content(size) if gzipped else size - len(header)):
                raise DataError(
                    f"{path} claims {claimed} bytes, shape {shape}, and has {size - len(header)}; obtain it again"
                )
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
