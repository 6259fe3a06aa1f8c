"""What is written into has to be writable."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ReadOnlyError


def require_writable(**arrays: Array) -> None:
    """Raises ReadOnlyError where one of the `arrays` may only be read, as a map that was opened with mode "r"."""
    for name, array in arrays.items():
        if isinstance(array, np.ndarray) and not array.flags.writeable:
            raise ReadOnlyError(f"{name} may only be read, but is written into; pass a copy of it: {name}.copy()")
