"""Rotation of file versions: run.npz is the current version, run.1.npz the previous one, run.2.npz the one before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scratchvae.disk.writing import atomic_write


def version(path: Path, age: int) -> Path:
    """The path of the version that is `age` versions old; 0 is `path` itself."""
    return path.with_name(f"{path.stem}.{age}{path.suffix}") if age else path


# A process may be killed between any two operations. The next rotation then starts from this state:
#   between two renames   one age has no file; only the versions newer than the gap are renamed
#   after the link        `path` and the previous version are the same file; nothing is to be done
def rotate(path: Path, keep: int) -> None:
    """Rename the older versions before `path` is replaced, so that `keep` versions exist afterwards.

    `path` is linked, not renamed, so that it exists at every moment. Raises OSError or FileError.
    """
    previous = version(path, 1)
    if keep == 1 or not path.exists() or (previous.exists() and previous.samefile(path)):
        return
    free_age = next((age for age in range(1, keep) if not version(path, age).exists()), keep - 1)
    for age in range(free_age, 1, -1):
        version(path, age - 1).replace(version(path, age))
    previous.unlink(missing_ok=True)
    try:
        os.link(path, previous)
    except OSError:  # a file system without hard links
        with path.open("rb") as source, atomic_write(previous) as copy:
            shutil.copyfileobj(source, copy)


def versions(path: Path) -> list[Path]:
    """The existing versions, newest first. A killed process may have left a gap of one age, which is skipped."""
    found: list[Path] = []
    age = missing = 0
    while missing < 2:
        candidate = version(path, age)
        missing = 0 if candidate.exists() else missing + 1
        found += [] if missing else [candidate]
        age += 1
    return found
