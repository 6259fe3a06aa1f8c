"""Training rows that are named by their files."""

from __future__ import annotations

import os
from typing import Any

from scratchvae.rows import open_shards


def open_rows(value: Any, name: str) -> Any:
    """The rows of .npy files, mapped, if `value` is a path, a pattern or a list of paths; else `value`.

    Raises as `open_shards`.
    """
    return open_shards(value, name) if _names_files(value) else value


def _names_files(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(path, str | os.PathLike) for path in value)
    return isinstance(value, str | os.PathLike)
