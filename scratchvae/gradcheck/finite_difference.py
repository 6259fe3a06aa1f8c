"""Derivatives of a function of one variable by finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
ScalarFunction = Callable[[float], Any]  # h ↦ φ(h), a NumPy number in the precision in which f is computed

MAX_HALVINGS = 40
CLOSE_STEP_RATIO = 1e-5  # of the first step: so close to 0, a kink elsewhere is rare
NOISE_POINTS = 9
MAX_NOISE_RATIO = 0.01  # of the change of φ over the first step: larger noise hides the slope


class Derivative(NamedTuple):
    """An estimate of φ′(0). All four numbers are slopes, in units of φ per unit of h.

    value               φ′(0)
    uncertainty         estimated error of `value`
    kink                jump of the slope at 0; 0 if φ is smooth there
    full_scale_slope    the size of φ over the first step: the larger one of |φ(0)| and the change of φ
    """

    value: float
    uncertainty: float
    kink: float = 0.0
    full_scale_slope: float = 0.0


class _Estimate(NamedTuple):
    """One entry of the extrapolation table: an estimate of φ′(0), its error, and its smallest step."""

    value: float
    error: float
    h: float


# The central difference is even in h:  D(h) = (φ(h) − φ(−h)) / 2h = φ′ + a h² + b h⁴ + …
# Combining D(h) and D(h/2) cancels a, combining three of them cancels b, and so on (Richardson and Gaunt 1927):
#   T_k0 = D(h/2ᵏ)        T_kj = T_k,j−1 + (T_k,j−1 − T_k−1,j−1) / (4ʲ − 1) = φ′ + O(h²ʲ⁺²)
# The difference between an entry and its two parents estimates the entry's error (Ridders 1982). Noise of size s adds
# s/h, so the step is halved until s/h exceeds the error of the best entry.
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
    phi: ScalarFunction, step: float, eps: float, noise_floor: float = 0.0, shift_error: float = 0.0
) -> Derivative:
    """Estimate φ′(0) by Richardson extrapolation of central differences, in steps from `step` downwards.

    `eps` is the relative precision of φ, `noise_floor` its absolute precision, and `shift_error` that of h. Steps at
    which φ is not finite are skipped: they may be outside its domain. If φ is finite at none, the estimate is NaN. If
    `step` is 0, nothing is known: the uncertainty is infinite.
    """
    if not step:
        return Derivative(0.0, float("inf"))
    at_zero, kink, first_change = phi(0.0), 0.0, phi(0.0) * 0
    rounding, measured_noise = eps * abs(at_zero), _noise_near_zero(phi, step)  # may be too small for float64
    noise = max(rounding, measured_noise, noise_floor)
    table: list[list[_Estimate]] = []
    row: list[Any] = []
    second_differences: list[Any] = []  # S of each step
    for k in range(MAX_HALVINGS):
        h = step / 2**k
        if not h:
            break
        above, below = phi(h), phi(-h)
        if not np.isfinite(above) or not np.isfinite(below):
            row, second_differences = [], []
            continue
        first_change = first_change or max(abs(above - at_zero), abs(below - at_zero))
        parents, row, estimates = row, [(above - below) / (2 * h)], []
        noise_slope = float(max(noise, eps * max(abs(above), abs(below))) / h + abs(row[0]) * (shift_error / h))
        for j, parent in enumerate(parents, start=1):
            row.append(row[-1] + (row[-1] - parent) / (4**j - 1))
            error = max(abs(row[j] - row[j - 1]), abs(row[j] - parent))
            estimates.append(_Estimate(float(row[j]), float(error) + noise_slope, h))
        table += [estimates] if estimates else []
        second_differences.append((above - 2 * at_zero + below) / h)
        if len(second_differences) > 2:
            jump = 2 * second_differences[-1] - second_differences[-2]
            previous_jump = 2 * second_differences[-2] - second_differences[-3]
            is_kink = abs(jump) > 2 * abs(jump - previous_jump) + 16 * noise_slope
            kink = float(abs(jump)) if is_kink else 0.0
            if noise_slope >= min(estimate.error for estimates in table for estimate in estimates):
                break
    if not table:  # without a second step, the only estimate has no known error
        return Derivative(float(row[0]) if row else float("nan"), float("inf"))
    close_estimate, close_kink = _estimate_close_to_zero(phi, at_zero, step, noise)
    best, kink = _best_consistent(table, close_estimate), max(kink, close_kink)
    hidden_by_noise = measured_noise > max(MAX_NOISE_RATIO * first_change, 16 * rounding)
    uncertainty = float("inf") if hidden_by_noise else best.error
    full_scale = max(abs(at_zero), first_change, noise_floor / eps)  # whose rounding is at least the floor
    return Derivative(best.value, uncertainty, kink, float(full_scale / step))


def _best_consistent(table: list[list[_Estimate]], close_estimate: _Estimate) -> _Estimate:
    """Return the estimate with the least error among those that agree with every estimate from smaller steps.

    An estimate that disagrees with one from smaller steps measured the slope beyond a kink.
    """
    finer: list[_Estimate] = []
    consistent = []
    for estimates in sorted([*table, [close_estimate]], key=lambda estimates: estimates[0].h):
        consistent += [a for a in estimates if not any(abs(a.value - b.value) > a.error + b.error for b in finer)]
        finer.append(min(estimates, key=lambda estimate: estimate.error))
    return min(consistent, key=lambda estimate: estimate.error)


# The fourth difference of a smooth φ at spacing δ is φ⁗ δ⁴, which is negligible; that of independent noise with
# standard deviation s has standard deviation s √(1 + 16 + 36 + 16 + 1) (Hamming 1971; Moré and Wild 2011). All points
# lie on one side of 0, because there may be a kink at 0. If two neighbouring values are equal, φ may be a staircase,
# the result of rounding to a lower precision, whose noise shows at wider spacings. At least two spacings are measured,
# because at one of them each point may lie on a stair of its own. At the two widest, φ counts as a staircase only if
# equal neighbours come after a change.
def _noise_near_zero(phi: ScalarFunction, step: float) -> Any:
    """Estimate the noise of φ near 0: it exceeds rounding if f computes in a lower precision than it returns."""
    noise: Any = 0.0
    for scale in (1.0, 3.7, 10.0, 100.0, 1e3, 1e4):
        values = np.array([phi(k * scale * CLOSE_STEP_RATIO / NOISE_POINTS * step) for k in range(1, NOISE_POINTS + 1)])
        changing = np.flatnonzero(np.diff(values))
        constant = np.flatnonzero(np.diff(values) == 0)
        is_staircase = changing.size and constant.size and bool(constant[-1] > changing[0])
        if np.isfinite(values).all() and (scale <= 100.0 or is_staircase):
            noise = max(noise, np.max(np.abs(np.diff(values, 4))) / np.sqrt(70.0))
        if scale > 1.0 and not constant.size:
            break
    return noise


def _estimate_close_to_zero(phi: ScalarFunction, at_zero: Any, step: float, noise: Any) -> tuple[_Estimate, float]:
    """Estimate φ′(0) and the jump of the slope with steps so small that a kink elsewhere rarely lies within them.

    The estimate is imprecise; it serves to discard estimates from large steps that include a kink elsewhere.
    """
    h = CLOSE_STEP_RATIO * step
    if not h:
        return _Estimate(float("nan"), float("inf"), h), 0.0
    above, below, half_above, half_below = phi(h), phi(-h), phi(h / 2), phi(-h / 2)
    slope, finer_slope = (above - below) / (2 * h), (half_above - half_below) / h
    second_difference = (above - 2 * at_zero + below) / h
    finer_second_difference = 2 * (half_above - 2 * at_zero + half_below) / h
    if not np.isfinite(slope + finer_slope):
        return _Estimate(float("nan"), float("inf"), h), 0.0
    jump, noise_slope = abs(2 * finer_second_difference - second_difference), 8 * noise / h
    is_kink = jump > 4 * abs(finer_second_difference - second_difference) + 4 * noise_slope
    error = float(2 * abs(slope - finer_slope) + noise_slope)
    return _Estimate(float(finer_slope), error, h), float(jump) if is_kink else 0.0
