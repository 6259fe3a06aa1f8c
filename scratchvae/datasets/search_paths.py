"""Where data that is known by name is looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from scratchvae.disk import cache_folder
from scratchvae.errors import DataError

Folder = str | PathLike[str] | None


def search_paths(folder: Folder = None) -> list[Path]:
    """The folders to search in turn: `folder` alone if it is given, else $SCRATCHVAE_DATA and then the cache."""
    if folder is not None:
        return [Path(folder)]
    named = os.environ.get("SCRATCHVAE_DATA")
    return [Path(named), cache_folder()] if named else [cache_folder()]


def find_file(name: str, file: str, folder: Folder = None) -> Path:
    """Where a shelf has that file, in a subfolder `name` or right there. Raises DataError if none has."""
    searched = search_paths(folder)
    found = first_file(place / file for shelf in searched for place in (shelf / name, shelf))
    if found is None:
        raise DataError(
            f"no {name}: {Path(name, file)} is not in {' nor in '.join(map(str, searched))}, and it cannot be "
            "downloaded; put it there by hand, or name the folder that has it with --data-dir (folder=) or "
            "SCRATCHVAE_DATA"
        )
    return found


def first_file(candidates: Iterable[Path]) -> Path | None:
    """The first of the candidates that is a file. Raises DataError for one that may not be looked at."""
    for path in candidates:
        try:
            if path.is_file():
                return path
        except (OSError, ValueError) as error:
            raise DataError(f"{path.parent} cannot be looked at: {error}") from None
    return None
