"""The scale of the data: the affine map from a user's units to the numbers that the networks see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, RangeError
from scratchvae.rows import RowReader, RowSource, extremes

CENTRED = ("standardize", "common")  # scales that subtract the means
OF_COLUMNS = (*CENTRED, "minmax")  # scales that are learned from the columns
SCALES = ("auto", "none", *OF_COLUMNS, "255", "65535")
GREY_SCALES = {np.dtype("u1"): "255", np.dtype("u2"): "65535"}
SAME_RANGE = 0.9  # the share of a range that counts as nearly all of it
CHUNK_BYTES = 2**22  # bytes of rows that are read at once


class Scale(NamedTuple):
    """u = (x − shift) / factor, for rows x (N, D) in the units of the data and u (N, D) in those of the networks.

    kind     "none", "standardize" (mean 0 and standard deviation 1), "common" (mean 0, and one factor for all columns,
             so that their mean variance is 1), "minmax" (0 to 1), "255" or "65535"
    shift    (D,) float64: the means, or the minima; None: 0
    factor   (D,) float64: the standard deviations, or the ranges; a number for all columns; None: 1
    """

    kind: str = "none"
    shift: Any = None
    factor: Any = None

    @property
    def is_identity(self) -> bool:
        """True if x and u are the same."""
        return self.factor is None

    @property
    def changes_density(self) -> bool:
        """True if log p(x) has the term −Σ log factor. Grey values have none: they are in [0, 1] by convention."""
        return self.kind in OF_COLUMNS

    def to_networks(self, x: Array, xp: Any = np, out: Array | None = None) -> Array:
        """u (N, D) from x (N, D), in float64, in a new array or in `out`; x itself if it is not scaled."""
        if self.factor is None:
            return x
        u: Array = xp.empty(x.shape, np.promote_types(x.dtype, np.float64)) if out is None else out
        xp.subtract(x, 0.0 if self.shift is None else xp.asarray(self.shift), out=u)
        u /= xp.asarray(self.factor)
        return u

    def to_data(self, u: Array, xp: Any = np) -> Array:
        """x (N, D) from u (N, D), u itself if it is not scaled; in float64 if columns have units of their own."""
        if self.factor is None:
            return u
        if not self.changes_density:
            return (u * self.factor).astype(u.dtype, copy=False)  # type: ignore[no-any-return]
        x: Array = u.astype(np.promote_types(u.dtype, np.float64))  # a large shift would round in float32
        x *= xp.asarray(self.factor)
        x += xp.asarray(self.shift)
        return x

    def as_json(self) -> dict[str, Any]:
        """The scale as values of JSON."""
        numbers = {"shift": self.shift, "factor": self.factor}
        return {
            "kind": self.kind,
            **{name: n.tolist() if isinstance(n, np.ndarray) else n for name, n in numbers.items()},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], columns: int) -> Scale:
        """The scale of `as_json` for rows of `columns` numbers. Raises ConfigError."""
        kind, shift, factor = (content.get(name) for name in ("kind", "shift", "factor"))
        try:
            arrays: list[Any] = [None if n is None else np.array(n, np.float64) for n in (shift, factor)]
        except (TypeError, ValueError):
            arrays = [np.full((), np.nan)] * 2
        numbers = [n for n in arrays if n is not None]
        if (
            kind not in SCALES[1:]
            or not all(n.shape in ((), (columns,)) and np.isfinite(n).all() for n in numbers)
            or (arrays[1] is not None and not (arrays[1] > 0).all())
            or (arrays[1] is None) != (kind == "none")
        ):
            raise ConfigError("the scale of the schema is damaged: expected finite numbers, a positive factor")
        return cls(kind, *(float(n) if n is not None and n.ndim == 0 else n for n in arrays))


def learn_scale(setting: str, x: Array | RowSource, standardize: bool, named: bool) -> Scale:
    """The scale of training rows x (N, D) on the host, for a setting of SCALES. NaN does not count.

    "auto" divides bytes by 255 and 16-bit integers by 65535, unless all are 0 or 1, or the columns are `named`. Other
    numbers are standardized if `standardize`. Raises RangeError.
    """
    if setting == "auto":
        setting = "standardize" if standardize else "none"
        grey = GREY_SCALES.get(x.dtype.newbyteorder("="))
        if grey and not named and extremes(x)[1] > 1:
            setting = grey
    if setting == "none":
        return Scale()
    if setting in ("255", "65535"):
        if x.size and (largest := extremes(x)[1]) <= 1:
            raise RangeError(
                f"images holds values up to {largest:g}; scale={setting!r} would make all of them nearly 0: leave "
                "it out"
            )
        return Scale(setting, None, float(setting))
    if setting in CENTRED:
        mean, variance = _mean_and_variance(x)
        if setting == "common":
            variance[...] = variance.mean()
        return Scale(setting, mean, _factor(np.sqrt(variance)))
    low, high = _minimum_and_maximum(x)
    with np.errstate(over="ignore"):
        return Scale(setting, low, _factor(high - low))


def have_one_unit(x: Array) -> bool:
    """True if most columns of x (N, D) that vary span nearly the range of all numbers, as pixels do."""
    low, high = _minimum_and_maximum(x)
    with np.errstate(over="ignore"):
        spans = (high - low)[high > low]
        return len(spans) > 0 and bool(np.mean(spans > SAME_RANGE * (high.max() - low.min())) > 0.5)


# All numbers are taken relative to the first known one of their column, so that a constant column has deviations of
# exactly 0. A chunk of n rows with mean m and sum of squares Q about m joins the M rows so far (Chan, Golub and LeVeque
# 1983):
#   δ = m − mean,   mean ← mean + δ n/(M + n),   squares ← squares + Q + δ² M n/(M + n)
def _mean_and_variance(x: Array | RowSource) -> tuple[Array, Array]:
    origin, mean, squares, counts = np.full(x.shape[1], np.nan), *(np.zeros(x.shape[1]) for _ in range(3))
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is reported below
        for chunk, known in _chunks(x):
            first = chunk[known.argmax(axis=0), np.arange(x.shape[1])]
            origin = np.where(np.isnan(origin) & known.any(axis=0), first, origin)
            n = known.sum(axis=0)
            total = np.maximum(counts + n, 1)
            relative = np.where(known, chunk - origin, 0.0)
            chunk_mean = relative.sum(axis=0) / np.maximum(n, 1)
            deviations = np.where(known, relative - chunk_mean, 0.0)
            delta = np.where(n > 0, chunk_mean - mean, 0.0)
            squares += (deviations * deviations).sum(axis=0) + delta**2 * (counts * n / total)
            mean += delta * (n / total)
            counts += n
        return np.nan_to_num(origin, nan=0.0) + mean, squares / np.maximum(counts, 1)


def _minimum_and_maximum(x: Array | RowSource) -> tuple[Array, Array]:
    low, high = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
    for chunk, known in _chunks(x):
        low = np.minimum(low, np.where(known, chunk, np.inf).min(axis=0))
        high = np.maximum(high, np.where(known, chunk, -np.inf).max(axis=0))
    empty = high < low
    return np.where(empty, 0.0, low), np.where(empty, 0.0, high)


def _chunks(x: Array | RowSource) -> Iterator[tuple[Array, Array]]:
    """Yield chunks of the rows, in float64, and the mask of their finite numbers; the others are refused later."""
    rows = RowReader(x, "images")
    for part in rows.slices(max(1, CHUNK_BYTES // max(1, x[:1].nbytes))):
        chunk = np.asarray(rows.array[part], np.float64)
        yield chunk, np.isfinite(chunk)


def _factor(spread: Array) -> Array:
    """The spread of each column, or 1 for a constant column."""
    if not np.isfinite(spread).all():
        raise RangeError(
            f"images has numbers too large to scale in column {int(np.argmin(np.isfinite(spread))) + 1}; divide that "
            "column by a large number first"
        )
    return np.where(spread > 0, spread, 1.0)
