"""The output of transformers: arrays, or tables with names of columns."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

import numpy as np

from scratchvae.arrays import Array
from scratchvae.errors import ShapeError
from scratchvae.estimators.estimator import VAEEstimator
from scratchvae.validation import check_choice

T = TypeVar("T", bound="Transformer")
OUTPUTS = ("default", "pandas", "polars")


class Transformer(VAEEstimator):
    """The base class of estimators that transform rows."""

    def transform(self, X: Any) -> Any:
        """The transformed rows of X."""
        raise NotImplementedError

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None, comm: Any = None) -> Any:
        """Fit, and transform the same rows. Arguments and errors are those of `fit`."""
        return self.fit(X, y, sample_weight, comm).transform(X)

    def set_output(self: T, *, transform: str | None = None) -> T:
        """Choose what transform returns: "default" (NumPy arrays), "pandas" or "polars". None changes nothing."""
        if transform is not None:
            self._sklearn_output_config = {"transform": check_choice("transform", transform, OUTPUTS)}
        return self

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """The names of the columns that transform returns, an array of objects.

        input_features   the names of the features of X; None: those that `fit` saw, or else x0, x1, …

        Raises NotFittedError or ShapeError.
        """
        self._fitted()
        known = getattr(self, "feature_names_in_", None)
        if input_features is None:
            names = [f"x{k}" for k in range(self.n_features_in_)] if known is None else known.tolist()
        else:
            names = list(input_features)
        if len(names) != self.n_features_in_:
            raise ShapeError(
                f"input_features should have length equal to number of features ({self.n_features_in_}), got "
                f"{len(names)}: pass the names of the columns that fit was given"
            )
        if known is not None and names != known.tolist():
            raise ShapeError("input_features is not equal to feature_names_in_; leave it out")
        return np.array(self._names_out(names), object)

    def _names_out(self, names: list[str]) -> list[str]:
        """The names of the columns that transform returns, from those of the features."""
        raise NotImplementedError

    def _output_kind(self) -> str:
        """One of OUTPUTS, as `set_output` or the configuration of scikit-learn says."""
        sklearn = sys.modules.get("sklearn")
        everywhere = {} if sklearn is None else {"transform": sklearn.get_config()["transform_output"]}
        kinds: dict[str, str] = {**everywhere, **getattr(self, "_sklearn_output_config", {})}
        return kinds.get("transform", "default")

    def _output(self, rows: Array, X: Any) -> Any:
        """The transformed rows of X, as a table if `set_output` or the configuration of scikit-learn asks for one."""
        kind = self._output_kind()
        if kind == "default":
            return rows
        names = self.get_feature_names_out().tolist()
        if kind == "polars":
            import polars

            return polars.DataFrame(rows, schema=names, orient="row")
        import pandas

        return pandas.DataFrame(rows, columns=names, index=X.index if isinstance(X, pandas.DataFrame) else None)

    def __sklearn_tags__(self) -> Any:
        """The tags of scikit-learn, for which it asks."""
        from sklearn.utils import TransformerTags

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags(preserves_dtype=["float64", "float32"])
        return tags
