"""Data in a user's file: an array, or a table as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.datasets.dataset import Dataset, hold_out, hold_out_of, square
from scratchvae.datasets.images import SUFFIXES as IMAGE_SUFFIXES
from scratchvae.datasets.tables import SUFFIXES, load_csv
from scratchvae.disk import Array, join_names, read_arrays
from scratchvae.errors import DataError, FileError, ScratchVAEError
from scratchvae.rows import find_shards, is_pattern, open_shards
from scratchvae.validation import short_repr

HINTS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".parquet", ".feather", ".json"), "save it as CSV"),
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz"), "unpack it"),
    ".txt": "rename it to .csv or .tsv if it is a table",
}  # for files of other kinds
LARGEST_GREY = {np.dtype("u1"): 255, np.dtype("u2"): 65535}  # of integers
FEWEST_PIXELS = 16  # of an image in a row of an array (N, D): 4 or 9 columns are features


def load_file(path: Path, key: str | None = None, seed: int | None = 0, scale: str = "auto") -> Dataset:
    """Load an array from a .npy or .npz file, or a table from a .csv or .tsv file (see `load_csv`).

    key   name of the array in an .npz file with several arrays

    The shape of the array is (N, D), or for images (N, H, W), or (N, H, W, 3) in colour. `scale` is that of `load`;
    floats are not scaled. Rows of (N, D) are square images if D is a square of at least 16. A tenth of the rows, chosen
    by `seed`, is for testing.
    Raises DataError.
    """
    if path.suffix.lower() in SUFFIXES:
        return load_csv(path, seed, scale)
    if path.suffix.lower() in IMAGE_SUFFIXES or "idx" in path.name.lower():
        raise DataError(f"{path} is a single file of images; name the folder that it is in: {path.parent}")
    if path.suffix not in (".npy", ".npz"):
        hint = HINTS.get(path.suffix.lower(), "save an array with numpy.save, or a table as CSV")
        raise DataError(f"{path} does not end in .npy, .npz, {' or '.join(SUFFIXES)}; {hint}")
    try:
        (array,) = read_arrays(path, lambda names: [_choose_member(path, names, key)]).values()
    except FileError as error:
        raise DataError(f"{error.message}; obtain it again, or save an array with numpy.save") from None
    return _dataset_from_array(path, array, seed, scale)


def is_shards(source: str) -> bool:
    """True for a pattern, such as "shards/*.npy", and for a folder of .npy files, without images or folders."""
    if is_pattern(source):
        return True
    try:
        folder = Path(source)
        if not folder.is_dir() or not find_shards(source):
            return False
        return not any(file.is_dir() or file.suffix.lower() in IMAGE_SUFFIXES for file in folder.iterdir())
    except (OSError, ValueError):  # no valid name, or no permission to read
        return False


def map_files(source: str, seed: int | None = 0) -> Dataset:
    """The rows of the .npy files that `source` names, mapped: they stay in the files, and have their dtype.

    The shape of the arrays is that of `load_file`, and the split is the same. Raises DataError.
    """
    try:
        rows = open_shards(source, source)
    except DataError:
        raise
    except ScratchVAEError as error:
        raise DataError(error.message) from None
    pictures, shape = rows.pictures, None
    if pictures is not None:
        shape = _check_pictures(source, (len(rows), *pictures))
    elif rows.shape[1] >= FEWEST_PIXELS:
        shape = square(rows.shape[1])
    return hold_out_of(source, rows, shape, seed)


def _check_pictures(path: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape (H, W) or (H, W, 3) of pictures in an array of this shape. Raises DataError."""
    if len(shape) == 4 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and shape[3] != 3):
        colors_first = len(shape) == 4 and shape[1] in (1, 3) and shape[3] != 3
        hint = "; move the channels to the end with array.transpose(0, 2, 3, 1)" if colors_first else ""
        raise DataError(
            f"{path} holds an array of shape {shape}; expected (N, D), (N, H, W), or (N, H, W, 3), not empty{hint}"
        )
    return shape[1:]


def _choose_member(path: Path, names: list[str], key: str | None) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        missing = "" if key is None else f" and no {short_repr(key)}"
        raise DataError(f"{path} holds the arrays {join_names(names) or 'none'}{missing}; name one with key=")
    return key


def _dataset_from_array(path: Path, array: Array, seed: int | None, scale: str) -> Dataset:
    shape: tuple[int, ...] | None
    if array.ndim == 2 and array.size:
        shape = square(array.shape[1]) if array.shape[1] >= FEWEST_PIXELS else None
    else:
        shape = _check_pictures(path, array.shape)
    rows = array.reshape(len(array), -1)
    if rows.dtype.kind in "iub" and scale == "none":
        rows = np.ascontiguousarray(rows)
    elif rows.dtype.kind in "iub":
        low, high = int(rows.min()), int(rows.max())
        largest = LARGEST_GREY.get(rows.dtype.newbyteorder("="), 1)
        if low < 0 or high > largest:
            raise DataError(
                f"{path} holds {rows.dtype} from {low} to {high}; expected uint8, uint16, only 0 and 1, or floats: "
                "divide by the largest possible value, or load it with scale='none' for a model that scales it"
            )
        rows = np.divide(rows, np.float32(largest if high > 1 else 1), dtype=np.float32, casting="unsafe", order="C")
    elif rows.dtype.kind == "f":
        with np.errstate(over="ignore"):  # an overflow becomes infinite, which a model rejects
            # no copy if it is of that dtype already
            rows = np.ascontiguousarray(rows, np.float32 if rows.dtype.itemsize <= 4 else np.float64)
    else:
        raise DataError(f"{path} holds {rows.dtype}; expected real numbers")
    return hold_out(str(path), rows, shape, seed=seed)
