"""Compare the gradient for one input with directional derivatives by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import inf, isfinite, sqrt, ulp
from typing import Any

import numpy as np

from scratchvae.gradcheck.finite_difference import SIGNIFICANCE_FACTOR, Array, Derivative, derivative
from scratchvae.gradcheck.function import ShapeChangeError
from scratchvae.gradcheck.report import AGREES, KINK, NOT_FINITE, UNRESOLVED, WRONG, Argument
from scratchvae.gradcheck.tolerance import FINITE_DIFFERENCES

MAX_EXCLUDED = 4  # coordinates that are left out of a direction because there is a kink near them
WITNESS_STEP_RATIO = 1 / 16  # of the first step: where one step size alone speaks against a gradient, try these
FLAT_SLOPE_FACTOR = 1e4  # × rounding of f over the first step: a smaller uncertain slope of a flat f counts as 0
MAX_UNCERTAINTY_RATIO = 10.0  # × tolerance: with a larger uncertainty, agreement is not evidence
SMALLEST_SIZE_RATIO = 1e-6  # of two coordinates: the smallest steps are about 1e-12 of the largest coordinate
LARGEST_STEP = 1e307  # a larger one may overflow, and all of its halves too


class DirectionalDerivative:
    """Directional derivatives of ⟨dy, f⟩ at the inputs, computed in `dtype`.

    eps         the relative precision of the numbers in which f computes
    smallest    the smallest of these numbers above 0, which is their precision near 0
    step        the first step, relative to the root mean square of an input
    """

    def __init__(
        self,
        f: Callable[..., Any],
        inputs: tuple[Array, ...],
        dtype: np.dtype[Any],
        eps: float,
        smallest: float,
        step: float,
    ) -> None:
        self.f, self.inputs, self.dtype = f, inputs, dtype
        self.eps, self.smallest, self.step = eps, smallest, step
        self._wide_inputs = [x.astype(dtype) for x in inputs]
        self._copies = [x.copy() for x in self._wide_inputs]  # f may change its inputs
        self._y = np.array(f(*self._copies), dtype)
        self._noise: dict[tuple[int, float], float] = {}  # by input and step, relative to ‖dy‖
        self.set_dy(np.zeros(self._y.shape))

    def set_dy(self, dy: Array) -> None:
        """Set dy, with the shape of the output."""
        self.dy, self._wide_dy, self._dy_change = dy, dy.astype(self.dtype), np.empty_like(self._y)

    def along_direction(self, k: int, u: Array, ratio: float = 1.0) -> Derivative:
        """Differentiate with respect to input k in direction u.

        The first step moves each coordinate by `step` times the root mean square of the input. If that is less than 1
        and rounding hides the slope at such small steps, the input is practically 0, and is treated as 0 is: steps
        relative to 1 are tried too. `ratio` makes all steps smaller.
        """
        rms, moved = self._root_mean_square(k), ratio * sqrt(np.count_nonzero(u))
        result = self._derivative(k, u, rms * moved)
        precise = result.uncertainty <= MAX_UNCERTAINTY_RATIO * FINITE_DIFFERENCES * abs(result.value)
        if rms >= 1.0 or precise or result.kink:
            return result
        other = self._derivative(k, u, moved)
        if _contradict(result, other) or other.kink or not other.uncertainty < result.uncertainty:
            return result
        return other

    def along_axis(self, k: int, index: tuple[int, ...], ratio: float = 1.0) -> tuple[Array, Derivative]:
        """Return the unit vector of one coordinate of input k, and the derivative along it.

        If the size of the coordinate is unlike that of the others, steps relative to its own size are tried too. Of two
        estimates that contradict each other, the one with the smaller steps is nearer to the limit.
        """
        x = self.inputs[k]
        u = np.zeros_like(x)
        u[index] = 1.0
        result, coordinate_size, rms = self.along_direction(k, u, ratio), abs(float(x[index])), root_mean_square(x)
        if coordinate_size and not 0.1 < coordinate_size / rms < 10.0:
            own = self.along_axis_in_own_steps(k, index)
            if coordinate_size < rms and _contradict(own, result):
                return u, own
            result = min(result, own, key=lambda d: d.uncertainty)
        return u, result

    def along_axis_in_own_steps(self, k: int, index: tuple[int, ...]) -> Derivative:
        """Differentiate along one coordinate of input k, with steps relative to its own size."""
        u = np.zeros_like(self.inputs[k])
        u[index] = 1.0
        return self._derivative(k, u, abs(float(self.inputs[k][index])))

    def slope_and_jump(self, k: int, u: Array, h: float) -> tuple[float, float]:
        """Return the slope along u and its jump from the steps ±h: accurate enough for the bisection."""
        above, below = self._change(k, u, h), self._change(k, u, -h)
        return float((above - below) / (2 * h)), float(abs(above + below) / h)

    def has_mixed_sizes(self, k: int) -> bool:
        """True if no step suits all coordinates of input k, because some are far smaller than others."""
        sizes = np.abs(self.inputs[k][self.inputs[k] != 0.0])
        return bool(sizes.size and sizes.min() < SMALLEST_SIZE_RATIO * self._root_mean_square(k))

    def is_far_smaller(self, k: int, index: tuple[int, ...]) -> bool:
        """True if this coordinate of input k is not 0, and far smaller than the root mean square of all."""
        return 0.0 < abs(float(self.inputs[k][index])) < SMALLEST_SIZE_RATIO * self._root_mean_square(k)

    def _root_mean_square(self, k: int) -> float:
        return root_mean_square(self.inputs[k]) or 1.0

    # The noise of f along one random direction is that along any other; along an axis it may be much less.
    def _derivative(self, k: int, u: Array, size: float) -> Derivative:
        step, wide_u, moved = min(self.step * size, LARGEST_STEP), u.astype(self.dtype), np.count_nonzero(u)
        dy_norm = norm(self.dy)
        noise_floor = self.smallest * max(dy_norm, 1.0)  # the sum is such a number too
        shift_error = max(self.smallest, ulp(0.0)) * sqrt(moved)  # steps are float64 in any case
        known = self._noise.get((k, size)) if moved > 1 else None
        result = derivative(
            lambda h: self._change(k, wide_u, h),
            step,
            self.eps,
            *self._rounding(k, wide_u, step),
            noise_floor,
            shift_error,
            None if known is None else known * dy_norm,
            FINITE_DIFFERENCES,
        )
        if moved > 1 and dy_norm:
            self._noise[k, size] = result.noise / dy_norm
        return result

    # An output that does not change even over the largest step h adds no noise to smaller steps, in which it cancels;
    # but rounding may hide a slope of eps · |y| / h. Outputs are rounded independently of each other.
    def _rounding(self, k: int, u: Array, h: float) -> tuple[float, float]:
        """Return the rounding error of the change of ⟨dy, f⟩ along u, and the slope that rounding may hide."""
        if not h:
            return 0.0, inf
        changed, sizes = self._shifted(k, u, h) != self._y, self._wide_dy * self._y
        return self.eps * norm(sizes[changed]), self.eps * norm(sizes[~changed]) / h

    def _change(self, k: int, u: Array, h: float) -> Any:
        """Return ⟨dy, f(x + h u) − f(x)⟩."""
        if not h:
            return self.dtype.type(0)
        np.subtract(self._shifted(k, u, h), self._y, out=self._dy_change)
        np.multiply(self._wide_dy, self._dy_change, out=self._dy_change)
        return np.sum(self._dy_change)

    def _shifted(self, k: int, u: Array, h: float) -> Array:
        """Return f(x + h u), or NaN outside the domain of f."""
        for x, copy in zip(self._wide_inputs, self._copies, strict=True):
            np.copyto(copy, x)
        shifted = self._copies[k]
        np.multiply(u, self.dtype.type(h), out=shifted)
        np.add(shifted, self._wide_inputs[k], out=shifted)
        return self._f(self._copies)

    def _f(self, inputs: list[Array]) -> Array:
        try:
            y = np.asarray(self.f(*inputs)).astype(self.dtype, copy=False)
        except ShapeChangeError:
            raise
        except (ValueError, ArithmeticError):  # outside the domain of f; `check` has called f at the inputs themselves
            return np.full_like(self._y, np.nan)
        if y.shape != self._y.shape:
            raise ShapeChangeError(
                f"f returned shape {y.shape} near the inputs and {self._y.shape} at the inputs; expected the same shape"
            )
        return y


class GradientCheck:
    """Compare the gradient for input k with finite differences."""

    def __init__(self, name: str, numeric: DirectionalDerivative, k: int, gradient: Array, tolerance: float) -> None:
        self.name, self.numeric, self.k = name, numeric, k
        self.gradient, self.tolerance = gradient, tolerance
        self.gradient_norm = norm(gradient)
        self.expected_size = root_mean_square(gradient)  # of ⟨gradient, u⟩ for a random u

    @np.errstate(all="ignore")  # sums of large numbers may overflow: the verdict says so
    def along_random_direction(self, rng: np.random.Generator) -> Argument:
        """Compare along a random direction; if the two disagree, report a coordinate that confirms it.

        A coordinate at which they agree although the direction meets a kink near it is left out of the direction, and
        the rest is compared again.
        """
        if not self.gradient.size:
            return self._compare(self.gradient, Derivative(0.0, 0.0), 0.0, None)
        if not np.isfinite(self.gradient).all():
            return self._along_axis(_multi_index(self.gradient, int(np.flatnonzero(~np.isfinite(self.gradient))[0])))
        u = np.asarray(rng.standard_normal(self.gradient.shape))
        u = u / np.linalg.norm(u)
        for _ in range(1 + min(MAX_EXCLUDED, u.size - 1)):
            numeric = self.numeric.along_direction(self.k, u)
            result = self._compare(u, numeric, self.expected_size, None)
            if result.verdict in (AGREES, NOT_FINITE) or (result.verdict == UNRESOLVED and not numeric.near_kinks):
                return result
            index = self._trace_to_coordinate(u, numeric, result.verdict)
            along_axis = self._along_axis(index)
            if along_axis.verdict not in (AGREES, UNRESOLVED):
                return along_axis
            u[index] = 0.0
        is_kink = result.verdict == KINK and not self.numeric.has_mixed_sizes(self.k)
        return result if is_kink else replace(result, verdict=UNRESOLVED)

    def along_every_axis(self) -> Iterator[Argument]:
        """Compare along each coordinate axis."""
        return map(self._along_axis, np.ndindex(self.gradient.shape))

    # Steps relative to the other coordinates may be so much larger than this one that they see f from afar, where a
    # curve looks like a corner or a constant. A failure must then be seen in steps relative to its own size too.
    def _along_axis(self, index: tuple[int, ...]) -> Argument:
        u, numeric = self.numeric.along_axis(self.k, index)
        size = abs(float(self.gradient[index]))
        result = self._compare(u, numeric, size, index)
        if result.verdict in (WRONG, KINK) and self.numeric.is_far_smaller(self.k, index):
            result = self._compare(u, self.numeric.along_axis_in_own_steps(self.k, index), size, index)
        if result.verdict != WRONG or self._has_witness(result, numeric):
            return result
        finer = self.numeric.along_axis(self.k, index, WITNESS_STEP_RATIO)[1]
        result = self._compare(u, finer, size, index)
        confirmed = result.verdict != WRONG or self._has_witness(result, finer)
        return result if confirmed else replace(result, verdict=UNRESOLVED)

    def _has_witness(self, result: Argument, numeric: Derivative) -> bool:
        """True if finite differences at more than one step size speak against the gradient."""
        return numeric.contradicts(result.analytic, self.tolerance * abs(numeric.value))

    # The error along a direction is the sum of the errors of its coordinates, so one half of the coordinates has at
    # least half of the error: bisect.
    def _trace_to_coordinate(self, u: Array, numeric: Derivative, verdict: str) -> tuple[int, ...]:
        def error_within(indices: Array) -> float:
            part = np.zeros_like(u)
            part.flat[indices] = u.flat[indices]
            slope, jump = self.numeric.slope_and_jump(self.k, part, numeric.h)
            return abs(slope - float(np.sum(self.gradient * part))) if verdict == WRONG else jump

        indices = np.flatnonzero(u)
        while len(indices) > 1:
            indices = max(np.array_split(indices, 2), key=error_within)
        return _multi_index(self.gradient, int(indices[0]))

    @np.errstate(all="ignore")
    def _compare(self, u: Array, numeric: Derivative, expected_size: float, index: tuple[int, ...] | None) -> Argument:
        analytic = float(np.sum(self.gradient * u))
        difference = abs(numeric.value - analytic)
        # near 0, the gradient is a multiple of the smallest number of its dtype
        rounding = float(np.finfo(self.gradient.dtype).smallest_subnormal) * sqrt(np.count_nonzero(u))
        uncertainty = numeric.uncertainty + (rounding if self.gradient_norm else 0.0)
        explained_by_rounding = difference <= SIGNIFICANCE_FACTOR * uncertainty
        scale = max(expected_size, abs(numeric.value))
        if explained_by_rounding and index is not None:
            scale = max(scale, self.expected_size)
        rounding_slope = FLAT_SLOPE_FACTOR * self.numeric.eps * numeric.full_scale_slope
        if difference <= uncertainty <= rounding_slope and not expected_size:
            error = uncertainty = 0.0  # f does not depend on this input, up to rounding, and vjp is 0
        elif scale:
            error, uncertainty = difference / scale, uncertainty / scale
        else:
            error, uncertainty = difference, inf if uncertainty else 0.0
        if not isfinite(analytic) or not isfinite(numeric.value):
            # steps that are too large for some coordinates may have left the domain of f
            too_far = isfinite(analytic) and index is None and self.numeric.has_mixed_sizes(self.k)
            error, verdict = inf, UNRESOLVED if too_far else NOT_FINITE
        elif numeric.kink > self.tolerance * scale:
            verdict = KINK
        elif error <= self.tolerance and uncertainty <= MAX_UNCERTAINTY_RATIO * self.tolerance:
            verdict = AGREES
        else:
            verdict = UNRESOLVED if explained_by_rounding else WRONG
        return Argument(
            name=self.name,
            shape=self.gradient.shape,
            error=error,
            verdict=verdict,
            numeric=numeric.value,
            analytic=analytic,
            gradient_norm=self.gradient_norm,
            uncertainty=uncertainty,
            kink=numeric.kink,
            direction=u,
            dy=self.numeric.dy,
            coordinate=index,
        )


def norm(x: Array) -> float:
    """Return ‖x‖, scaled so that the squares do not overflow."""
    return root_mean_square(x) * sqrt(x.size)


def root_mean_square(x: Array) -> float:
    """Return ‖x‖/√n for n numbers, scaled so that it overflows or vanishes only if they do; 0 for none."""
    largest = float(np.max(np.abs(x), initial=0.0))
    return largest * (float(np.linalg.norm(x / largest)) / sqrt(x.size)) if 0.0 < largest < inf else largest


def _contradict(a: Derivative, b: Derivative) -> bool:
    return abs(a.value - b.value) > a.uncertainty + b.uncertainty


def _multi_index(x: Array, flat_index: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat_index, x.shape))


_VERDICTS_BY_SEVERITY = (AGREES, UNRESOLVED, KINK, WRONG, NOT_FINITE)


def worst_by_name(results: Iterable[Argument]) -> tuple[Argument, ...]:
    """Return the worst result for each name, in the order of the first ones."""
    by_name: dict[str, list[Argument]] = {}
    for result in results:
        by_name.setdefault(result.name, []).append(result)
    return tuple(map(worst_result, by_name.values()))


def worst_result(results: list[Argument]) -> Argument:
    """Return the worst of several results for one input: by verdict, then by error."""
    return max(results, key=lambda result: (_VERDICTS_BY_SEVERITY.index(result.verdict), result.error))
