"""Arrays in files, read without running anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.disk.writing import reason_of
from scratchvae.errors import FileError, ScratchVAEError

Array = np.ndarray[Any, np.dtype[Any]]
NPY, ZIP = b"\x93NUMPY", b"PK"  # how a .npy and an .npz file begin


def read_arrays(path: Path, choose: Callable[[list[str]], Iterable[str]]) -> dict[str, Array]:
    """The arrays of an .npz file that `choose` picks from all their names, or of a .npy file, whose one name is "".

    Nothing is unpickled. Raises FileError for what is no such file, or is damaged.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(NPY))
            file.seek(0)
            if start != NPY and not start.startswith(ZIP):
                raise FileError(f"{path} is neither a .npy nor an .npz file")
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return dict.fromkeys(choose([""]), loaded)
            arrays = {name: loaded[name] for name in choose(loaded.files)}
    except ScratchVAEError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib have a dozen ways to say that a file is damaged
        raise FileError(f"{path} cannot be read: {reason_of(error)}") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise FileError(f"{path} holds {name!r}, which is no array")
    return arrays
