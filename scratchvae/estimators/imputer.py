"""Missing values filled in, as a transformer of scikit-learn."""

from __future__ import annotations

from typing import Any

from scratchvae.arrays import Array
from scratchvae.backend import to_numpy
from scratchvae.estimators.output import Transformer
from scratchvae.estimators.rows import of_dtype


class VAEImputer(Transformer):
    """Fills in missing values, which are NaN, by their conditional means given the observed values of the row.

        filled = sv.VAEImputer().fit_transform(X)

    Parameters and attributes are those of `VAEEmbedding`. Missing values may also be first seen by `transform`.
    """

    _accepts_missing = True

    def _missing_in(self, rows: Array) -> bool:
        return True

    def transform(self, X: Any) -> Any:
        """X (N, D) with its missing values filled in; observed values are unchanged. Float32 if X is, else float64.

        Raises NotFittedError, DTypeError, ShapeError, RangeError or DivergedError.
        """
        rows = self._rows(X)
        return self._output(of_dtype(rows, to_numpy(self.vae_.impute(rows))), X)

    def _names_out(self, names: list[str]) -> list[str]:
        return names
