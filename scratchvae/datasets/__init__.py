"""Data sets: standard ones by name, and a user's own files and folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path

from scratchvae.datasets.binarized_mnist import load_binarized_mnist
from scratchvae.datasets.dataset import Dataset, Split
from scratchvae.datasets.digits import load_digits
from scratchvae.datasets.faces import load_frey_faces, load_olivetti
from scratchvae.datasets.files import is_shards, load_file, map_files
from scratchvae.datasets.idx import find_idx_sets, load_idx_folder
from scratchvae.datasets.images import load_folder
from scratchvae.datasets.mnist import SETS, load_named_idx
from scratchvae.datasets.omniglot import load_omniglot
from scratchvae.datasets.search_paths import Folder
from scratchvae.datasets.shapes import SHAPES, render_sprites
from scratchvae.datasets.sprites import draw_factors, factor_grid, load_sprites
from scratchvae.datasets.uci import TABLES, load_table
from scratchvae.errors import ConfigError, DataError
from scratchvae.validation import (
    MAX_MESSAGE,
    check_bool,
    check_choice,
    check_height_and_width,
    check_path,
    check_seed,
    join_choices,
    short_repr,
    shorten,
    suggest_arguments,
    suggestion,
)

__all__ = ["NAMES", "SHAPES", "Dataset", "Split", "draw_factors", "factor_grid", "load", "render_sprites"]

_LOADERS: dict[str, Callable[[Folder], Dataset]] = {
    **{name: partial(load_named_idx, name) for name in SETS},
    "binarized-mnist": load_binarized_mnist,
    "omniglot": load_omniglot,
    "frey-faces": load_frey_faces,
    "olivetti": load_olivetti,
    "olivetti-32": partial(load_olivetti, side=32),
    **{name: partial(load_table, name) for name in TABLES},
}
COLORS = ("grey", "rgb")
NAMES = ("digits", *_LOADERS, "sprites")


@suggest_arguments
def load(
    source: str | PathLike[str],
    folder: Folder = None,
    key: str | None = None,
    seed: int | None = 0,
    scale: str = "auto",
    color: str = "grey",
    size: Sequence[int] | None = None,
    mmap: bool = False,
) -> Dataset:
    """Load the data set `source` as rows of float32 (tables: float64), split into train and test.

    source   "digits"                    8×8 digits, part of the package: see `load_digits`
             "mnist", "fashion-mnist"    28×28, from a folder or by download: see `load_named_idx`
             "binarized-mnist"           28×28, 0 or 1, with a validation split: see `load_binarized_mnist`
             "omniglot"                  28×28 characters of 50 alphabets: see `load_omniglot`
             "frey-faces"                28×20, a film of one face: see `load_frey_faces`
             "olivetti", "olivetti-32"   64×64 or 32×32 faces of 40 persons: see `load_olivetti`
             "uci/concrete", …           tables of numbers: see `load_table`
             "sprites"                   32×32 shapes with known factors, rendered when loaded: see `load_sprites`
             or the path of a .npy or .npz file, of a .csv or .tsv table, or of a folder of images or idx files:
             see `load_file`, `load_csv`, `load_folder`
             or a folder of .npy files, or a pattern such as "shards/*.npy", which are mapped: see `map_files`
    folder   the folder to search for a named data set; None: $SCRATCHVAE_DATA, then the cache folder
    key      the name of an array in an .npz file
    seed     seed of the choice of the test rows, a tenth of a user's own data; None: every tenth row
    scale    of integers in a .npy or .npz file. "auto": bytes are divided by 255 and 16-bit integers by 65535, unless
             all are 0 or 1. "none": they remain integers, for a model that learns their scale

    color    of a folder of images: "grey", or "rgb" for pictures (height, width, 3)
    size     of a folder of images: (height, width) to which each is scaled; None: all have one size
    mmap     map a .npy file instead of reading it: its rows stay in the file, and integers remain integers

    Raises DataError if the data cannot be found, downloaded or read.
    """
    name = _check_text("source", source, "a name, or a path")
    folder = None if folder is None else _check_text("folder", folder, "a folder, a path")
    seed = None if seed is None else check_seed(seed)
    check_choice("scale", scale, ("auto", "none"))
    key = None if key is None else _check_text("key", key, "the name of an array")
    if key is not None and not name.endswith(".npz"):
        raise DataError(f"key={short_repr(key)} is only for .npz files, and {shorten(name)!r} is not one: leave it out")
    shape = _check_size(size)
    check_choice("color", color, COLORS)
    path, reason = Path(name), ""
    shards = name not in NAMES and is_shards(name)
    if color != "grey" or shape is not None:
        argument = f"color={color!r}" if color != "grey" else f"size={shape}"
        if name in NAMES or not _is_folder(path) or shards or find_idx_sets(path):
            raise DataError(f"{argument} is only for a folder of images, and {shorten(name)!r} is none: leave it out")
    if check_bool("mmap", mmap) and not shards and (name in NAMES or path.suffix != ".npy"):
        raise DataError(f"mmap=True is only for .npy files, and {shorten(name)!r} is none: leave it out")
    if name == "digits":
        return load_digits()
    if name == "sprites":
        return load_sprites()
    if name in _LOADERS:
        return _LOADERS[name](folder)
    try:
        if shards or (mmap and path.is_file()):
            return map_files(name, seed)
        if name and path.is_dir():
            return load_idx_folder(path) if find_idx_sets(path) else load_folder(path, seed, color, shape)
        if path.is_file():
            return load_file(path, key, seed, scale)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{name} does not fit into memory ({error}); use fewer or smaller rows") from None
    except (OSError, ValueError) as error:  # an invalid path, or one without permission to read
        reason = f" ({shorten(getattr(error, 'strerror', None) or error, 25)})"
    text = f"no data {shorten(name, 90)!r}{reason}: expected "
    end = f", or a .npy, .npz, .csv or .tsv file, or an image folder{suggestion(name, NAMES)}"
    raise DataError(text + join_choices(NAMES, MAX_MESSAGE - len(text) - len(end)) + end)


def _is_folder(path: Path) -> bool:
    """True if there is such a folder."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _check_size(size: object) -> tuple[int, int] | None:
    if size is None:
        return None
    try:
        return check_height_and_width("size", size)
    except ConfigError as error:
        raise DataError(error.message) from None


def _check_text(name: str, value: object, expected: str) -> str:
    try:
        return check_path(name, value, "data.npy")
    except ConfigError:
        raise DataError(f"{name}={short_repr(value)}: expected {expected}, as text") from None
