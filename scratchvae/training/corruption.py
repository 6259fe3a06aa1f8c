"""Corruption: noise added to the input of the encoder for denoising training. Vincent et al. 2008; Im et al. 2017.

    noisy = Masking(0.3)(images, seed=1)

The noise is drawn on the host, from a random stream of its own. The corrupted rows stay within the support of the data.
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
from scratchvae.validation import check_choice, check_float, check_positive, short_repr, suggest_arguments

Range = tuple[float, float]


class Corruption:
    """Base class of corruptions, with their amount of noise, `level`. Raises ConfigError for an invalid level."""

    @suggest_arguments
    def __init__(self, level: float) -> None:
        self.level = check_positive("level", level)

    __repr__ = call_repr

    def __call__(self, x: Any, seed: int = 0, support: Range = (0.0, 1.0)) -> Array:
        """A corrupted copy of the rows x (N, D), within `support`; float32 unless x has a float dtype.

        NaN (a missing value) is left unchanged. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        x = _check_rows(x, _check_support(support))
        x = x if x.dtype.kind == "f" and x.dtype.itemsize >= 4 else x.astype(np.float32)
        return Corruptor(self, generator(seed, "corruption"), x.dtype, support)(x)

    def check(self, support: Range) -> None:
        """Raises ConfigError if the corrupted values may lie outside `support`."""

    def draw(self, x: Array, rng: np.random.Generator, noisy: Array, masks: Array, support: Range) -> None:
        """Write a corrupted copy of x (n, D) into `noisy` (n, D); `masks` (2, n, D), booleans, is scratch memory."""
        raise NotImplementedError


class GaussianNoise(Corruption):
    """x + level · n with n ~ N(0, 1) for each number, clipped to the support."""

    def draw(self, x: Array, rng: np.random.Generator, noisy: Array, masks: Array, support: Range) -> None:
        """See `Corruption.draw`."""
        fill_random(noisy, rng.standard_normal)
        noisy *= self.level
        noisy += x
        np.clip(noisy, *support, out=noisy)


class _RandomReplacement(Corruption):
    @suggest_arguments
    def __init__(self, level: float) -> None:
        super().__init__(level)
        if self.level > 1:
            raise ConfigError(f"level={short_repr(level)}: expected a probability, more than 0 and at most 1")


class Masking(_RandomReplacement):
    """Each number becomes 0 with probability `level`. Vincent et al. 2008."""

    def check(self, support: Range) -> None:
        """Raises ConfigError unless 0 is within `support`."""
        _require_in_support(0.0, self, support)

    # u is uniform on [0, 1): P(u ≥ level) = 1 − level
    def draw(self, x: Array, rng: np.random.Generator, noisy: Array, masks: Array, support: Range) -> None:
        """See `Corruption.draw`."""
        fill_random(noisy, rng.random)
        np.greater_equal(noisy, self.level, out=noisy)
        noisy *= x


class SaltAndPepper(_RandomReplacement):
    """Each number becomes `low` or `high` with probability level/2 each. Vincent et al. 2010."""

    @suggest_arguments
    def __init__(self, level: float, low: float = 0.0, high: float = 1.0) -> None:
        super().__init__(level)
        self.low, self.high = check_float("low", low, minimum=-inf), check_float("high", high, minimum=-inf)
        if not self.low < self.high:
            raise ConfigError(f"low={short_repr(low)}, high={short_repr(high)}: expected numbers with low < high")

    def check(self, support: Range) -> None:
        """Raises ConfigError unless `low` and `high` are within `support`."""
        _require_in_support(self.low, self, support)
        _require_in_support(self.high, self, support)

    # u is uniform on [0, 1): P(u < ½ level) = ½ level = P(u ≥ 1 − ½ level)
    def draw(self, x: Array, rng: np.random.Generator, noisy: Array, masks: Array, support: Range) -> None:
        """See `Corruption.draw`."""
        pepper, salt = masks
        fill_random(noisy, rng.random)
        np.less(noisy, self.level / 2, out=pepper)
        np.greater_equal(noisy, 1 - self.level / 2, out=salt)
        noisy[...] = x
        np.copyto(noisy, self.low, where=pepper)
        np.copyto(noisy, self.high, where=salt)


def _check_support(support: Any) -> Range:
    ends = support if isinstance(support, tuple | list) and len(support) == 2 else (inf, -inf)
    if not all(isinstance(end, Real) for end in ends) or not ends[0] < ends[1]:
        raise ConfigError(f"support={short_repr(support)}: expected two numbers (low, high), such as (0.0, 1.0)")
    return float(ends[0]), float(ends[1])


def _check_rows(x: Any, support: Range) -> Array:
    rows = as_real_array("x", x)
    if rows.ndim != 2 or not rows.size:
        hint = "; for a single row, pass x[None, :]" if rows.ndim == 1 else "; flatten with x.reshape(len(x), -1)"
        raise ShapeError(f"x has shape {short_repr(rows.shape)}; expected (N, D), not empty{hint if rows.ndim else ''}")
    low, high = float(np.nanmin(rows)), float(np.nanmax(rows))
    if not isfinite(low) or not isfinite(high):
        raise RangeError("x holds infinite values, or only NaN; drop those rows, or replace the values")
    if not support[0] <= low <= high <= support[1]:
        raise RangeError(
            f"x holds values from {low:g} to {high:g}; expected {support[0]:g} to {support[1]:g}: divide 8-bit images "
            "by 255, shift and scale other data, or pass another support, such as (-math.inf, math.inf)"
        )
    return rows


def _require_in_support(value: float, corruption: Corruption, support: Range) -> None:
    if not support[0] <= value <= support[1]:
        raise ConfigError(
            f"{short_repr(corruption)} writes {value:g}, outside the support of the data, {support[0]:g} to "
            f"{support[1]:g}: use another kind of noise"
        )


class Corruptor:
    """Corrupts batches with noise from `rng`, in buffers that are allocated once."""

    def __init__(self, corruption: Corruption, rng: np.random.Generator, dtype: np.dtype[Any], support: Range) -> None:
        if not isinstance(corruption, Corruption):
            names = ", ".join(kind.__name__ for kind in CORRUPTIONS.values())
            raise ConfigError(f"corrupt={short_repr(corruption)}: expected one of {names}, such as Masking(0.3)")
        corruption.check(support)
        self.corruption = corruption
        self.rng = rng
        self.support = support
        self._noisy = np.empty((0, 0), dtype)

    def __call__(self, x: Array) -> Array:
        """A corrupted copy (n, D) of the rows x (n, D); valid until the next call."""
        if len(x) > len(self._noisy):
            self._noisy = np.empty(x.shape, self._noisy.dtype)
            self._masks = np.empty((2, *x.shape), np.bool_)
        noisy = self._noisy[: len(x)]
        self.corruption.draw(x, self.rng, noisy, self._masks[:, : len(x)], self.support)
        return noisy


CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": GaussianNoise,
    "salt-and-pepper": SaltAndPepper,
    "masking": Masking,
}


def corruption(kind: str, level: float) -> Corruption:
    """The corruption of this kind and level. Raises ConfigError."""
    return CORRUPTIONS[check_choice("kind", kind, tuple(CORRUPTIONS))](level)


def describe(corrupt: Corruption) -> dict[str, Any]:
    """The arguments of `corruption` that make this one, as JSON values; for a custom one, its class and its level."""
    names = {corruption_class: name for name, corruption_class in CORRUPTIONS.items()}
    kind = names.get(type(corrupt), type(corrupt).__name__)
    return {"kind": kind, "level": corrupt.level}
