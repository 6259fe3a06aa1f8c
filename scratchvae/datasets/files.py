"""Data in a user's file: an array, or a table as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scratchvae.datasets.dataset import Dataset, hold_out, square
from scratchvae.datasets.images import SUFFIXES as IMAGE_SUFFIXES
from scratchvae.datasets.tables import SUFFIXES, load_csv
from scratchvae.disk import Array, join_names, read_arrays
from scratchvae.errors import DataError, FileError
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


def _choose_member(path: Path, names: list[str], key: str | None) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        missing = "" if key is None else f" and no {short_repr(key)}"
        raise DataError(f"{path} holds the arrays {join_names(names) or 'none'}{missing}; name one with key=")
    return key


def _dataset_from_array(path: Path, array: Array, seed: int | None, scale: str) -> Dataset:
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    colors_first = array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] != 3
    if array.ndim not in (2, 3, 4) or not array.size or (array.ndim == 4 and array.shape[3] != 3):
        hint = "; move the channels to the end with array.transpose(0, 2, 3, 1)" if colors_first else ""
        raise DataError(
            f"{path} holds an array of shape {array.shape}; expected (N, D), (N, H, W), or (N, H, W, 3), not empty"
            f"{hint}"
        )
    if array.ndim > 2:
        shape: tuple[int, ...] | None = array.shape[1:]
    else:
        shape = square(array.shape[1]) if array.shape[1] >= FEWEST_PIXELS else None
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
