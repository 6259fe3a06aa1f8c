"""Derivatives from values alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Line = Callable[[float], Any]  # h ↦ φ(h), a NumPy number of the precision that f computes in

HALVINGS = 40
CLOSE_STEP_RATIO = 1e-5  # of the first step: where kinks are rare
PROBES = 9
NOISE_RATIO = 0.01  # of what φ changes by within the step: noise that hides its slope


class Derivative(NamedTuple):
    """φ′(0), in the unit of φ over that of h, as are `uncertainty`, how far off it may be, and the other slopes.

    kink     by how much the slope jumps at 0
    steep    a slope that would change φ by its own size within the first step
    """

    value: float
    uncertainty: float
    kink: float = 0.0
    steep: float = 0.0


class _Entry(NamedTuple):
    """An estimate of φ′(0), its error, and the smallest h in it."""

    value: float
    error: float
    h: float


# The central difference is even in h:  D(h) = (φ(h) − φ(−h)) / 2h = φ′ + a h² + b h⁴ + …
# so that D(h) and D(h/2) together cancel a, three of them b, and so on (Richardson and Gaunt 1927):
#   T_k0 = D(h/2ᵏ)        T_kj = T_k,j−1 + (T_k,j−1 − T_k−1,j−1) / (4ʲ − 1) = φ′ + O(h²ʲ⁺²)
# An entry differs from its two parents by about their error, which is taken for its own (Ridders 1982). Noise of size s
# adds s/h, so halving goes on until that alone is larger than the best entry's error.
#
# The other combination tells a kink at 0, where D is the mean of two slopes and knows nothing of it:
#   S(h) = (φ(h) − 2 φ(0) + φ(−h)) / h = J + c h + O(h²)         J = φ′(0⁺) − φ′(0⁻)
#   J(h) = 2 S(h/2) − S(h) = J + O(h²)
# Where φ is smooth, c is φ″ and J(h) falls to an eighth with each halving; where it has a kink, it stays.
@np.errstate(all="ignore")  # a step may leave φ's domain
def derivative(phi: Line, step: float, eps: float) -> Derivative:
    """φ′(0) by Richardson extrapolation of central differences, from `step` downwards; `eps` is φ's precision.

    Values that are not finite are passed over: they may lie outside φ's domain. Nothing finite gives NaN.
    """
    at_zero, kink, reach = phi(0.0), 0.0, 0.0
    rounding, roughness = eps * float(abs(at_zero)), _roughness(phi, step)
    noise = max(rounding, roughness)
    levels: list[list[_Entry]] = []
    row: list[Any] = []
    bends: list[Any] = []  # S of each level
    for k in range(HALVINGS):
        h = step / 2**k
        above, below = phi(h), phi(-h)
        if not np.isfinite(above) or not np.isfinite(below):
            row, bends = [], []
            continue
        reach = reach or float(max(abs(above - at_zero), abs(below - at_zero)))
        lost = max(noise, eps * float(max(abs(above), abs(below)))) / h
        parents, row, entries = row, [(above - below) / (2 * h)], []
        for j, parent in enumerate(parents, start=1):
            row.append(row[-1] + (row[-1] - parent) / (4**j - 1))
            error = max(abs(row[j] - row[j - 1]), abs(row[j] - parent))
            entries.append(_Entry(float(row[j]), float(error) + lost, h))
        levels += [entries] if entries else []
        bends.append((above - 2 * at_zero + below) / h)
        if len(bends) > 2:
            jump, before = 2 * bends[-1] - bends[-2], 2 * bends[-2] - bends[-3]
            kink = float(abs(jump)) if abs(jump) > 2 * abs(jump - before) + 16 * lost else 0.0
            if lost >= min(entry.error for level in levels for entry in level):
                break
    if not levels:
        return Derivative(float("nan"), float("inf"))
    near, kink_close_by = _slope_close_by(phi, at_zero, step, noise)
    best, kink = _uncontradicted(levels, near), max(kink, kink_close_by)
    drowned = roughness > max(NOISE_RATIO * reach, 16 * rounding)
    return Derivative(best.value, float("inf") if drowned else best.error, kink, float(abs(at_zero)) / step)


def _uncontradicted(levels: list[list[_Entry]], near: _Entry) -> _Entry:
    """The entry of least error, but of those that a finer one contradicts: they tell the slope elsewhere."""
    finer: list[_Entry] = []
    fitting = []
    for level in sorted([*levels, [near]], key=lambda entries: entries[0].h):
        fitting += [e for e in level if not any(abs(e.value - f.value) > e.error + f.error for f in finer)]
        finer.append(min(level, key=lambda entry: entry.error))
    return min(fitting, key=lambda entry: entry.error)


# The fourth difference of a smooth φ over steps δ is φ⁗ δ⁴, next to nothing; of independent noise of deviation s, it
# has deviation s √(1 + 16 + 36 + 16 + 1) (Hamming 1971; Moré and Wild 2011). All on one side of 0, where there may be a
# kink. A φ that stands still between two probes may move by stairs, and shows its roughness over longer steps; over two
# lengths at least, lest a probe fall on each stair. Far out only what has moved and stands still again is a stair.
def _roughness(phi: Line, step: float) -> float:
    """The noise of φ close to 0: more than rounding, if f computes in less than the precision of what it returns."""
    noise = 0.0
    for longer in (1.0, 3.7, 10.0, 100.0, 1e3, 1e4):
        values = np.array([phi(k * longer * CLOSE_STEP_RATIO / PROBES * step) for k in range(1, PROBES + 1)])
        moves = np.flatnonzero(np.diff(values))
        stands = np.flatnonzero(np.diff(values) == 0)
        stairs = moves.size and stands.size and bool(stands[-1] > moves[0])
        if np.isfinite(values).all() and (longer <= 100.0 or stairs):
            noise = max(noise, float(np.max(np.abs(np.diff(values, 4))) / np.sqrt(70.0)))
        if longer > 1.0 and not stands.size:
            break
    return noise


def _slope_close_by(phi: Line, at_zero: Any, step: float, noise: float) -> tuple[_Entry, float]:
    """D, and J, at a step so small that it hardly meets another kink than one at 0.

    D is not precise, but what contradicts it is the slope elsewhere.
    """
    h = CLOSE_STEP_RATIO * step
    above, below, half_above, half_below = phi(h), phi(-h), phi(h / 2), phi(-h / 2)
    wide, narrow = (above - below) / (2 * h), (half_above - half_below) / h
    bend, finer_bend = (above - 2 * at_zero + below) / h, 2 * (half_above - 2 * at_zero + half_below) / h
    if not np.isfinite(wide + narrow):
        return _Entry(float("nan"), float("inf"), h), 0.0
    jump, lost = abs(2 * finer_bend - bend), 8 * noise / h
    kink = float(jump) if jump > 4 * abs(finer_bend - bend) + 4 * lost else 0.0
    return _Entry(float(narrow), float(2 * abs(wide - narrow)) + lost, h), kink
