"""A flat vector with named views."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.memory.aligned import aligned
from scratchvae.validation import short_repr, shorten

Shapes = dict[str, tuple[int, ...]]


def check_vector(name: str, array: Any) -> None:
    """Raise DTypeError or ShapeError unless `array` is a vector (P,) of floats, on any device."""
    if not (hasattr(array, "dtype") and hasattr(array, "__len__")):
        raise DTypeError(f"{name} is {short_repr(array)}; expected an array (P,) of floats")
    if array.dtype.kind != "f":
        raise DTypeError(
            f"{name} has dtype {shorten(array.dtype, 40)}; expected floats: convert it with .astype('float64')"
        )
    if array.ndim != 1:
        raise ShapeError(f"{name} has shape {shorten(array.shape)}; expected a vector (P,): flatten it with .ravel()")


class FlatVector:
    """A contiguous vector `data` (P,) of zeros, with named `views` in the order of `shapes`.

    Optimizers, norms, files and all-reduce use `data`; layers use `views`. Both share memory, so write
    `view[...] = new`, never `views[name] = new`, which would only replace the view.
    """

    def __init__(self, xp: Any, shapes: Mapping[str, tuple[int, ...]], dtype: Any) -> None:
        self.data = aligned(xp.zeros, (sum(prod(shape) for shape in shapes.values()),), dtype)
        self.views: dict[str, Array] = {}
        offset = 0
        for name, shape in shapes.items():
            size = prod(shape)
            self.views[name] = self.data[offset : offset + size].reshape(shape)
            offset += size

    def with_prefix(self, prefix: str) -> dict[str, Array]:
        """Return the views whose names begin with `prefix.`, keyed by the rest of the name."""
        return with_prefix(self.views, prefix)


def with_prefix(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the arrays whose names begin with `prefix.`, keyed by the rest of the name."""
    start = prefix + "."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
