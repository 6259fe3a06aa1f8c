"""The log-likelihood of data, estimated by importance sampling."""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy, translate_device_errors
from scratchvae.errors import NonFiniteWarning, warn
from scratchvae.models import VAE
from scratchvae.models.parts import modules_in
from scratchvae.models.scores import LogWeights
from scratchvae.representation import fields_repr
from scratchvae.rng import fill_random, generator, row_generator
from scratchvae.rows import RowReader
from scratchvae.training.binarize import check_binarize
from scratchvae.training.preprocess import Preprocessor
from scratchvae.training.scoring import standard_error
from scratchvae.validation import check_int, check_seed, check_type, suggest_arguments

# Draws that are decoded at once, and their numbers in the widest layer: the caches of a host hold few, and a GPU needs
# many to be busy.
HOST_DRAWS, HOST_NUMBERS = 2**10, 2**20
DEVICE_DRAWS, DEVICE_NUMBERS = 2**13, 2**25


class LogLikelihood(NamedTuple):
    """Estimates of log p(x), in nats.

    value                   the mean over the rows
    standard_error          its standard error, from the variation over the rows; NaN for a single row
    rows                    (N,), that of each row
    effective_sample_size   (N,), (Σ_k w_k)² / Σ_k w_k² of the weights: K if they are equal, 1 if one outweighs the rest
    monte_carlo_error       (N,), the standard error of each estimate over draws of z; NaN for K = 1

    Estimates are too low on average: by some ½ monte_carlo_error² if that is small. If the effective sample size is a
    small part of K, few draws have most of the weight, and better ones may be missing from all K: then the estimate may
    be too low by many times this error, which the same draws estimate. More draws only raise it, on average. The
    standard error is of the choice of the rows, and knows nothing of this.
    """

    value: float
    standard_error: float
    rows: Array
    effective_sample_size: Array
    monte_carlo_error: Array

    def __repr__(self) -> str:
        return fields_repr(self)


# For any q, E_q[w] = p(x) with w = p(x | z) p(z) / q(z | x). So the mean p̂ of K weights estimates p(x) without bias.
# log p̂ is at most log p(x) on average, and tends to it (Burda, Grosse and Salakhutdinov 2016, sec. 3). The variance of
# the weights, relative to the square of their mean, is, with W = Σ_k w_k,
#   K/(K − 1) · (K Σ_k w_k²/W² − 1) = K²/(K − 1) · (1/ESS − 1/K),   ESS = W² / Σ_k w_k²
# That of their mean is 1/K of this, and so is that of log p̂, to first order in 1/K, since d log p̂ = dp̂/p̂. The mean of
# log p̂ is below log p(x) by half of it, to the same order: an error that is not small says that K is too small.
#
# Without a label, p(x) = Σ_y p(y) p(x | y) over C equally probable classes: the weight of a draw of noise is the mean
# of those of the classes, which share the noise.
@suggest_arguments
def log_likelihood(
    model: VAE, x: Any, samples: int = 5000, seed: int = 0, labels: Any = None, binarize: str | None = None
) -> LogLikelihood:
    """Estimate log p(x) of the rows x (N, D) from K = `samples` draws of z from q(z | x) for each row.

    The weights are summed in float64, and memory does not grow with K. The noise of a row is drawn from its contents
    and `seed`, so that its estimate does not depend on other rows, except by rounding. With missing values, log p(x_o)
    of the observed ones.

    labels     (N,), or one label for all rows, of a conditional model: log p(x | y). A semi-supervised model without
               labels gives log p(x), with all classes equally probable
    binarize   "dynamic": grey pixels are drawn once as 0 or 1, by `seed`, as in `score`

    Issues a NonFiniteWarning, with the first row, if numbers of all draws of a row overflow; it is −∞ then. Raises
    ConfigError, DTypeError, ShapeError or RangeError.
    """
    check_type("model", model, VAE, "a VAE (an autoencoder has no density of its rows)")
    check_int("samples", samples)
    check_seed(seed)
    check_binarize(binarize, model)
    x = model.check_data(x, lazy=True)
    classes = model.scored_classes(labels, len(x))
    sums, pixels = np.empty((3, len(x))), generator(seed, "pixels")
    preprocess = Preprocessor(model, bool(binarize), None, pixels, pixels)
    with (
        model.locks.read_lock(),
        model.backend.threads,
        translate_device_errors(),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
    ):
        estimate = Estimator(model, samples, seed, len(x))
        for part in RowReader(x, "x").slices(model.chunk_rows):
            rows, _ = preprocess(model.scaled(x[part]))
            targets = [[] if labels is None else [model.one_hot(labels[part])] for labels in classes]
            sums[:, part] = estimate(model.validator.to_device(rows), targets)
        rows, size, error = combine(sums, samples)
    bad = np.flatnonzero(rows == -np.inf)
    if len(bad):
        warn(
            f"the log-likelihood of {len(bad)} of {len(rows)} rows is −∞, first of row {bad[0]}: numbers of all its "
            "draws overflow; leave such rows out, train longer, or scale the data",
            NonFiniteWarning,
        )
    return LogLikelihood(float(rows.mean()), standard_error(rows), rows, size, error)


class Estimator:
    """Sums of the importance weights of some rows, a number of draws at a time."""

    def __init__(self, model: VAE, samples: int, seed: int, rows: int) -> None:
        self.model, self.samples, self.seed = model, samples, seed
        draws, numbers = (HOST_DRAWS, HOST_NUMBERS) if model.backend.on_host else (DEVICE_DRAWS, DEVICE_NUMBERS)
        widest = max(getattr(module, "input_width", 1) for _, module in modules_in(model.decoder, ""))
        self.at_once = max(1, min(draws, numbers // max(widest, model.input_dim)))
        self.rows_at_once = max(1, self.at_once // samples)
        self.log_weights = LogWeights(model, min(self.at_once, samples) * min(self.rows_at_once, rows))
        self.noise_dim = model.posterior.noise(model.latent_dim)

    def __call__(self, x: Array, targets: list[list[Array]]) -> Array:
        """m, Σ_k e^(l_k − m) and Σ_k e^(2 (l_k − m)) of each row of x (n, D), with its log-weights l and m = max l.

        targets   for each class, its one-hot rows (n, C), in a list; without classes, an empty list
        """
        sums = np.empty((3, len(x)))
        for start in range(0, len(x), self.rows_at_once):
            rows = slice(start, min(start + self.rows_at_once, len(x)))
            sums[:, rows] = self._of_rows(x[rows].copy(), [[array[rows] for array in arrays] for arrays in targets])
        return sums

    def _of_rows(self, x: Array, targets: list[list[Array]]) -> Array:
        draws = [row_generator(self.seed, row).standard_normal for row in to_numpy(x)]
        largest, first, second = np.full(len(x), -np.inf), *np.zeros((2, len(x)))
        for start in range(0, self.samples, self.at_once):
            eps = np.empty((len(x), min(self.at_once, self.samples - start), self.noise_dim), self.model.dtype)
            for row, draw in zip(eps, draws, strict=True):
                fill_random(row, draw)
            noise = eps.reshape(-1, self.noise_dim)
            log_w = np.logaddexp.reduce([self.log_weights(x, noise, *arrays) for arrays in targets]) - log(len(targets))
            before, largest = largest, np.maximum(largest, log_w.max(axis=1))
            shift = np.where(largest == -np.inf, 0.0, largest)
            rescale, weights = np.exp(before - shift), np.exp(log_w - shift[:, None])
            first = first * rescale + weights.sum(axis=1)
            second = second * rescale**2 + (weights * weights).sum(axis=1)
            self.model.lock.give_way()
        return np.array([largest, first, second])


def combine(sums: Array, samples: int) -> tuple[Array, Array, Array]:
    """The estimate, the ESS and the Monte Carlo error of each row, (N,), from the sums (3, N); NaN where it is −∞."""
    largest, first, second = sums
    size = first**2 / second
    variance = (1.0 / size - 1.0 / samples) * (samples / (samples - 1)) if samples > 1 else np.full_like(size, np.nan)
    return largest + np.log(first) - log(samples), size, np.sqrt(np.maximum(variance, 0.0))
