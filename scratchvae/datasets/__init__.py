"""Data in: sets known by name, and whatever lies in a file or a folder."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from scratchvae.datasets.dataset import Dataset, Split
from scratchvae.datasets.digits import load_digits
from scratchvae.datasets.files import load_file, load_folder
from scratchvae.datasets.idx import holds_idx, load_idx_folder
from scratchvae.datasets.mnist import SETS, load_named_idx
from scratchvae.errors import DataError

__all__ = ["NAMES", "Dataset", "Split", "load"]

NAMES = ("digits", *SETS)


def load(source: str | PathLike[str], folder: str | PathLike[str] | None = None, key: str | None = None) -> Dataset:
    """The data set `source`, as rows of float32, cut into train and test.

    source   "digits"                    8×8 digits, shipped with the package: see `load_digits`
             "mnist", "fashion-mnist"    28×28, read from a folder or downloaded: see `load_named_idx`
             a .npy or .npz file, or a folder of grey images or of idx files: see `load_file`, `load_folder`
    folder   where to look for a set known by name
    key      which array of an .npz file

    Raises DataError for what cannot be found, fetched or read.
    """
    name = fspath(source)
    if key is not None and not name.endswith(".npz"):
        raise DataError(f"key={key!r} chooses an array of an .npz file, and {name!r} is none: leave it out")
    if name == "digits":
        return load_digits()
    if name in SETS:
        return load_named_idx(name, folder)
    path, reason = Path(name), ""
    try:
        if path.is_dir():
            return load_idx_folder(path) if holds_idx(path) else load_folder(path)
        if path.is_file():
            return load_file(path, key)
    except DataError:
        raise
    except (OSError, ValueError) as error:  # a path that may not be looked at, or that none can have
        reason = f" ({error})"
    raise DataError(
        f"no data {name!r}{reason}: expected {', '.join(NAMES)}, or the path of a .npy file, an .npz file or a folder "
        "of images"
    )
