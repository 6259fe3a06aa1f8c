"""How far completed rows are from what had been hidden of them."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import as_real_array, to_host
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.representation import fields_repr


class ImputationError(NamedTuple):
    """The mean squared error over all hidden entries, its standard error over rows (NaN for one), and their number."""

    value: float
    standard_error: float
    entries: int

    def __repr__(self) -> str:
        return fields_repr(self)


# value = Σ_n s_n / Σ_n h_n, with s_n the squared error and h_n the number of hidden entries of row n: a ratio of two
# means, whose standard error is that of the mean of s_n − value · h_n, over the mean of h_n.
def imputation_error(truth: Any, completed: Any, observed: Any) -> ImputationError:
    """Of completed (N, D) against truth (N, D), where observed (N, D), of booleans, is False.

    Raises DTypeError or ShapeError.
    """
    truth, completed = as_real_array("truth", truth), as_real_array("completed", completed)
    observed = to_host("observed", observed)
    if observed.dtype != bool:
        raise DTypeError(f"observed has dtype {observed.dtype}; expected booleans, False where an entry was hidden")
    if truth.ndim != 2 or not truth.shape == completed.shape == observed.shape:
        raise ShapeError(
            f"truth {truth.shape}, completed {completed.shape} and observed {observed.shape} differ in shape; expected "
            "the same (N, D) of all three"
        )
    hidden = ~observed
    squared = np.where(hidden, np.subtract(truth, completed, dtype=np.float64), 0.0) ** 2
    s, h = squared.sum(axis=1), hidden.sum(axis=1)
    if not h.any():
        raise ShapeError("nothing of the rows was hidden; expected some False in observed")
    value = float(s.sum() / h.sum())
    rows = len(h)
    error = float((s - value * h).std(ddof=1)) / sqrt(rows) / float(h.mean()) if rows > 1 else float("nan")
    return ImputationError(value, error, int(h.sum()))
