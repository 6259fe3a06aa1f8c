"""The folders in which data sets are searched."""

from __future__ import annotations

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from scratchvae.disk import cache_folder
from scratchvae.errors import DataError

Folder = str | PathLike[str] | None


def search_paths(folder: Folder = None) -> list[Path]:
    """The folders to search, in order: only `folder`, or if that is None $SCRATCHVAE_DATA and the cache folder."""
    if folder is not None:
        return [Path(folder)]
    named = os.environ.get("SCRATCHVAE_DATA")
    return [Path(named), cache_folder()] if named else [cache_folder()]


def find_file(name: str, file: str, folder: Folder = None) -> Path:
    """The path of `file` in one of the `search_paths`, or in its subfolder `name`. Raises DataError if not found."""
    searched = search_paths(folder)
    found = first_existing_file(place / file for directory in searched for place in (directory / name, directory))
    if found is None:
        raise DataError(
            f"no {name}: {Path(name, file)} is not in {' nor in '.join(map(str, searched))}, and it is not "
            "downloaded; copy it there, or name its folder with --data-dir (in Python, folder=) or SCRATCHVAE_DATA"
        )
    return found


def first_existing_file(candidates: Iterable[Path]) -> Path | None:
    """The first candidate that is an existing file, or None. Raises DataError for a folder that cannot be read."""
    for path in candidates:
        try:
            if path.is_file():
                return path
        except (OSError, ValueError) as error:
            raise DataError(f"{path.parent} cannot be read: {error}") from None
    return None
