"""Codes of rows, as a transformer of scikit-learn."""

from __future__ import annotations

from typing import Any

from scratchvae.arrays import Array
from scratchvae.backend import to_numpy
from scratchvae.errors import ShapeError
from scratchvae.estimators.output import Transformer
from scratchvae.estimators.parameters import seed_of
from scratchvae.estimators.rows import of_dtype, to_numbers
from scratchvae.validation import check_int


class VAEEmbedding(Transformer):
    """The codes of rows: the posterior means μ(x) of a VAE, a non-linear relative of PCA.

        codes = sv.VAEEmbedding(n_components=8).fit_transform(X)

    n_components         Z, the numbers of a code. None: 2
    hidden_layer_sizes   widths of the encoder's hidden layers; the decoder has them in reverse order. None: one layer,
                         of a width near 2 √N, from 32 to 512; two of half of it for a table of several kinds of columns
    activation           a name, class or instance: see `VAE`
    likelihood           p(x | z), a name or a `Likelihood`: see `VAE`. "auto": "gaussian_learned" or, for a table of
                         several kinds of columns, that of `schema_`
    scale                units of the data: see `VAE`. "auto": with a Gaussian likelihood, "common" if most columns span
                         the same range, as the pixels of pictures do, or X is sparse, else "standardize"; otherwise as
                         in `VAE`
    beta                 weight β of the KL
    max_iter             epochs. None: 10, or as many as make 3,000 updates
    learning_rate        of Adam; it falls to 0 along a cosine. None: 1e-3, or 3e-3 for columns of several kinds
    batch_size           rows per update
    early_stopping       True: hold out `validation_fraction` of the rows, stop after `n_iter_no_change` epochs without
                         a lower loss of them, and keep the weights of the best epoch
    warm_start           True: `fit` goes on with the weights of the fit before
    random_state         a whole number: the same rows give the same codes, bit for bit. None: other ones each time. A
                         RandomState or Generator gives the seed
    backend, dtype       of the training: see `VAE`. Codes are computed in float64, so that the code of a row does not
                         depend on the rows beside it
    verbose              True: show the progress of training
    kinds                kinds of some columns of a table, by name, as of `TableSchema.infer`: {"year": "category"}

    A fitted estimator has
    vae_                 the trained `VAE`
    history_             the `History` of training; `loss_curve_` are its losses, in nats per row
    n_iter_              the number of epochs
    schema_              the `TableSchema` of a table with columns of texts, categories, booleans or dates, or for which
                         `kinds` are given; a table of numbers alone has none
    n_features_in_, feature_names_in_   the number of columns of X, and their names, if they have names

    Methods take NumPy arrays and tables of pandas, polars or PyArrow. After `fit` with a table that has a `schema_`,
    they take such tables, in which columns are found by their names, and `inverse_transform` and `sample` return them.
    Numbers are standardized then, also for log p(x).

    NaN is a missing value, if there is one in the rows of `fit`. The class follows the conventions of scikit-learn,
    which need not be installed.
    """

    def transform(self, X: Any) -> Any:
        """The codes (N, n_components) of rows X (N, D), float32 if X is, else float64.

        Raises NotFittedError, DTypeError, ShapeError or RangeError.
        """
        rows = self._rows(X)
        return self._output(of_dtype(rows, to_numpy(self.vae_.embed(rows))), X)

    def inverse_transform(self, X: Any) -> Any:
        """The rows (N, D) of codes X (N, n_components): the mean of p(x | z), in the units of the data.

        If `fit` saw a table of several kinds of columns, a table of the same columns and types.

        Raises NotFittedError, DTypeError, ShapeError or RangeError.
        """
        vae = self._fitted()
        codes = to_numbers(type(self).__name__, X, False)
        if codes.shape[1] != vae.latent_dim:
            raise ShapeError(f"X has shape {codes.shape}; expected codes (N, {vae.latent_dim}), as transform returns")
        rows = to_numpy(vae.decode(codes))
        return of_dtype(codes, rows) if self._schema is None else self._schema.decode(rows)

    def score_samples(self, X: Any) -> Array:
        """log p(x) of each row, (N,), estimated by importance sampling with 64 draws: see `VAE.score_samples`."""
        rows = self._rows(X)
        return self.vae_.score_samples(rows)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of log p(x) over the rows, in nats: the higher, the better. y is ignored."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, values: str = "mean") -> Any:
        """New rows (n_samples, D), of codes that are drawn from the prior. `values` is that of `VAE.sample`.

        If `fit` saw a table of several kinds of columns, a table of the same columns and types.
        """
        vae, count = self._fitted(), check_int("n_samples", n_samples)
        rows = to_numpy(vae.sample(count, seed=seed_of(self.random_state), values=values))
        return rows if self._schema is None else self._schema.decode(rows)

    def _names_out(self, names: list[str]) -> list[str]:
        return [f"{type(self).__name__.lower()}{k}" for k in range(self.vae_.latent_dim)]
