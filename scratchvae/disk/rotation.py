"""Earlier versions of a file, beside it: of run.npz, run.1.npz is the one before, run.2.npz the one before that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scratchvae.disk.writing import atomic_write


def version(path: Path, age: int) -> Path:
    """The name of the version that is `age` versions old; 0 is `path` itself."""
    return path.with_name(f"{path.stem}.{age}{path.suffix}") if age else path


# A process may be killed between any two steps, and the next one rotates again:
#   between two renames          one age has no file; the ones before it move up to there, and no further
#   after the link               `path` has the name of the one before as well, and there is nothing to do
def rotate(path: Path, keep: int) -> None:
    """Make way for a new file at `path`, so that `keep` versions are there once it has taken its name.

    Until then `path` stays where it is: at no moment is there none. Raises OSError or FileError.
    """
    before = version(path, 1)
    if keep == 1 or not path.exists() or (before.exists() and before.samefile(path)):
        return
    free = next((age for age in range(1, keep) if not version(path, age).exists()), keep - 1)
    for age in range(free, 1, -1):
        version(path, age - 1).replace(version(path, age))
    before.unlink(missing_ok=True)
    try:
        os.link(path, before)
    except OSError:  # a file system of one name a file
        with path.open("rb") as source, atomic_write(before) as copy:
            shutil.copyfileobj(source, copy)


def versions(path: Path) -> list[Path]:
    """Those versions that are there, the newest first; a process that was killed may have left out one age."""
    found: list[Path] = []
    age = missing = 0
    while missing < 2:
        at = version(path, age)
        missing = 0 if at.exists() else missing + 1
        found += [] if missing else [at]
        age += 1
    return found
