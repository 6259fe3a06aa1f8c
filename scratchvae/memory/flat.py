"""One flat vector, seen as named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.memory.aligned import aligned
from scratchvae.validation import short_repr

Shapes = dict[str, tuple[int, ...]]


def require_vector(name: str, array: Any) -> None:
    """Raises DTypeError or ShapeError unless `array` is a vector (P,) of floats, on whatever device."""
    if not (hasattr(array, "dtype") and hasattr(array, "__len__")):
        raise DTypeError(f"{name} is {short_repr(array)}; expected an array (P,) of floats")
    if array.dtype.kind != "f":
        raise DTypeError(f"{name} has dtype {array.dtype}; expected floats: convert it with .astype('float64')")
    if array.ndim != 1:
        raise ShapeError(f"{name} has shape {array.shape}; expected a vector (P,)")


class FlatVector:
    """Contiguous zeros, cut into named views in the order of `shapes`.

    `data` (P,) is what an optimizer, a norm, a file or an all-reduce sees; `views` is what a layer sees. Both are
    the same memory: write `view[...] = new`, never `views[name] = new`, which would part the two.
    """

    def __init__(self, xp: Any, shapes: Mapping[str, tuple[int, ...]], dtype: Any) -> None:
        self.data = aligned(xp.zeros, (sum(prod(shape) for shape in shapes.values()),), dtype)
        self.views: dict[str, Array] = {}
        offset = 0
        for name, shape in shapes.items():
            size = prod(shape)
            self.views[name] = self.data[offset : offset + size].reshape(shape)
            offset += size

    def part(self, prefix: str) -> dict[str, Array]:
        """The views whose names begin with `prefix.`, under the rest of their names."""
        return under(self.views, prefix)


def under(named: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """What `named` holds under `prefix.`, by the rest of each name."""
    start = prefix + "."
    return {name.removeprefix(start): array for name, array in named.items() if name.startswith(start)}
