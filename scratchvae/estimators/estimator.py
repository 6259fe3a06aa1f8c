"""The base class of the estimators: it makes a VAE for the rows of `fit`, and trains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, log2, sqrt
from typing import Any, TypeVar, cast

import numpy as np

from scratchvae.arrays import Array
from scratchvae.backend import Backend
from scratchvae.dataframes import is_dataframe
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.estimators.parameters import Parameters, not_fitted, seed_of
from scratchvae.estimators.rows import (
    canonical_order,
    check_feature_names,
    check_known_columns,
    check_sample_weight,
    feature_names,
    has_missing,
    to_numbers,
)
from scratchvae.estimators.tables import encode_table, infer_schema
from scratchvae.estimators.weighted import WeightedRows
from scratchvae.layers import Layer
from scratchvae.models import VAE
from scratchvae.models.scale import have_one_unit
from scratchvae.optim import Cosine
from scratchvae.parallel import process_group
from scratchvae.probability import Likelihood
from scratchvae.rng import generator
from scratchvae.rows import RowSource
from scratchvae.tables import TableSchema
from scratchvae.tables.reading import has_other_kinds
from scratchvae.tables.schema import SCHEMA_ENTRY
from scratchvae.training import History, Trainer
from scratchvae.validation import (
    check_bool,
    check_fraction,
    check_int,
    check_ints,
    check_positive,
    short_repr,
    suggest_arguments,
)

E = TypeVar("E", bound="VAEEstimator")
UPDATES, EPOCHS = 3000, 10  # the least numbers of both, for max_iter=None
RATE, RATE_OF_TABLES = 1e-3, 3e-3  # for learning_rate=None
WIDTHS = 32, 512  # the least and the largest width, for hidden_layer_sizes=None


class VAEEstimator(Parameters):
    """The base class of the estimators."""

    vae_: VAE
    history_: History
    n_iter_: int
    loss_curve_: list[float]
    n_features_in_: int
    feature_names_in_: Array
    schema_: TableSchema

    _components = 2  # for n_components=None
    _takes_sparse = True

    @suggest_arguments
    def __init__(
        self,
        n_components: int | None = None,
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
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.likelihood = likelihood
        self.scale = scale
        self.beta = beta
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.backend = backend
        self.dtype = dtype
        self.verbose = verbose
        self.kinds = kinds

    def fit(self: E, X: Any, y: Any = None, sample_weight: Any = None, comm: Any = None) -> E:
        """Train a new VAE on the rows X (N, D); with `warm_start`, go on with that of the fit before.

        y               is ignored
        sample_weight   (N,): a row of weight 2 counts as the row twice, and one of weight 0 is left out
        comm            several processes fit together: an MPI communicator of mpi4py. Each is given the same arguments,
                        and ends with the same VAE

        The result does not depend on the order of the rows, unless X is an np.memmap, which is read where it is. A
        sparse matrix of SciPy becomes dense a batch at a time.
        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        group = process_group(comm)
        again = check_bool("warm_start", self.warm_start) and hasattr(self, "vae_")
        data, schema = self._rows_to_fit(X, sample_weight, again)
        if not isinstance(data.rows, np.memmap):
            data = data.take(canonical_order(data.rows))
        seed = seed_of(self.random_state) if group is None else group.root_value(lambda: seed_of(self.random_state))
        model = self._trainer.model if again else self._make_vae(data.rows, schema, seed)
        training, validation = self._split(data, seed)
        batch_size = min(check_int("batch_size", self.batch_size), len(training.rows))
        steps = ceil(len(training.rows) / batch_size)
        epochs = max(EPOCHS, ceil(UPDATES / steps)) if self.max_iter is None else check_int("max_iter", self.max_iter)
        rate = Cosine(self._rate_for(schema), epochs * steps)
        trainer = Trainer(model, rate, batch_size, seed, comm=group)
        settings: dict[str, Any] = {"progress": check_bool("verbose", self.verbose)}
        if validation is not None:
            settings["validation"] = validation.draw(np.random.default_rng(seed))
            settings["patience"] = check_int("n_iter_no_change", self.n_iter_no_change)
        if training.weights is None:
            trainer.fit(training.rows, epochs, **settings)
        else:
            trainer.fit(training.epochs(seed, batch_size), epochs, steps_per_epoch=steps, **settings)
        trainer.comm = None  # the fitted estimator is of this process alone, and can be pickled
        self._keep(trainer, data, schema, feature_names(X))
        return self

    def partial_fit(self: E, X: Any, y: Any = None, sample_weight: Any = None) -> E:
        """Go once through the rows X (N, D), with a constant learning rate. Arguments and errors are those of `fit`.

        The first call makes the VAE, and learns the scale from its rows: they should be typical of all.
        """
        if check_bool("early_stopping", self.early_stopping):
            raise ConfigError(
                "early_stopping=True holds out rows, which partial_fit does not: leave it out, or use fit"
            )
        again, seed = hasattr(self, "vae_"), seed_of(self.random_state)
        data, schema = self._rows_to_fit(X, sample_weight, again)
        rate, batch_size = self._rate_for(schema), check_int("batch_size", self.batch_size)
        if again:
            trainer = self._trainer
            trainer.lr, trainer.batch_size = rate, batch_size
        else:
            trainer = Trainer(self._make_vae(data.rows, schema, seed), rate, batch_size, seed)
        drawn = data.draw(np.random.default_rng([seed, trainer.optimizer.t]))
        trainer.fit(drawn, 1, progress=check_bool("verbose", self.verbose))
        self._keep(trainer, data, schema, feature_names(X))
        return self

    def _check_parameters(self) -> None:
        """Raises ConfigError for a wrong parameter of a subclass."""

    def _rows_to_fit(self, X: Any, sample_weight: Any, again: bool) -> tuple[WeightedRows, TableSchema | None]:
        """The rows X with their weights, and the schema of a table of several kinds of columns."""
        self._check_parameters()
        schema = self._schema if again else self._infer_schema(X)
        if again:
            rows = self._rows(X)
        elif schema is not None:
            rows = encode_table(schema, X)
        else:
            rows = to_numbers(type(self).__name__, X, allow_nan=True, allow_sparse=self._takes_sparse)
            check_known_columns(rows, feature_names(X))
        return WeightedRows.make(rows, check_sample_weight(sample_weight, len(rows))), schema

    def _infer_schema(self, X: Any) -> TableSchema | None:
        """The schema of a table that has columns of other kinds than numbers, or whose `kinds` are given."""
        if self.kinds is None:
            return infer_schema(X, None) if has_other_kinds(X) else None
        if not is_dataframe(X):
            raise ConfigError(
                f"kinds={short_repr(self.kinds)} are of the columns of a table, and X is none: leave it out"
            )
        return infer_schema(X, self.kinds)

    def _make_vae(self, rows: Array, schema: TableSchema | None, seed: int) -> VAE:
        hidden = self.hidden_layer_sizes
        vae = VAE(
            rows.shape[1],
            self._components if self.n_components is None else check_int("n_components", self.n_components),
            default_hidden(len(rows), schema is not None)
            if hidden is None
            else check_ints("hidden_layer_sizes", hidden),
            self.activation,
            self._likelihood_for(schema),
            self.beta,
            seed,
            self.dtype,
            self.backend,
            missing=self._missing_in(rows),
            scale=self._scale_for(rows) if schema is None else "auto",
        )
        if schema is not None:
            vae.metadata[SCHEMA_ENTRY] = schema.to_json()
        return vae

    def _rate_for(self, schema: TableSchema | None) -> float:
        if self.learning_rate is None:
            return RATE if schema is None else RATE_OF_TABLES
        return check_positive("learning_rate", self.learning_rate)

    def _likelihood_for(self, schema: TableSchema | None) -> str | Likelihood:
        """The likelihood; for a table of several kinds of columns, that of its schema. Raises ConfigError."""
        for name in ("likelihood", "scale") if schema is not None else ():
            if repr(value := getattr(self, name)) != "'auto'":
                raise ConfigError(
                    f"{name}={short_repr(value)}, and X is a table of several kinds of columns, which has that of its "
                    "schema: leave it out, or convert all columns to numbers"
                )
        if schema is not None:
            return schema.likelihood()
        return "gaussian_learned" if isinstance(self.likelihood, str) and self.likelihood == "auto" else self.likelihood

    def _scale_for(self, rows: Array) -> str:
        likelihood = self._likelihood_for(None)
        if self.scale == "auto" and isinstance(likelihood, str) and likelihood.startswith("gaussian"):
            return "common" if isinstance(rows, RowSource) or have_one_unit(rows) else "standardize"
        return self.scale

    def _missing_in(self, rows: Array) -> bool:
        """True if the model of these rows is to accept missing values."""
        return has_missing(rows)

    def _split(self, data: WeightedRows, seed: int) -> tuple[WeightedRows, WeightedRows | None]:
        """The rows to train with and, for early stopping, those to validate with."""
        if not check_bool("early_stopping", self.early_stopping):
            return data, None
        share, rows = check_fraction("validation_fraction", self.validation_fraction), len(data.rows)
        count = round(rows * share)
        if not 0 < count < rows:
            raise ConfigError(
                f"validation_fraction={share:g} of {rows} rows is {count}; expected at least one row, and one left for "
                "training: change it, or leave early_stopping out"
            )
        order = generator(seed, "held-out rows").permutation(rows)
        return data.take(order[count:]), data.take(order[:count])

    # A code must not depend on the rows beside it. In float32, a matrix product of 1 row and of 100 rows round
    # differently, by 1e-7; in float64 by 1e-16, which costs twice the time.
    def _keep(self, trainer: Trainer, data: WeightedRows, schema: TableSchema | None, names: Array | None) -> None:
        """Set the attributes of an estimator that was fitted to the data."""
        self._trainer, vae = trainer, cast(VAE, trainer.model)
        self.vae_ = vae.astype("float64") if vae.dtype == np.float32 else vae
        self.history_ = trainer.history
        self.n_iter_, self.loss_curve_ = len(self.history_.epochs), [epoch.loss for epoch in self.history_.epochs]
        self.n_features_in_ = data.rows.shape[1]
        if schema is not None:  # the columns of X may have another order
            labels = [column.name for column in schema.columns]
            names = None if names is None else np.array(labels, object)
            self.n_features_in_ = len(labels)
        for name, value in {"feature_names_in_": names, "schema_": schema}.items():
            if value is not None:
                setattr(self, name, value)
            elif hasattr(self, name):
                delattr(self, name)

    # --- for the methods of a fitted estimator

    def _fitted(self) -> VAE:
        if not hasattr(self, "vae_"):
            raise not_fitted(type(self).__name__)
        return self.vae_

    @property
    def _schema(self) -> TableSchema | None:
        """The schema of the table that `fit` saw; None if that had numbers alone."""
        return getattr(self, "schema_", None)

    @property
    def _missing(self) -> bool:
        return bool(self.vae_.config["missing"])

    def _rows(self, X: Any) -> Array:
        """The rows X as an array (N, D). Raises NotFittedError, DTypeError, ShapeError or RangeError."""
        self._fitted()
        kind = type(self).__name__
        if self._schema is not None:
            rows = encode_table(self._schema, X)
            if not self._missing and has_missing(rows):
                raise RangeError(
                    f"X has missing values, and the table that {kind} was fitted with had none: fill them in, by "
                    "VAEImputer"
                )
            return rows
        check_feature_names(kind, X, getattr(self, "feature_names_in_", None))
        rows = to_numbers(kind, X, self._missing, self._takes_sparse)
        self._check_width(rows)
        return rows

    def _check_width(self, rows: Array) -> None:
        if rows.shape[1] != self.n_features_in_:
            raise ShapeError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input: pass the columns that fit was given"
            )

    def __sklearn_tags__(self) -> Any:
        """The tags of scikit-learn, for which it asks."""
        from sklearn.utils import InputTags, Tags, TargetTags

        inputs = InputTags(allow_nan=True, sparse=self._takes_sparse)
        return Tags(estimator_type=None, target_tags=TargetTags(required=False), input_tags=inputs)


def default_hidden(rows: int, several_kinds: bool) -> tuple[int, ...]:
    """The widths of the hidden layers for so many rows: one layer; for columns of several kinds, two of half of it."""
    width = default_width(rows)
    return (max(width // 2, WIDTHS[0]),) * 2 if several_kinds else (width,)


def default_width(rows: int) -> int:
    """The width of the hidden layer for so many rows: a power of two near 2 √N, from 32 to 512."""
    return int(np.clip(2 ** round(log2(2 * sqrt(rows))), *WIDTHS))
