"""Validation of a model's inputs: shape, dtype and range, before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, isnan
from typing import Any

import numpy as np

from scratchvae.arrays import as_numpy, check_real
from scratchvae.backend import Array, Backend, backend_of, to_numpy
from scratchvae.errors import RangeError, ShapeError
from scratchvae.kernels.missing import nan_to_zero
from scratchvae.models.scale import GREY_SCALES, Scale
from scratchvae.probability import Support
from scratchvae.rows import RowReader, RowSource
from scratchvae.validation import short_repr

# by `missing` of the model, or None for arrays that are not data
NONFINITE = {
    True: "infinite values{place}; drop those rows, or replace the values, by NaN if they are missing",
    False: "NaN or infinite values{place}; drop those rows, or replace the values; if NaN marks missing values, make "
    "the model with missing=True",
    None: "NaN or infinite values; expected finite numbers",
}
LARGE = 1e30
ROUNDING = 1e-5  # by which a value may be outside the support, as a share of its width
UNSCALED = Scale()
CHUNK_BYTES = 2**22  # bytes of rows that are checked at once; they fit into a processor's cache


class InputValidator:
    """Checks arrays of the host or of the backend, and converts them to a model's dtype and device."""

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
        missing: bool | None = None,
        scale: Scale = UNSCALED,
        columns: Sequence[str] | None = None,
        empty: bool = False,
    ) -> Array:
        """Check that x holds rows (B, width) of finite real numbers that are, when scaled, within `support`; return it.

        mean      (width,) float64, if not None, is set to the mean of the scaled rows
        missing   NaN marks a missing value, and the mean is over the observed values. None: x is no data, in which
                  values could be missing
        columns   names of the columns, for messages
        empty     B may be 0

        Nothing is copied or converted, so that x may be larger than memory.
        Raises DTypeError, ShapeError, RangeError, DataError.
        """
        x = self.check_numbers(x, name)
        if x.ndim != 2 or x.shape[1] != width or not (empty or len(x)):
            least = "" if empty else " with B ≥ 1"
            raise ShapeError(
                f"{name} has shape {short_repr(x.shape)}; expected (B, {width}){least}{_hint(x, name, width)}"
            )
        if width and len(x):
            observed = self._missing_as_zero(x) if missing else x
            size = support[1] - support[0]
            tolerance = ROUNDING * size if size < inf else 0.0
            check_range(observed, name, self.representable(support), mean, missing, scale, columns, tolerance)
        array: Array = x
        return array

    def check_numbers(self, x: Any, name: str) -> Array:
        """`x` as an array of real numbers, on the host or on the model's device; a `RowSource` as it is.

        Raises DTypeError.
        """
        array: Any = x if type(x) is self.backend.array_type or isinstance(x, RowSource) else as_numpy(name, x)
        check_real(name, x, array)
        return array  # type: ignore[no-any-return]

    def representable(self, support: tuple[float, float]) -> tuple[float, float]:
        """`support`, limited to the finite numbers of the dtype."""
        return max(support[0], self.finite[0]), min(support[1], self.finite[1])

    # 0 is within every support. On a device, where transferring all numbers would be slow, the minimum and maximum of x
    # with 0 for NaN are enough.
    def _missing_as_zero(self, x: Array) -> Array:
        if isinstance(x, np.ndarray | RowSource) or x.dtype.kind != "f":
            return x
        xp = self.backend.xp
        return nan_to_zero(xp, x, out=xp.empty(x.shape, x.dtype), scratch=xp.empty(x.shape, x.dtype))

    def to_device(self, x: Array) -> Array:
        """`x` in the model's dtype and on its device; x itself if it is that already."""
        if isinstance(x, self.backend.array_type):
            return x.astype(self.dtype, copy=False)
        return self.backend.upload(x.astype(self.dtype, copy=False))


def wider(support: tuple[float, float]) -> tuple[float, float]:
    """`support` with its width added on either side: [−1, 2] for [0, 1]; a half-line stays as it is."""
    width = support[1] - support[0]
    if width == inf:
        return support
    return support[0] - width, support[1] + width


def check_range(
    x: Array,
    name: str,
    support: tuple[float, float],
    mean: Array | None = None,
    missing: bool | None = None,
    scale: Scale = UNSCALED,
    columns: Sequence[str] | None = None,
    tolerance: float = 0.0,
) -> None:
    """Raises RangeError unless all scaled numbers of x are finite and within `support`, up to `tolerance`.

    Sets `mean`, if not None, to the mean of the scaled rows. With `missing`, NaN is skipped if x is on the host. None
    means that x is no data, in which values could be missing.
    """
    rows = RowReader(x, name)
    on_host = isinstance(x, np.ndarray | RowSource)
    allowed = support[0] - tolerance, support[1] + tolerance
    in_one_piece = not on_host or (isinstance(x, np.ndarray) and not missing and x.nbytes <= CHUNK_BYTES)
    if mean is None and not rows.mapped and in_one_piece and scale.is_identity:
        low, high = float(x.min()), float(x.max())  # NaN if any number is NaN
    elif on_host:
        low, high = _range_and_mean(rows, allowed, mean, bool(missing), scale, columns)
    else:
        scaled = scale.to_networks(x, np if on_host else backend_of(x, name).xp)
        low, high = float(scaled.min()), float(scaled.max())
    if allowed[0] <= low and high <= allowed[1]:
        if missing is not None and scale.kind in ("255", "65535") and _are_fractions(x, high * scale.factor):
            raise RangeError(
                f"{name} holds values up to {high * scale.factor:g}, and the training data were from 0 to "
                f"{scale.kind}: multiply them by {scale.kind}"
            )
        return
    if not (isfinite(low) and isfinite(high)):
        place = _first_nonfinite(rows, bool(missing), columns) if on_host else ""
        raise RangeError(f"{name} holds {NONFINITE[missing].format(place=place)}")
    expected = f"{support[0]:g} to {support[1]:g}"
    found = f"{_digits(low, support)} to {_digits(high, support)}"
    if not scale.is_identity:
        raise RangeError(
            f"{name} holds values of {found} by the scale {scale.kind!r}; expected {expected}: bring them into the "
            "units of the training data, or leave those rows out"
        )
    if support[1] > LARGE:  # any number that the dtype of the model has
        hint = "correct those values, or leave those rows out"
    else:
        training = mean is not None
        if low >= 0 and 2 < high <= 255:
            hint = "divide 8-bit images by 255" + " (scale='255')" * training
        else:
            hint = "use scale='minmax'" if training else "bring them into that range"
        hint += ", or use likelihood='gaussian', for any real numbers" if support == (0.0, 1.0) else ""
    raise RangeError(f"{name} holds values from {found}; expected {expected}: {hint}")


def check_supports(
    x: Array,
    name: str,
    supports: Sequence[Support],
    missing: bool,
    columns: Sequence[str] | None,
    exact: bool,
) -> None:
    """Raises RangeError unless the values of x (B, D), finite numbers or NaN, are in the supports of their columns.

    exact   False: the likelihood is not computed of x. It may then be somewhat outside, counts need not be whole, and
            groups of categories need not sum to 1
    """
    rows = RowReader(x, name)
    for part in rows.slices(
        max(1, CHUNK_BYTES // max(1, x[:1].nbytes if isinstance(x, np.ndarray) else 8 * x.shape[1]))
    ):
        chunk = to_numpy(rows.array[part])
        for support in supports:
            _check_support(chunk[:, support.start : support.stop], name, support, missing, columns, exact, part.start)


def _check_support(
    x: Array, name: str, support: Support, missing: bool, columns: Sequence[str] | None, exact: bool, first_row: int
) -> None:
    def place(wrong: Array, whole_group: bool = False) -> tuple[float, str]:
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        where = _column(support.start + column, columns)
        if whole_group:
            last = f"{columns[support.stop - 1]!r:.40}" if columns else support.stop
            first = f"{columns[support.start]!r:.40}" if columns else support.start + 1
            return 0.0, f"columns {first} to {last} of row {first_row + row + 1}"
        return float(x[row, column]), f"row {first_row + row + 1}, {where}"

    low, high = (support.low, support.high) if exact else wider((support.low, support.high))
    tolerance = ROUNDING * (high - low) if high - low < inf else 0.0
    outside = (x < low - tolerance) | (x > high + tolerance)
    if outside.any():
        value, where = place(outside)
        expected = f"{low:g} to {high:g}" if high < inf else f"numbers from {low:g}"
        if support.whole:
            expected = "counts, 0, 1, 2, …"
        elif support.one_hot:
            expected = "zeros and a one (one-hot)"
        raise RangeError(f"{name} holds {value:g} in {where}; expected {expected}: correct it, or leave that row out")
    if exact and support.whole and (fractional := x % 1 > 0).any():
        value, where = place(fractional)
        raise RangeError(
            f"{name} holds {value:g} in {where}; expected counts, 0, 1, 2, …: pass them before any scaling, averaging "
            "or logarithm, or use likelihood='gaussian', for any real numbers"
        )
    if exact and support.one_hot:
        unknown = np.isnan(x)
        total = x.sum(axis=1)
        wrong = ~(np.abs(total - 1.0) <= ROUNDING) & ~(unknown.all(axis=1) & missing)
        if wrong.any():
            row = int(wrong.argmax())
            _, where = place(wrong[:, None], whole_group=True)
            if unknown[row].any():
                raise RangeError(
                    f"{name} has NaN in a part of {where}; mark all columns of a group as missing, or none"
                )
            hint = "mark an unknown category by NaN in all of them" if missing else "correct that row, or the levels"
            raise RangeError(
                f"{name} has the sum {float(total[row]):g} in {where}; expected zeros and a one (one-hot): {hint}"
            )


def check_not_bytes(x: Array, name: str) -> None:
    """Raises RangeError if x (B, D), on the host, holds unsigned integers of 8 or 16 bits other than 0 and 1.

    A model of fractions, such as grey values from 0 to 1, would otherwise accept numbers 255 times as large.
    """
    largest = GREY_SCALES.get(x.dtype.newbyteorder("="))
    if largest is None:
        return
    rows = RowReader(x, name)
    high = max((rows.array[part].max(initial=0) for part in rows.slices(512)), default=0)
    if high > 1:
        raise RangeError(
            f"{name} holds {x.dtype.name} numbers up to {high}, and the training data were not: divide them by "
            f"{largest}, or convert them with .astype('float32') if the training data had such numbers"
        )


def _are_fractions(x: Array, high: float) -> bool:
    """True for numbers of at most 1 that are not all whole: pictures from 0 to 1, rather than dark ones of bytes."""
    if not 0 < high <= 1 or x.dtype.kind != "f":
        return False
    chunks = (x[part] for part in RowReader(x, "x").slices(512))
    return any(bool((chunk[chunk == chunk] % 1 != 0).any()) for chunk in chunks)


def _digits(number: float, support: tuple[float, float]) -> str:
    """The number with as many digits as show that it is not a bound of the support."""
    text = f"{number:g}"
    return f"{number:.9g}" if text in (f"{support[0]:g}", f"{support[1]:g}") and number not in support else text


# NumPy sums over axis 0 row by row. With the running sum as the first row of a chunk, the mean therefore has the same
# bits as in a single pass over all rows.
def _range_and_mean(
    rows: RowReader,
    support: tuple[float, float],
    mean: Array | None,
    missing: bool,
    scale: Scale,
    columns: Sequence[str] | None,
) -> tuple[float, float]:
    """The smallest and the largest scaled number, NaN if any is NaN; `mean` is set if both are within `support`.

    With `missing`, NaN counts as 0 for the range, and is left out of the mean. A single pass in chunks: a chunk is
    still in the processor's cache when its mean is computed.
    """
    x = rows.array
    chunk_rows = max(1, CHUNK_BYTES * len(x) // x.nbytes)
    if mean is not None:
        mean[...] = 0.0
        buffer = np.empty((min(chunk_rows, len(x)) + 1, *x.shape[1:]))
    low, high = inf, -inf
    counts = np.zeros(x.shape[1:], np.int64)
    for part in rows.slices(chunk_rows):
        chunk = scale.to_networks(x[part])
        if missing:
            observed = ~np.isnan(chunk)
            counts += observed.sum(axis=0)
            chunk = np.where(observed, chunk, chunk.dtype.type(0))
        chunk_low, chunk_high = float(chunk.min()), float(chunk.max())
        if isnan(chunk_low):
            return chunk_low, chunk_high
        low, high = min(low, chunk_low), max(high, chunk_high)
        if mean is not None and support[0] <= low and high <= support[1]:
            terms = buffer[: len(chunk) + 1]
            terms[0], terms[1:] = mean, chunk
            np.sum(terms, axis=0, out=mean)
    if mean is not None:
        if missing and not counts.all():
            raise RangeError(
                f"{rows.name} has no observed value in {_column(int(counts.argmin()), columns)}, so that nothing can "
                "be learned about it; leave that column out"
            )
        mean /= counts if missing else len(x)
    return low, high


def _first_nonfinite(rows: RowReader, missing: bool, columns: Sequence[str] | None) -> str:
    """The place of the first number that is not finite, or with `missing` infinite: " (row 3, column 'b')"."""
    chunk_rows = max(1, CHUNK_BYTES // max(1, rows.array[:1].nbytes))
    for part in rows.slices(chunk_rows):
        chunk = rows.array[part]
        invalid = np.argwhere(np.isinf(chunk) if missing else ~np.isfinite(chunk))
        if len(invalid):
            row, column = invalid[0]
            return f", the first in row {part.start + int(row) + 1}, {_column(int(column), columns)}"
    return ", too large for the dtype of the model"


def _column(index: int, columns: Sequence[str] | None) -> str:
    """A column, counted from 1, and its name."""
    return f"column {index + 1}" + (f" ({short_repr(columns[index])})" if columns else "")


def _hint(x: Array, name: str, width: int) -> str:
    if x.ndim == 1 and len(x) == width:
        return f": for a single row, pass {name}[None, :], or frame.iloc[[0]] of a table"
    if x.ndim > 2 and len(x) and x[0].size == width:
        return f": flatten each sample with {name}.reshape(len({name}), -1)"
    return ""
