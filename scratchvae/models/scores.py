"""Scores of single rows: log-likelihood, anomaly scores, and draws given a row.

The score of a row depends on the row, the model and the seed alone, to the last bit: not on the other rows, nor on the
place of the row among them. So each row is computed on its own, S draws at once, with noise that its contents seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import log
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.fused import fused
from scratchvae.memory import BatchBuffers
from scratchvae.rng import fill_random, generator, row_generator
from scratchvae.validation import check_choice, check_int, check_seed

ANOMALY_METHODS = ("log_likelihood", "elbo", "reconstruction")
PREDICTED = ("drawn", "mean")


# E_q[p(x, z)/q(z | x)] = p(x) for any q, so the mean of S such weights estimates p(x) without bias. Its logarithm is at
# most log p(x) on average, and tends to it with S (Burda, Grosse and Salakhutdinov 2016, sec. 3):
#   log p(x) ≈ log (1/S) Σ_s w_s,   log w_s = log p(x | z_s) + log p(z_s) − log q(z_s | x),   z_s ~ q(z | x)
def log_mean_exp(log_w: Array) -> float:
    """log (1/S) Σ_s w_s of log-weights (S,), on the host, in float64."""
    largest = log_w.max()
    if largest == -np.inf:
        return float(largest)
    return float(largest + np.log(np.exp(log_w - largest).sum()) - log(len(log_w)))


def score_samples(vae: Any, x: Any, samples: int, seed: int, labels: Any) -> Array:
    """The estimate of log p(x) of each row: the implementation of `VAE.score_samples`."""
    return _scores(vae, x, samples, seed, labels, log_mean_exp)


def anomaly_score(vae: Any, x: Any, method: str, samples: int, seed: int, labels: Any) -> Array:
    """The anomaly score of each row: the implementation of `VAE.anomaly_score`."""
    check_choice("method", method, ANOMALY_METHODS)
    if method == "reconstruction":
        check_int("samples", samples)
        return reconstruction_error(vae, x, labels)
    return -_scores(vae, x, samples, seed, labels, log_mean_exp if method == "log_likelihood" else np.mean)


def reconstruction_error(model: Any, x: Any, labels: Any) -> Array:
    """−log p(x | z) (N,) in float64, with z the code of `embed`."""
    x = model.check_data(x, lazy=True)
    labels = model.encoder_labels(x, labels)
    errors = np.empty(len(x))
    with np.errstate(over="ignore", invalid="ignore"):  # a row may be so far from the training data that it overflows
        for rows, x_rows, targets in model.chunks(x, labels):
            for i, row, row_targets in _single_rows(rows, x_rows, targets):
                h = model.encoder.forward(row, *row_targets)
                z = model.posterior.mean(h) if model.noise_dim else h  # the encoder of an autoencoder makes the code
                log_likelihood = model.likelihood.forward(model.decoder.forward(z, *row_targets), row)
                errors[i] = -_known(to_numpy(log_likelihood))[0]
    return errors


def posterior_sample(vae: Any, x: Any, draws: int, seed: int, labels: Any) -> Array:
    """Draws (draws, N, Z) from q(z | x) of each row: the implementation of `VAE.posterior_sample`."""
    check_int("draws", draws)
    parameters, draw = vae.encode(x, labels), generator(seed, "noise").standard_normal
    rows = len(parameters[0])
    z = vae.backend.xp.empty((draws, rows, vae.latent_dim), vae.dtype)
    for k in range(draws):
        eps = fill_random(np.empty((rows, vae.posterior.noise(vae.latent_dim)), vae.dtype), draw)
        z[k] = vae.posterior.draw(parameters, vae.backend.upload(eps))
    return z  # type: ignore[no-any-return]


def posterior_predictive(vae: Any, x: Any, draws: int, values: str, seed: int, labels: Any) -> Array:
    """Draws (draws, N, D) of new rows like x: the implementation of `VAE.posterior_predictive`."""
    check_choice("values", values, PREDICTED)
    x = vae.check_data(x, scored=False)
    labels = vae.encoder_labels(x, labels)
    codes, rng = posterior_sample(vae, x, draws, seed, labels), generator(seed, "predicted rows")
    predicted = [decode_values(vae, z, labels, values, rng) for z in codes]
    stacked = vae.backend.xp.empty((draws, *predicted[0].shape), predicted[0].dtype)
    for k, rows in enumerate(predicted):
        stacked[k] = rows
    return stacked  # type: ignore[no-any-return]


def decode_values(vae: Any, z: Array, labels: Any, values: str, rng: np.random.Generator) -> Array:
    """Rows (N, D) of codes z (N, Z): the means of p(x | z), or draws from it with the noise of `rng`."""
    if check_choice("values", values, PREDICTED) == "mean":
        return vae.decode(z, labels)  # type: ignore[no-any-return]
    labels, drawn = vae.decoder_labels(labels, len(z)), vae.backend.xp.empty((len(z), vae.input_dim), vae.dtype)
    draw = getattr(rng, vae.likelihood.noise)
    for rows, z_rows, targets in vae.chunks(z, labels, data=False):
        noise = vae.backend.upload(fill_random(np.empty((len(z_rows), vae.input_dim), vae.dtype), draw))
        vae.likelihood.draw(vae.decoder.forward(z_rows, *targets), noise, out=drawn[rows])
    return vae.in_data_units(drawn)  # type: ignore[no-any-return]


def _scores(vae: Any, x: Any, samples: int, seed: int, labels: Any, combine: Callable[[Array], Any]) -> Array:
    """`combine` (S,) → a number, of the log-weights of each row, (N,) in float64."""
    check_int("samples", samples)
    check_seed(seed)
    x = vae.check_data(x, lazy=True)
    classes = vae.scored_classes(labels, len(x))
    scores = np.empty((len(classes), len(x)))
    weights, eps = LogWeights(vae, samples), np.empty((samples, vae.posterior.noise(vae.latent_dim)), vae.dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # a row may be so far from the training data that it overflows
        for k, row_classes in enumerate(classes):
            for rows, x_rows, targets in vae.chunks(x, row_classes):
                for i, row, row_targets in _single_rows(rows, x_rows, targets):
                    fill_random(eps, row_generator(seed, to_numpy(row)).standard_normal)
                    scores[k, i] = combine(weights(row, eps, *row_targets)[0])
        return np.array([log_mean_exp(of_row) for of_row in scores.T]) if len(classes) > 1 else scores[0]


# A copy of the row, because BLAS may round differently by the address of a row.
def _single_rows(rows: slice, x: Array, targets: Sequence[Array]) -> Iterator[tuple[int, Array, list[Array]]]:
    """Yield the index of each row of x, the slice `rows` of all rows, with the row (1, D) and its targets (1, K)."""
    for i in range(len(x)):
        yield rows.start + i, x[i : i + 1].copy(), [array[i : i + 1] for array in targets]


class LogWeights:
    """log p(x | z) + log p(z) − log q(z | x) of draws z ~ q(z | x), several for each of some rows x.

    draws   the largest number of draws at once, of all rows together
    """

    def __init__(self, vae: Any, draws: int) -> None:
        self.vae = vae
        per_row = vae.objective.draws * (1 if vae.kl_per_row else vae.classes)  # rows that the decoder takes per row
        self.rows = -(-draws // per_row)
        prior, buffers = vae.prior.at_fixed_weights(), BatchBuffers(vae.backend, vae.dtype, draws)
        if prior is not vae.prior:
            prior.bind(buffers, (vae.latent_dim,))
        self.log_ratio = fused(prior.kl(vae.posterior, False), vae.backend)
        self.log_ratio.bind(buffers, (vae.latent_dim,))

    def __call__(self, x: Array, eps: Array, *targets: Array) -> Array:
        """(n, S) on the host, in float64, from x (n, D), its one-hot classes (n, K) and noise (n·S, ·) on the host.

        −∞ where numbers overflow. Those of row 0 are the first S of `eps`.
        """
        vae, samples = self.vae, len(eps) // len(x)
        vae.ensure_capacity(max(len(x), self.rows))
        h = vae.encoder.forward(x, *targets)
        z = vae.posterior.forward(self._repeated(h, samples), vae.backend.upload(eps))
        log_ratio = self.log_ratio.forward(z)
        parameters = vae.decoder.forward(z, *(self._repeated(array, samples) for array in targets))
        log_w = vae.likelihood.forward(parameters, self._repeated(x, samples)) - log_ratio
        return _known(to_numpy(log_w)).reshape(len(x), samples)

    def _repeated(self, rows: Array, samples: int) -> Array:
        """The rows (n, W), each `samples` times in succession."""
        count, width = rows.shape
        repeated: Array = self.vae.backend.xp.empty((count * samples, width), rows.dtype)
        repeated.reshape(count, samples, width)[...] = rows[:, None]
        return repeated


def _known(log_w: Array) -> Array:
    """log_w in float64, with −∞ for NaN, the difference of numbers that overflow."""
    numbers = log_w.astype(np.float64)
    return np.where(np.isnan(numbers), -np.inf, numbers)
