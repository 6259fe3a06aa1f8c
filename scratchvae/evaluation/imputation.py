"""The error of imputed values."""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import as_real_array, to_host
from scratchvae.errors import DTypeError, RangeError, ShapeError
from scratchvae.representation import fields_repr
from scratchvae.training.scoring import standard_error
from scratchvae.validation import suggest_arguments


class ImputationError(NamedTuple):
    """The mean squared error over all missing entries whose true value is known.

    standard_error    over the rows with such entries; NaN for a single row
    entries           number of such entries
    """

    value: float
    standard_error: float
    entries: int

    def __repr__(self) -> str:
        return fields_repr(self)


# value = Σ_n s_n / Σ_n m_n, with s_n the squared error and m_n the number of counted entries of row n. This is a ratio
# of two means; its standard error is that of the mean of s_n − value · m_n, divided by the mean of m_n. Rows without a
# counted entry say nothing about the error, so they are left out.
@suggest_arguments
def imputation_error(truth: Any, completed: Any, observed: Any) -> ImputationError:
    """Compare completed (N, D) with truth (N, D) in the entries where the boolean mask observed (N, D) is False.

    Entries that are NaN in truth are unknown, and not counted. Raises DTypeError, ShapeError or, for counted entries
    that are not finite and errors whose squares overflow, RangeError.
    """
    truth, completed = as_real_array("truth", truth), as_real_array("completed", completed)
    observed = to_host("observed", observed)
    if observed.dtype != bool:
        raise DTypeError(f"observed has dtype {observed.dtype}; expected booleans, False where an entry is missing")
    if truth.ndim != 2 or not truth.shape == completed.shape == observed.shape:
        raise ShapeError(
            f"truth {truth.shape}, completed {completed.shape} and observed {observed.shape} differ in shape; expected "
            "the same shape (N, D)"
        )
    if observed.all():
        raise ShapeError("no entry is missing; expected some False in observed")
    counted = ~observed & ~np.isnan(truth)
    if not counted.any():
        raise RangeError("truth is NaN in all missing entries; expected the true values of some of them")
    with np.errstate(over="ignore"):
        errors = np.zeros(truth.shape)
        np.subtract(truth, completed, out=errors, where=counted, dtype=np.float64, casting="unsafe")
        s, m = (errors**2).sum(axis=1), counted.sum(axis=1)
        value = float(s.sum() / m.sum())
    for name, array in (("truth", truth), ("completed", completed)):
        if not np.isfinite(array[counted]).all():
            raise RangeError(f"{name} holds NaN or infinite values in missing entries; expected finite numbers")
    if not isfinite(value):
        raise RangeError("the squared errors are too large for float64; divide truth and completed by one number")
    rows = m > 0
    return ImputationError(value, standard_error((s - value * m)[rows]) / float(m[rows].mean()), int(m.sum()))
