"""Missing values filled in, as a transformer of scikit-learn."""

from __future__ import annotations

from typing import Any

from scratchvae.arrays import Array
from scratchvae.backend import to_numpy
from scratchvae.estimators.output import Transformer
from scratchvae.estimators.rows import has_missing, of_dtype
from scratchvae.estimators.weighted import WeightedRows
from scratchvae.tables import TableSchema
from scratchvae.training import Trainer

SAMPLES = 200  # draws of z for each row of a table, of which 500 are hardly better


class VAEImputer(Transformer):
    """Fills in missing values, which are NaN, by their conditional means given the observed values of the row.

        filled = sv.VAEImputer().fit_transform(X)

    Parameters and attributes are those of `VAEEmbedding`, with 8 components. Missing values may also be first seen by
    `transform`. The filled values are estimated by random draws: the same X gives the same values, but those of a row
    depend on its place in X.

    A table with columns of texts, categories, booleans or dates becomes a table of the same columns and types: a
    missing category is the most probable one, and whole numbers are rounded. A column without any known value stays as
    it is.
    """

    _components = 8
    _takes_sparse = False  # the missing values of a sparse matrix would be few numbers among zeros that are not stored
    _saw_missing: bool

    def _keep(self, trainer: Trainer, data: WeightedRows, schema: TableSchema | None, names: Array | None) -> None:
        super()._keep(trainer, data, schema, names)
        self._saw_missing = has_missing(data.rows)

    def _missing_in(self, rows: Array) -> bool:
        return True

    def transform(self, X: Any) -> Any:
        """X (N, D) with its missing values filled in; observed values are unchanged. Float32 if X is, else float64.

        If `fit` saw a table of several kinds of columns, a table as X.

        Raises NotFittedError, DTypeError, ShapeError, RangeError or DivergedError.
        """
        rows = self._rows(X)
        if self._schema is None:
            return self._output(of_dtype(rows, to_numpy(self.vae_.impute(rows))), X)
        if self._saw_missing:
            filled = to_numpy(self.vae_.impute(rows, method="importance", samples=SAMPLES))
        else:  # the encoder was trained with complete rows
            filled = to_numpy(self.vae_.impute(rows))
        kind = self._output_kind()
        return self._schema.fill(X, filled, None if kind == "default" else kind)

    def _names_out(self, names: list[str]) -> list[str]:
        return names
