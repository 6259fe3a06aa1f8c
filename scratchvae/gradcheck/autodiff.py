"""Compare gradients with those of an automatic differentiation library."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np

from scratchvae.gradcheck.finite_difference import Array
from scratchvae.gradcheck.report import AGREES, NOT_FINITE, WRONG, Argument

MIN_SCALE_RATIO = 1e-2  # of the norm of all gradients: an error is never relative to less than that


def relative_errors(
    actual: Mapping[str, Array], expected: Mapping[str, Array], min_scale: float = 0.0
) -> dict[str, float]:
    """Return ‖actual − expected‖ / ‖expected‖ of each array.

    The denominator is at least MIN_SCALE_RATIO times the norm of all expected arrays concatenated, and at least
    `min_scale`, because an array computed by cancellation of large terms has their rounding error: a loss of 5e-4 nats
    may be the difference of terms of several nats. The error is infinite if an array has the wrong shape, or if the
    denominator is 0 and the array is not.
    """
    total_norm = np.sqrt(sum(float(np.linalg.norm(array)) ** 2 for array in expected.values()))
    errors = {}
    for name, array in expected.items():
        if np.shape(actual[name]) != np.shape(array):
            errors[name] = inf
            continue
        difference = float(np.linalg.norm(actual[name] - array))
        scale = max(float(np.linalg.norm(array)), MIN_SCALE_RATIO * total_norm, min_scale)
        errors[name] = difference / scale if scale else inf * difference if difference else 0.0
    return errors


def compare_arrays(
    actual: Mapping[str, Array],
    expected: Mapping[str, Array],
    dy: Array,
    tolerance: float,
    source: str,
    checked: str = "vjp",
    min_scale: float = 0.0,
) -> list[Argument]:
    """Return the result for each array, with the coordinate that differs most; see `Argument` for the names."""
    results = []
    for name, error in relative_errors(actual, expected, min_scale).items():
        array, wanted = np.asarray(actual[name], np.float64), np.asarray(expected[name], np.float64)
        difference = np.abs(array - wanted)
        index = tuple(int(i) for i in np.unravel_index(np.argmax(difference), array.shape)) if array.size else ()
        direction = np.zeros(array.shape)
        if array.size:
            direction[index] = 1.0
        finite = bool(np.isfinite(array).all() and np.isfinite(wanted).all())
        results.append(
            Argument(
                name=name,
                shape=array.shape,
                error=error if finite else inf,
                verdict=(AGREES if error <= tolerance else WRONG) if finite else NOT_FINITE,
                numeric=float(wanted[index]) if array.size else 0.0,
                analytic=float(array[index]) if array.size else 0.0,
                gradient_norm=float(np.linalg.norm(array)),
                uncertainty=0.0,
                kink=0.0,
                direction=direction,
                dy=dy,
                coordinate=index if array.size else None,
                source=source,
                checked=checked,
            )
        )
    return results
