"""The error of imputed values."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import as_real_array, to_host
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.representation import fields_repr
from scratchvae.validation import suggest_arguments


class ImputationError(NamedTuple):
    """The mean squared error over all missing entries.

    standard_error    over rows; NaN for a single row
    entries           number of missing entries
    """

    value: float
    standard_error: float
    entries: int

    def __repr__(self) -> str:
        return fields_repr(self)


# value = Σ_n s_n / Σ_n m_n, with s_n the squared error and m_n the number of missing entries of row n. This is a ratio
# of two means; its standard error is that of the mean of s_n − value · m_n, divided by the mean of m_n.
@suggest_arguments
def imputation_error(truth: Any, completed: Any, observed: Any) -> ImputationError:
    """Compare completed (N, D) with truth (N, D) in the entries where the boolean mask observed (N, D) is False.

    Raises DTypeError or ShapeError.
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
    missing = ~observed
    squared_error = np.where(missing, np.subtract(truth, completed, dtype=np.float64), 0.0) ** 2
    s, m = squared_error.sum(axis=1), missing.sum(axis=1)
    if not m.any():
        raise ShapeError("no entry is missing; expected some False in observed")
    value = float(s.sum() / m.sum())
    rows = len(m)
    standard_error = float((s - value * m).std(ddof=1)) / sqrt(rows) / float(m.mean()) if rows > 1 else float("nan")
    return ImputationError(value, standard_error, int(m.sum()))
