"""Noise that is put into rows on purpose, for a model to learn to take away. Vincent et al. 2008; Im et al. 2017.

    noisy = Masking(0.3)(images, seed=1)

Each kind draws on the host, from a stream of its own, and leaves the rows within what the encoder accepts.
"""

from __future__ import annotations

from math import inf, isfinite
from numbers import Real
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.representation import call_repr
from scratchvae.rng import fill_random, generator
from scratchvae.validation import check_choice, check_float, check_positive, short_repr

Range = tuple[float, float]


class Corruption:
    """A kind of noise, and how much of it, `level`. Raises ConfigError for a level that makes no sense."""

    def __init__(self, level: float) -> None:
        self.level = check_positive("level", level)

    __repr__ = call_repr

    def __call__(self, x: Any, seed: int = 0, support: Range = (0.0, 1.0)) -> Array:
        """A noisy copy of the rows x (N, D), within `support`; float32 unless x is of another float type.

        NaN, which marks what is missing, stays. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        x = _rows(x, _ends(support))
        x = x if x.dtype.kind == "f" and x.dtype.itemsize >= 4 else x.astype(np.float32)
        return Corruptor(self, generator(seed, "corruption"), x.dtype, support)(x)

    def check(self, support: Range) -> None:
        """Raises ConfigError if what it writes may lie outside `support`."""

    def draw(self, x: Array, rng: np.random.Generator, noisy: Array, room: Array, support: Range) -> None:
        """Write the rows x (n, D) into `noisy` (n, D), corrupted by what `rng` draws; `room` is (2, n, D) booleans."""
        raise NotImplementedError


class GaussianNoise(Corruption):
    """x + level · n with n ~ N(0, 1) for each number; what leaves the support is set to its nearer end."""

    def draw(self, x: Array, rng: np.random.Generator, noisy: Array, room: Array, support: Range) -> None:
        """As `Corruption.draw`."""
        fill_random(noisy, rng.standard_normal)
        noisy *= self.level
        noisy += x
        np.clip(noisy, *support, out=noisy)


class _Chance(Corruption):
    def __init__(self, level: float) -> None:
        super().__init__(level)
        if self.level > 1:
            raise ConfigError(f"level={level!r}: expected a probability, more than 0 and at most 1")


class Masking(_Chance):
    """Each number becomes 0 with probability `level`. Vincent et al. 2008."""

    def check(self, support: Range) -> None:
        """Raises ConfigError unless 0 is within `support`."""
        _require(0.0, self, support)

    # u is uniform on [0, 1): P(u ≥ level) = 1 − level
    def draw(self, x: Array, rng: np.random.Generator, noisy: Array, room: Array, support: Range) -> None:
        """As `Corruption.draw`."""
        fill_random(noisy, rng.random)
        np.greater_equal(noisy, self.level, out=noisy)
        noisy *= x


class SaltAndPepper(_Chance):
    """Each number becomes `low` or `high` with probability level/2 each. Vincent et al. 2010."""

    def __init__(self, level: float, low: float = 0.0, high: float = 1.0) -> None:
        super().__init__(level)
        self.low, self.high = check_float("low", low, minimum=-inf), check_float("high", high, minimum=-inf)
        if not self.low < self.high:
            raise ConfigError(f"low={low!r}, high={high!r}: expected two numbers, the first the smaller")

    def check(self, support: Range) -> None:
        """Raises ConfigError unless both ends are within `support`."""
        _require(self.low, self, support)
        _require(self.high, self, support)

    # u is uniform on [0, 1): P(u < ½ level) = ½ level = P(u ≥ 1 − ½ level)
    def draw(self, x: Array, rng: np.random.Generator, noisy: Array, room: Array, support: Range) -> None:
        """As `Corruption.draw`."""
        pepper, salt = room
        fill_random(noisy, rng.random)
        np.less(noisy, self.level / 2, out=pepper)
        np.greater_equal(noisy, 1 - self.level / 2, out=salt)
        noisy[...] = x
        np.copyto(noisy, self.low, where=pepper)
        np.copyto(noisy, self.high, where=salt)


def _ends(support: Any) -> Range:
    ends = support if isinstance(support, tuple | list) and len(support) == 2 else (inf, -inf)
    if not all(isinstance(end, Real) for end in ends) or not ends[0] < ends[1]:
        raise ConfigError(
            f"support={short_repr(support)}: expected two numbers, the first the smaller, such as (0.0, 1.0)"
        )
    return float(ends[0]), float(ends[1])


def _rows(x: Any, support: Range) -> Array:
    rows = as_real_array("x", x)
    if rows.ndim != 2 or not rows.size:
        mend = "; for a single row, pass x[None, :]" if rows.ndim == 1 else "; flatten with x.reshape(len(x), -1)"
        raise ShapeError(f"x has shape {rows.shape}; expected (N, D), not empty{mend if rows.ndim else ''}")
    low, high = float(np.nanmin(rows)), float(np.nanmax(rows))
    if not isfinite(low) or not isfinite(high):
        raise RangeError("x holds no numbers, or infinite ones (NaN or infinite); drop those rows, or fill them in")
    if not support[0] <= low <= high <= support[1]:
        raise RangeError(
            f"x holds values from {low:g} to {high:g}; expected {support[0]:g} to {support[1]:g}: divide 8-bit images "
            "by 255, shift and scale others, or pass the support that they have, such as support=(-math.inf, math.inf)"
        )
    return rows


def _require(value: float, corruption: Corruption, support: Range) -> None:
    if not support[0] <= value <= support[1]:
        raise ConfigError(
            f"{corruption} writes {value:g}, and the data lies within {support[0]:g} to {support[1]:g}: choose another "
            "kind of noise, or other ends"
        )


class Corruptor:
    """Corrupts batches, each with noise of its own from `rng`, in room that is made once."""

    def __init__(self, corruption: Corruption, rng: np.random.Generator, dtype: np.dtype[Any], support: Range) -> None:
        if not isinstance(corruption, Corruption):
            names = ", ".join(kind.__name__ for kind in CORRUPTIONS.values())
            raise ConfigError(f"corrupt={short_repr(corruption)}: expected {names}, made with its level")
        corruption.check(support)
        self.corruption = corruption
        self.rng = rng
        self.support = support
        self._noisy = np.empty((0, 0), dtype)

    def __call__(self, x: Array) -> Array:
        """Noisy rows (n, D) of the rows x (n, D); a loan until the next call."""
        if len(x) > len(self._noisy):
            self._noisy = np.empty(x.shape, self._noisy.dtype)
            self._room = np.empty((2, *x.shape), np.bool_)
        noisy = self._noisy[: len(x)]
        self.corruption.draw(x, self.rng, noisy, self._room[:, : len(x)], self.support)
        return noisy


CORRUPTIONS: dict[str, type[Corruption]] = {"gaussian": GaussianNoise, "salt-and-pepper": SaltAndPepper, "masking": Masking}


def corruption(kind: str, level: float) -> Corruption:
    """The kind of noise of that name. Raises ConfigError."""
    return CORRUPTIONS[check_choice("kind", kind, tuple(CORRUPTIONS))](level)


def describe(corrupt: Corruption) -> dict[str, Any]:
    """What `corruption` makes it of again, as JSON can hold it."""
    (kind,) = (name for name, of in CORRUPTIONS.items() if type(corrupt) is of)
    return {"kind": kind, "level": corrupt.level}
