"""Earlier versions of a file, beside it: of run.npz, run.1.npz is the one before, run.2.npz the one before that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scratchvae.disk.writing import whole_file


def version(path: Path, age: int) -> Path:
    """The name of the version that is `age` versions old; 0 is `path` itself."""
    return path.with_name(f"{path.stem}.{age}{path.suffix}") if age else path


def rotate(path: Path, keep: int) -> None:
    """Make way for a new file at `path`, so that `keep` versions are there once it has taken its name.

    Until then `path` stays where it is: at no moment is there none. Raises OSError or FileError.
    """
    for age in range(keep - 1, 1, -1):
        if version(path, age - 1).exists():
            version(path, age - 1).replace(version(path, age))
    before = version(path, 1)
    if keep == 1 or not path.exists():
        return
    before.unlink(missing_ok=True)
    try:
        os.link(path, before)
    except OSError:  # a file system of one name a file
        with path.open("rb") as source, whole_file(before) as copy:
            shutil.copyfileobj(source, copy)


def versions(path: Path) -> list[Path]:
    """Those versions that are there, the newest first."""
    found = [path] if path.exists() else []
    age = 1
    while version(path, age).exists():
        found.append(version(path, age))
        age += 1
    return found
