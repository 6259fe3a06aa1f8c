"""Check that output arrays are writable."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ReadOnlyError


def check_writable(**arrays: Array) -> None:
    """Raise ReadOnlyError if one of the `arrays` is read-only, such as an np.memmap of mode "r"."""
    for name, array in arrays.items():
        if isinstance(array, np.ndarray) and not array.flags.writeable:
            raise ReadOnlyError(f"{name} is read-only; expected a writable array: pass {name}.copy()")
