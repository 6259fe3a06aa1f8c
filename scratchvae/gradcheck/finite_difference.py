"""Derivatives of a function of one variable by finite differences."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
ScalarFunction = Callable[[float], Any]  # h ↦ φ(h), a NumPy number in the precision in which f is computed

SIGNIFICANCE_FACTOR = 10.0  # × the error of an estimate: the error is itself an estimate
SMALLEST_STEP_RATIO = 2.0**-40  # of the first step
LEAP = 16.0  # the step is divided by this where extrapolation does not converge, as between kinks
SLOWEST_CONVERGENCE = 3.0  # of the error with each halving: for a smooth φ, the factor is at least 4
CLOSE_STEP_RATIO = 1e-5  # of the first step: so close to 0, a kink elsewhere is rare
NOISE_SPACING_RATIO = 1e-8  # of the first step: the spacing of the points at which noise is measured
NOISE_POINTS = 9
MAX_NOISE_RATIO = 0.01  # of the change of φ over the first step: larger noise hides the slope


class Estimate(NamedTuple):
    """One entry of the extrapolation table: an estimate of φ′(0), its error, and its smallest step."""

    value: float
    error: float
    h: float


class Derivative(NamedTuple):
    """An estimate of φ′(0). The first four numbers are slopes, in units of φ per unit of h.

    value               φ′(0)
    uncertainty         estimated error of `value`
    kink                jump of the slope at 0; 0 if φ is smooth there
    full_scale_slope    the size of φ over the first step: the larger one of |φ(0)| and the change of φ
    h                   the step of `value`
    noise               of φ, measured near 0
    near_kinks          True if extrapolation did not converge at some steps, as between kinks
    estimates           those that agree with all estimates from smaller steps
    """

    value: float
    uncertainty: float
    kink: float = 0.0
    full_scale_slope: float = 0.0
    h: float = 0.0
    noise: float = 0.0
    near_kinks: bool = False
    estimates: tuple[Estimate, ...] = ()

    def contradicts(self, value: float, least: float) -> bool:
        """True if estimates at more than one step size differ from `value` by more than `least` and their error."""
        rejecting = (e.h for e in self.estimates if abs(e.value - value) > max(least, SIGNIFICANCE_FACTOR * e.error))
        return len(set(rejecting)) > 1


# The central difference is even in h:  D(h) = (φ(h) − φ(−h)) / 2h = φ′ + a h² + b h⁴ + …
# Combining D(h) and D(h/2) cancels a, combining three of them cancels b, and so on (Richardson and Gaunt 1927):
#   T_k0 = D(h/2ᵏ)        T_kj = T_k,j−1 + (T_k,j−1 − T_k−1,j−1) / (4ʲ − 1) = φ′ + O(h²ʲ⁺²)
# The difference between an entry and its two parents estimates the entry's error (Ridders 1982). Noise of size s adds
# s/h, so the step is halved until s/h exceeds the error of the best entry. Where φ has many kinks, extrapolation does
# not converge until the step is less than the distance of the nearest one: the step shrinks in leaps until then.
#
# Near 0 numbers are not dense: below the smallest normal number they are multiples of `smallest`. A sum of values of f
# with weights of norm w then has noise of about w · smallest, and a shift of x by h an error of about smallest, which
# changes φ by φ′ · smallest.
#
# D is the mean of the two one-sided slopes and so cannot detect a kink at 0. The second difference can:
#   S(h) = (φ(h) − 2 φ(0) + φ(−h)) / h = J + c h + O(h²)         J = φ′(0⁺) − φ′(0⁻)
#   J(h) = 2 S(h/2) − S(h) = J + O(h²)
# If φ is smooth, then J = 0, c is φ″, and J(h) shrinks to an eighth with each halving; at a kink it converges to J.
@np.errstate(all="ignore")  # a step may leave the domain of φ
def derivative(
    phi: ScalarFunction,
    step: float,
    eps: float,
    rounding: float | None = None,
    hidden_slope: float = 0.0,
    noise_floor: float = 0.0,
    shift_error: float = 0.0,
    noise: float | None = None,
    precision: float = 0.0,
) -> Derivative:
    """Estimate φ′(0) by Richardson extrapolation of central differences, in steps from `step` downwards.

    eps           the relative precision of φ
    rounding      its absolute precision near 0; by default eps · |φ(0)|
    hidden_slope  the part of the slope that rounding may hide at any step
    noise_floor   the precision of the smallest numbers
    shift_error   the precision of h
    noise         the noise of φ near 0; by default it is measured
    precision     a relative error of φ′ that is small enough

    Steps at which φ is not finite are skipped: they may be outside its domain. If φ is finite at none, the estimate is
    NaN. If `step` is 0, nothing is known: the uncertainty is infinite.
    """
    if not step:
        return Derivative(0.0, inf)
    at_zero = phi(0.0)
    if rounding is None:
        rounding = eps * abs(at_zero)  # may be too small for float64
    measured_noise = _noise_near_zero(phi, step, rounding) if noise is None else noise
    noise = max(rounding, measured_noise, noise_floor)
    table = _Table(phi, at_zero, eps, noise, hidden_slope, shift_error)
    last_h, leaps = table.scan(step, SMALLEST_STEP_RATIO * step, leap=True)
    if not table.rows:  # without a second step, the only estimate has no known error
        return Derivative(table.single, inf)
    best = table.best()
    if leaps and not best.error <= precision * abs(best.value):  # the best step may have been leapt over
        table.scan(min(2 * LEAP * best.h, step), best.h / 4, leap=False)
    kink, kink_step = table.kink, table.kink_step
    if last_h > CLOSE_STEP_RATIO * step:
        close_estimate, close_kink = _estimate_close_to_zero(phi, at_zero, CLOSE_STEP_RATIO * step, noise)
        table.rows.append([close_estimate._replace(error=close_estimate.error + hidden_slope)])
        if close_kink and not kink:
            kink, kink_step = close_kink, CLOSE_STEP_RATIO * step
    if kink:
        kink = _kink_at_zero(phi, at_zero, kink, kink_step, SMALLEST_STEP_RATIO * step, noise)
    consistent, first_change = table.consistent(), table.first_change
    best = min(consistent, key=lambda estimate: estimate.error)
    hidden_by_noise = measured_noise > max(MAX_NOISE_RATIO * first_change, 16 * (rounding + hidden_slope * step))
    full_scale = max(rounding / eps, first_change, noise_floor / eps)  # whose rounding is at least the floor
    return Derivative(
        value=best.value,
        uncertainty=inf if hidden_by_noise else best.error,
        kink=kink,
        full_scale_slope=float(full_scale / step + hidden_slope / eps),
        h=best.h,
        noise=float(measured_noise),
        near_kinks=leaps,
        estimates=tuple(consistent),
    )


class _Table:
    """The extrapolation table: its rows, each with the estimates from one step and from larger ones."""

    def __init__(
        self, phi: ScalarFunction, at_zero: Any, eps: float, noise: Any, hidden_slope: float, shift_error: float
    ) -> None:
        self.phi, self.at_zero, self.eps, self.noise = phi, at_zero, eps, noise
        self.hidden_slope, self.shift_error = hidden_slope, shift_error
        self.rows: list[list[Estimate]] = []
        self.single = nan  # the central difference of the last step
        self.first_change = at_zero * 0
        self.kink = self.kink_step = 0.0

    def scan(self, h: float, smallest: float, leap: bool) -> tuple[float, bool]:
        """Add rows for h, h/2, h/4 and so on; return the last step, and whether any were leapt over."""
        row: list[Any] = []
        second_differences: list[Any] = []  # S of each step
        last_h, leaps, last_error = h, False, inf
        while h and h >= smallest:
            last_h, above, below = h, self.phi(h), self.phi(-h)
            h /= 2
            if not np.isfinite(above) or not np.isfinite(below):
                row, second_differences = [], []
                continue
            self.first_change = self.first_change or max(abs(above - self.at_zero), abs(below - self.at_zero))
            parents, row, estimates = row, [(above - below) / (2 * last_h)], []
            self.single = float(row[0])
            noise_slope = self._noise_slope(last_h, above, below, row[0])
            for j, parent in enumerate(parents, start=1):
                row.append(row[-1] + (row[-1] - parent) / (4**j - 1))
                error = max(abs(row[j] - row[j - 1]), abs(row[j] - parent))
                estimates.append(Estimate(float(row[j]), float(error) + noise_slope, last_h))
            self.rows += [estimates] if estimates else []
            second_differences.append((above - 2 * self.at_zero + below) / last_h)
            if len(second_differences) > 2:
                self.kink, self.kink_step = _jump(second_differences, noise_slope), last_h
                if noise_slope >= self.best().error:
                    break
            if estimates:
                error = min(estimate.error for estimate in estimates)
                if leap and error > last_error / SLOWEST_CONVERGENCE and error > 4 * noise_slope:
                    row, second_differences, h, leaps = [], [], h / LEAP, True
                last_error = error
        return last_h, leaps

    def _noise_slope(self, h: float, above: Any, below: Any, slope: Any) -> float:
        noise = max(self.noise, self.eps * max(abs(above), abs(below)))
        return float(noise / h + abs(slope) * (self.shift_error / h)) + self.hidden_slope

    def best(self) -> Estimate:
        """Return the estimate with the least error."""
        return min((estimate for row in self.rows for estimate in row), key=lambda estimate: estimate.error)

    def consistent(self) -> list[Estimate]:
        """Return the estimates that agree with every estimate from smaller steps.

        An estimate that disagrees with one from smaller steps measured the slope beyond a kink.
        """
        finer: list[Estimate] = []
        consistent = []
        for row in sorted(self.rows, key=lambda row: row[0].h):
            consistent += [a for a in row if not any(abs(a.value - b.value) > a.error + b.error for b in finer)]
            finer.append(min(row, key=lambda estimate: estimate.error))
        return consistent


# The fourth difference of a smooth φ at spacing δ is φ⁗ δ⁴, which is negligible; that of independent noise with
# standard deviation s has standard deviation s √(1 + 16 + 36 + 16 + 1) (Hamming 1971; Moré and Wild 2011). A kink
# within the points looks like noise, and rarely lies on both sides of 0: what both sides show is noise. If neighbouring
# values are equal, φ may be a staircase, the result of rounding to a lower precision, whose noise shows at wider
# spacings. At least two spacings are measured, because at one of them each point may lie on a stair of its own. At the
# widest, where φ need not be smooth, there is noise only if φ is a staircase.
def _noise_near_zero(phi: ScalarFunction, step: float, rounding: Any) -> Any:
    """Estimate the noise of φ near 0: it exceeds `rounding` if f computes in a lower precision than it returns."""
    noise: Any = 0.0
    for scale in (1.0, 3.7, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7):
        spacing, smooth = scale * NOISE_SPACING_RATIO * step, scale <= 1e4
        measured, staircase, constant = _noise_at_spacing(phi, spacing)
        if not staircase and measured > rounding:
            other_side, staircase, also_constant = _noise_at_spacing(phi, -spacing)
            measured, constant = other_side if staircase else min(measured, other_side), constant or also_constant
        if smooth or staircase:
            noise = max(noise, measured)
        if scale > 1.0 and not constant:
            break
    return noise


def _noise_at_spacing(phi: ScalarFunction, spacing: float) -> tuple[Any, bool, bool]:
    """Return the noise of φ on one side of 0, and whether φ is a staircase there, or constant between some points.

    Values that are equal on one side of a point and change on the other are no staircase: there is a kink at it.
    """
    values = np.array([phi(k * spacing) for k in range(1, NOISE_POINTS + 1)])
    if not np.isfinite(values).all():
        return 0.0, False, False
    changes = np.diff(values) != 0
    switches = int(np.count_nonzero(changes[1:] != changes[:-1]))  # from constant to changing, or back
    return np.max(np.abs(np.diff(values, 4))) / np.sqrt(70.0), switches > 1, not changes.all()


def _estimate_close_to_zero(phi: ScalarFunction, at_zero: Any, h: float, noise: Any) -> tuple[Estimate, float]:
    """Estimate φ′(0) and the jump of the slope at 0 with steps so small that a kink elsewhere rarely lies within them.

    The estimate is imprecise; it serves to discard estimates from large steps that include a kink elsewhere.
    """
    if not h:
        return Estimate(nan, inf, h), 0.0
    above, below, half_above, half_below = phi(h), phi(-h), phi(h / 2), phi(-h / 2)
    slope, finer_slope = (above - below) / (2 * h), (half_above - half_below) / h
    second_difference = (above - 2 * at_zero + below) / h
    finer_second_difference = 2 * (half_above - 2 * at_zero + half_below) / h
    if not np.isfinite(slope + finer_slope):
        return Estimate(nan, inf, h), 0.0
    jump, noise_slope = abs(2 * finer_second_difference - second_difference), 8 * noise / h
    is_kink = jump > 4 * abs(finer_second_difference - second_difference) + 4 * noise_slope
    error = float(2 * abs(slope - finer_slope) + noise_slope)
    return Estimate(float(finer_slope), error, h), float(jump) if is_kink else 0.0


# From steps much larger than its distance a, a kink near 0 looks like one at 0:  S(h) = J (1 − a/h) for h > a, 0 below.
def _kink_at_zero(phi: ScalarFunction, at_zero: Any, kink: float, h: float, smallest: float, noise: Any) -> float:
    """Return the jump of the slope if it persists in ever smaller steps, as long as noise does not hide it; else 0."""
    while h / LEAP > smallest and kink > 64 * noise / (h / LEAP):
        h /= LEAP
        steps = h, h / 2, h / 4
        kink = _jump([(phi(s) - 2 * at_zero + phi(-s)) / s for s in steps], float(4 * noise / h))
    return kink


def _jump(second_differences: list[Any], noise_slope: float) -> float:
    """Return the jump of the slope at 0 that the last three second differences S show, or 0."""
    jump = 2 * second_differences[-1] - second_differences[-2]
    previous_jump = 2 * second_differences[-2] - second_differences[-3]
    return float(abs(jump)) if abs(jump) > 2 * abs(jump - previous_jump) + 16 * noise_slope else 0.0
