"""One gradient on trial, along one line after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, isfinite, sqrt
from typing import Any, NamedTuple

import numpy as np

from scratchvae.gradcheck.finite_difference import Array, Derivative, derivative
from scratchvae.gradcheck.report import AGREES, KINK, NOT_FINITE, UNRESOLVED, WRONG, Argument

RETRIES = 4  # of a direction that meets a kink
GLANCE = 1e-3  # of an input's size
FLAT_SLOPE_FACTOR = (
    1e4  # of the rounding of f over the first step: what is no steeper is nothing, be it seen over a far smaller one
)
SIGNIFICANCE_FACTOR = 10.0  # uncertainties: they are estimates themselves
MAX_UNCERTAINTY_RATIO = 10.0  # tolerances: where differences are less certain than that, their agreement means nothing


class DirectionalDerivative(NamedTuple):
    """⟨dy, f⟩ along lines through the inputs, computed in `dtype`, to a precision of `eps`."""

    f: Callable[..., Any]
    inputs: tuple[Array, ...]
    dy: Array
    dtype: np.dtype[Any]
    eps: float
    step: float

    def derivative(self, k: int, u: Array) -> Derivative:
        """Of ⟨dy, f⟩ at input k in direction u, from a step down that moves each coordinate by `step` of their size."""
        x = self.inputs[k]
        size = norm(x) / sqrt(x.size) or 1.0
        return self._derivative(k, u, size * sqrt(np.count_nonzero(u)))

    def along_axis(self, k: int, index: tuple[int, ...]) -> tuple[Array, Derivative]:
        """The axis of one coordinate of input k, and the derivative along it: in steps of its own size too."""
        x = self.inputs[k]
        u = np.zeros_like(x)
        u[index] = 1.0
        found, own = self.derivative(k, u), abs(float(x[index]))
        if own and not 0.1 < own * sqrt(x.size) / norm(x) < 10.0:
            found = min(found, self._derivative(k, u, own), key=lambda derivative: derivative.uncertainty)
        return u, found

    def coarse_slope(self, k: int, u: Array) -> tuple[float, float]:
        """The slope in direction u and its jump, from five values: enough to follow what is wrong."""
        x = self.inputs[k]
        h = GLANCE * (norm(x) / sqrt(x.size) or 1.0) * sqrt(np.count_nonzero(u))
        two, one, here, back, twice = (self._value(k, u, j * h) for j in (2, 1, 0, -1, -2))
        return float((8 * (one - back) - (two - twice)) / (12 * h)), float(abs(one - 2 * here + back) / h)

    def _derivative(self, k: int, u: Array, size: float) -> Derivative:
        return derivative(lambda h: self._value(k, u, h), self.step * size, self.eps)

    def _value(self, k: int, u: Array, h: float) -> Any:
        moved = [x.astype(self.dtype) for x in self.inputs]
        moved[k] += self.dtype.type(h) * u
        try:
            return np.sum(self.dy * np.asarray(self.f(*moved)), dtype=self.dtype)
        except (ValueError, ArithmeticError):  # at the inputs themselves f is known to work: see `check`
            return self.dtype.type("nan")


class GradientCheck:
    """The gradient of input k, held against differences."""

    def __init__(self, name: str, lines: DirectionalDerivative, k: int, gradient: Array, tolerance: float) -> None:
        self.name, self.lines, self.k = name, lines, k
        self.gradient, self.tolerance = gradient, tolerance
        self.length = norm(gradient)
        self.typical = self.length / sqrt(max(gradient.size, 1))  # of ⟨gradient, u⟩

    def random(self, rng: np.random.Generator) -> Argument:
        """Along a random direction; if that does not agree, at the coordinate that it leads to."""
        if not self.gradient.size:
            return self._argument(self.gradient, Derivative(0.0, 0.0), 0.0, None)
        for _ in range(1 + RETRIES):
            u = np.asarray(rng.standard_normal(self.gradient.shape))
            result = self._along(u / np.linalg.norm(u))
            if result.verdict != KINK:
                break
        if not np.isfinite(self.gradient).all():
            return self._at(_index(self.gradient, int(np.flatnonzero(~np.isfinite(self.gradient))[0])))
        return self._follow(result) if result.verdict in (WRONG, KINK) else result

    def every_coordinate(self) -> Iterator[Argument]:
        """Along each axis."""
        return map(self._at, np.ndindex(self.gradient.shape))

    def _along(self, u: Array) -> Argument:
        return self._argument(u, self.lines.derivative(self.k, u), self.typical, None)

    def _at(self, index: tuple[int, ...]) -> Argument:
        return self._argument(*self.lines.along_axis(self.k, index), abs(float(self.gradient[index])), index)

    # A wrong direction is a sum of coordinates: one of its halves holds half of what is wrong, or more.
    def _follow(self, start: Argument) -> Argument:
        def held_by(indices: Array) -> float:
            u = np.zeros_like(start.direction)
            u.flat[indices] = start.direction.flat[indices]
            slope, jump = self.lines.coarse_slope(self.k, u)
            return jump if start.verdict == KINK else abs(slope - float(np.sum(self.gradient * u)))

        indices = np.arange(self.gradient.size)
        while len(indices) > 1:
            indices = max(np.array_split(indices, 2), key=held_by)
        at = self._at(_index(self.gradient, int(indices[0])))
        return at if at.verdict == start.verdict else start

    def _argument(self, u: Array, numeric: Derivative, typical: float, index: tuple[int, ...] | None) -> Argument:
        with np.errstate(invalid="ignore"):  # an infinite gradient times 0
            analytic = float(np.sum(self.gradient * u))
        apart = abs(numeric.value - analytic)
        lost = apart <= SIGNIFICANCE_FACTOR * numeric.uncertainty  # what is left of it is rounding
        expected = max(typical, abs(numeric.value))
        if lost and index is not None:
            expected = max(expected, self.typical)
        flat = apart <= numeric.uncertainty <= FLAT_SLOPE_FACTOR * self.lines.eps * numeric.steep
        if flat and not typical:
            error = uncertainty = 0.0  # f does not depend on it as far as can be seen, and vjp says the same
        elif expected:
            error, uncertainty = apart / expected, numeric.uncertainty / expected
        else:
            error, uncertainty = apart, inf if numeric.uncertainty else 0.0
        if not isfinite(analytic) or not isfinite(numeric.value):
            error, verdict = float("inf"), NOT_FINITE
        elif numeric.kink > self.tolerance * expected:
            verdict = KINK
        elif error <= self.tolerance and uncertainty <= MAX_UNCERTAINTY_RATIO * self.tolerance:
            verdict = AGREES
        else:
            verdict = UNRESOLVED if lost else WRONG
        return Argument(
            name=self.name,
            shape=self.gradient.shape,
            error=error,
            verdict=verdict,
            numeric=numeric.value,
            analytic=analytic,
            length=self.length,
            uncertainty=uncertainty,
            kink=numeric.kink,
            direction=u,
            dy=self.lines.dy,
            coordinate=index,
        )


def norm(x: Array) -> float:
    """‖x‖, also where the squares of its numbers would be too large."""
    largest = float(np.max(np.abs(x), initial=0.0))
    return largest * float(np.linalg.norm(x / largest)) if 0.0 < largest < inf else largest


def _index(x: Array, flat: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, x.shape))


_WORSE = (AGREES, UNRESOLVED, KINK, WRONG, NOT_FINITE)


def worst_coordinate(found: list[Argument]) -> Argument:
    """The worst of several trials of one input: by verdict, then by error."""
    return max(found, key=lambda argument: (_WORSE.index(argument.verdict), argument.error))
