"""Rows that are unlike the others, as an outlier detector of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.backend import Backend, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.estimators.estimator import VAEEstimator
from scratchvae.estimators.weighted import WeightedRows
from scratchvae.layers import Layer
from scratchvae.models.scores import ANOMALY_METHODS
from scratchvae.probability import Likelihood
from scratchvae.tables import TableSchema
from scratchvae.training import Trainer
from scratchvae.validation import check_choice, check_float, short_repr, suggest_arguments


class VAEOutlierDetector(VAEEstimator):
    """Finds rows that are improbable under a VAE of all rows.

        is_normal = sv.VAEOutlierDetector(contamination=0.05).fit_predict(X) == 1

    contamination   the share of the rows of `fit` that are outliers, more than 0 and at most 0.5
    method          the score of a row: "log_likelihood", "elbo" or "reconstruction": see `VAE.anomaly_score`

    The other parameters are those of `VAEEmbedding`, with 8 components. A fitted estimator also has `offset_`, the
    score_samples below which a row is an outlier.
    """

    offset_: float
    _components = 8

    @suggest_arguments
    def __init__(
        self,
        n_components: int | None = None,
        contamination: float = 0.1,
        method: str = "log_likelihood",
        hidden_layer_sizes: Sequence[int] | None = None,
        activation: str | Layer | type[Layer] = "silu",
        likelihood: str | Likelihood = "auto",
        scale: str = "auto",
        beta: float = 1.0,
        max_iter: int | None = None,
        learning_rate: float | None = None,
        batch_size: int = 128,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: Any = 0,
        backend: str | Backend = "numpy",
        dtype: str = "float32",
        verbose: bool = False,
        kinds: Mapping[Any, str] | None = None,
    ) -> None:
        super().__init__(
            n_components,
            hidden_layer_sizes,
            activation,
            likelihood,
            scale,
            beta,
            max_iter,
            learning_rate,
            batch_size,
            early_stopping,
            validation_fraction,
            n_iter_no_change,
            warm_start,
            random_state,
            backend,
            dtype,
            verbose,
            kinds,
        )
        self.contamination = contamination
        self.method = method

    def _check_parameters(self) -> None:
        share = check_float("contamination", self.contamination)
        if not 0 < share <= 0.5:
            raise ConfigError(
                f"contamination={short_repr(share)}: expected the share of outliers, more than 0 and at most 0.5"
            )
        check_choice("method", self.method, ANOMALY_METHODS)

    def _keep(self, trainer: Trainer, data: WeightedRows, schema: TableSchema | None, names: Array | None) -> None:
        super()._keep(trainer, data, schema, names)
        scores = self._scores(data.rows)
        if data.weights is None:
            self.offset_ = float(np.quantile(scores, self.contamination))
        else:
            self.offset_ = float(np.quantile(scores, self.contamination, method="inverted_cdf", weights=data.weights))

    def score_samples(self, X: Any) -> Array:
        """Minus the anomaly score of each row, (N,): the lower, the stranger. Errors are those of `transform`."""
        return self._scores(self._rows(X))

    def decision_function(self, X: Any) -> Array:
        """score_samples − offset_, (N,): negative for outliers."""
        return self.score_samples(X) - self.offset_  # in this order, so that an unfitted estimator says so

    def predict(self, X: Any) -> Array:
        """1 for each normal row, and −1 for each outlier, (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None, comm: Any = None) -> Array:
        """Fit, and predict the same rows. Arguments and errors are those of `fit`."""
        return self.fit(X, y, sample_weight, comm).predict(X)

    def _scores(self, rows: Array) -> Array:
        return -to_numpy(self.vae_.anomaly_score(rows, self.method))

    def __sklearn_tags__(self) -> Any:
        """The tags of scikit-learn, for which it asks."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "outlier_detector"
        return tags
