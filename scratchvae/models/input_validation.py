"""The door: what comes in from outside is looked at here, before anything is computed."""

from __future__ import annotations

from math import inf, isfinite, isnan
from typing import Any

import numpy as np

from scratchvae.arrays import as_numpy, check_real
from scratchvae.backend import Array, Backend
from scratchvae.errors import RangeError, ShapeError
from scratchvae.kernels.missing import nan_to_zero
from scratchvae.memory import RowReader

AT_ONCE = 2**22  # bytes of rows that are looked at together: few enough for a processor's cache


class InputValidator:
    """Lets arrays of the host or of the backend in, as rows of a model's dtype on a model's device."""

    def __init__(self, backend: Backend, dtype: np.dtype[Any]) -> None:
        self.backend = backend
        self.dtype = dtype
        largest = float(min(np.finfo(dtype).max, np.finfo(np.float64).max))
        self.finite = (-largest, largest)

    def check_rows(
        self,
        x: Any,
        name: str,
        width: int,
        support: tuple[float, float] = (-inf, inf),
        mean: Array | None = None,
        missing: bool = False,
    ) -> Array:
        """`x`, once it is known to be rows (B, width) of finite real numbers within `support`.

        `mean` (width,) float64, where it is given, is set to the mean of the rows. With `missing`, NaN stands for what
        is missing; the mean is that of what is there. Nothing is copied or converted, so that x may be larger than
        memory. Raises DTypeError, ShapeError, RangeError, DataError.
        """
        x = self.check_numbers(x, name)
        if x.ndim != 2 or x.shape[1] != width or not len(x):
            raise ShapeError(f"{name} has shape {x.shape}; expected (B, {width}) with B ≥ 1{_hint(x, name, width)}")
        if width:
            check_range(self._missing_as_zero(x) if missing else x, name, self.representable(support), mean, missing)
        array: Array = x
        return array

    def check_numbers(self, x: Any, name: str) -> Array:
        """`x` as an array of real numbers, of the host or of our device. Raises DTypeError."""
        array: Any = x if type(x) is self.backend.array_type else as_numpy(name, x)
        check_real(name, x, array)
        return array  # type: ignore[no-any-return]

    def representable(self, support: tuple[float, float]) -> tuple[float, float]:
        """`support`, as far as our dtype goes."""
        return max(support[0], self.finite[0]), min(support[1], self.finite[1])

    # 0 is within every support: on a device, where a look at each number is dear, it stands for what is missing.
    def _missing_as_zero(self, x: Array) -> Array:
        if isinstance(x, np.ndarray) or x.dtype.kind != "f":
            return x
        xp = self.backend.xp
        return nan_to_zero(xp, x, out=xp.empty(x.shape, x.dtype), scratch=xp.empty(x.shape, x.dtype))

    def to_device(self, x: Array) -> Array:
        """`x` of our dtype and on our device; itself if it is so already."""
        if isinstance(x, self.backend.array_type):
            return x.astype(self.dtype, copy=False)
        return self.backend.upload(x.astype(self.dtype, copy=False))


def check_range(
    x: Array, name: str, support: tuple[float, float], mean: Array | None = None, missing: bool = False
) -> None:
    """Raises RangeError unless every number of `x` is finite and within `support`; sets `mean` to that of the rows.

    With `missing`, NaN on the host is passed over.
    """
    rows = RowReader(x, name)
    on_host = isinstance(x, np.ndarray)
    if mean is None and not rows.mapped and (not on_host or (not missing and x.nbytes <= AT_ONCE)):
        low, high = float(x.min()), float(x.max())  # NaN if any number is
    else:
        low, high = _range_and_mean(rows, support, mean, missing)
    if support[0] <= low and high <= support[1]:
        return
    if not (isfinite(low) and isfinite(high)):
        raise RangeError(
            f"{name} holds NaN or infinite values; drop those rows, or fill them in, first; or let NaN mark what is "
            "missing, in a model made with missing=True"
        )
    mend = "divide 8-bit images by 255, other data by their maximum" if low >= 0 else "shift and scale them first"
    mend += ", or take likelihood='gaussian', of any numbers" if support == (0.0, 1.0) else ""
    raise RangeError(f"{name} holds values from {low:g} to {high:g}; expected {support[0]:g} to {support[1]:g}: {mend}")


# NumPy adds rows in turn: where the first of a part is the sum so far, the mean has the bits of a single pass.
def _range_and_mean(
    rows: RowReader, support: tuple[float, float], mean: Array | None, missing: bool
) -> tuple[float, float]:
    """The smallest and the largest number, NaN if any number is; `mean` is set if both are within `support`.

    With `missing`, both are those of the numbers that are no NaN, and of 0; so is the mean, without the 0.

    All is found in one pass, part by part: what was read for the range is still in the cache for the mean.
    """
    x = rows.array
    at_once = max(1, AT_ONCE * len(x) // x.nbytes)
    if mean is not None:
        mean[...] = 0.0
        room = np.empty((min(at_once, len(x)) + 1, *x.shape[1:]))
    low, high = inf, -inf
    counts = np.zeros(x.shape[1:], np.int64)
    for part in rows.parts(at_once):
        few = x[part]
        if missing:
            there = ~np.isnan(few)
            counts += there.sum(axis=0)
            few = np.where(there, few, few.dtype.type(0))
        bottom, top = float(few.min()), float(few.max())
        if isnan(bottom):
            return bottom, top
        low, high = min(low, bottom), max(high, top)
        if mean is not None and support[0] <= low and high <= support[1]:
            terms = room[: len(few) + 1]
            terms[0], terms[1:] = mean, few
            np.sum(terms, axis=0, out=mean)
    if mean is not None:
        if missing and not counts.all():
            raise RangeError(
                f"{rows.name} has nothing observed in column {int(counts.argmin())}, of which nothing can be learnt; "
                "leave that column out"
            )
        mean /= counts if missing else len(x)
    return low, high


def _hint(x: Array, name: str, width: int) -> str:
    if x.ndim == 1 and len(x) == width:
        return f": for a single row, pass {name}[None, :]"
    if x.ndim > 2 and len(x) and x[0].size == width:
        return f": flatten each sample with {name}.reshape(len({name}), -1)"
    return ""
