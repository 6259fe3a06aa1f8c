"""Statistical checks of random draws: moments, distribution and independence; and of the KL against Monte Carlo.

Each comparison has a false-alarm rate of at most 1e-9, and a run makes fewer than a hundred comparisons: with a random
seed, fewer than one run in a million raises a false alarm. For ζ = (z − μ)/σ, n independent draws from N(0, 1),

    mean          √n |ζ̄| ~ |N(0, 1)|                        exceeds 6.2 with probability 5.7e-10
    variance      S = Σ ζ² ~ χ²ₙ                              S − n > 2√(nx) + 2x, n − S > 2√(nx): e⁻ˣ each
    covariance    of a and b: S of (a + b)/√2, because Σ (a + b)² = Σ a² + 2 Σ ab + Σ b²
    distribution  √n sup|Fₙ − Φ|                              exceeds λ with probability at most 2 exp(−2λ²)

The bounds on χ² are from Laurent and Massart 2000, lemma 1; the last bound is from Massart 1990. The KL may differ by
6.2 standard errors from a mean of n terms, which is nearly normal: its skewness is at most 2/√n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from math import log, sqrt
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import DivergedError
from scratchvae.kernels.normal import normal_cdf
from scratchvae.models import VAE
from scratchvae.optim import SGD
from scratchvae.probability import (
    DiagonalGaussian,
    GaussianDrawKL,
    GaussianKL,
    MonteCarloKL,
    Reparameterize,
    StandardNormal,
)
from scratchvae.training import Trainer
from scratchvae.verification.checks.check import Check, Measurement

FALSE_ALARM_RATE = 1e-9
MAX_STANDARD_ERRORS = 6.2
ROWS = 40_000

_CHI2_EXPONENT = log(2 / FALSE_ALARM_RATE)  # x above
_MAX_CDF_DISTANCE = sqrt(log(2 / FALSE_ALARM_RATE) / 2)  # λ above


# Each source returns ζ (n, Z): draws by one method of the package, standardized with the μ and σ that it was given.


def _reparameterized(seed: int) -> Array:
    rng = np.random.default_rng(seed)
    mu, sigma = np.array([0.0, -3.0, 10.0]), np.array([0.5, 0.01, 4.0])
    mu_rows, logvar_rows = (np.tile(row, (ROWS, 1)) for row in (mu, 2 * np.log(sigma)))
    z = Reparameterize().forward(mu_rows, logvar_rows, rng.standard_normal((ROWS, 3)))
    zeta: Array = (z - mu) / sigma
    return zeta


# `denoise` draws with this method.
def _posterior_draw(seed: int) -> Array:
    rng = np.random.default_rng(seed)
    mu, sigma = np.array([0.0, -3.0]), np.array([0.5, 4.0])
    posterior, h = DiagonalGaussian(), np.tile([*mu, *(2 * np.log(sigma))], (ROWS, 1))
    z = posterior.draw(posterior.parameters(h), rng.standard_normal((ROWS, 2)))
    zeta: Array = (z - mu) / sigma
    return zeta


# One pixel with value 0 and logit z: log p(x | z) = −softplus(z), so z = log(exp(−log p) − 1).
def _elbo(seed: int) -> Array:
    mu, sigma = 0.3, 0.5
    vae = _linear_vae(1, 1, mu, sigma, "float64")
    vae.params["decoder.0.W"][...] = 1.0
    z = np.log(np.expm1(-vae.elbo(np.zeros((ROWS, 1)), seed=seed).reconstruction))
    return ((z - mu) / sigma)[:, None]


# The batch is the identity matrix, so row n of dW is the gradient of row n of the batch.
#   dW_n = (dμ_n, dℓ_n) = (dz_n, dz_n ½ σ ε_n)   at μ = 0 and σ = 1, where the gradient of the KL is 0
# This is the ε of backward; the gradient checks show that it is also the ε of forward.
def _training_step(seed: int, dtype: str) -> Array:
    rows = 200
    vae = _linear_vae(rows, 1, 0.0, 1.0, dtype)
    vae.params["decoder.0.W"][...] = 1.0
    trainer = Trainer(vae, optimizer=SGD(1e-200), batch_size=rows, seed=seed)
    draws = []
    for _ in range(ROWS // rows // 4):
        try:
            trainer.step(np.eye(rows))
        except DivergedError:  # the draws were not finite
            return np.full((ROWS, 1), np.nan)
        dmu, dlogvar = vae.grads["encoder.0.W"].T
        draws.append(2 * dlogvar.astype(np.float64) / dmu)
    return np.concatenate(draws)[:, None]


# The logits of the pixels are z.
def _sample(seed: int, dtype: str) -> Array:
    vae = _linear_vae(2, 2, 0.0, 1.0, dtype)
    vae.params["decoder.0.W"][...] = np.eye(2)
    means = vae.sample(ROWS, seed=seed).astype(np.float64)
    return np.log(means / (1 - means))


def _linear_vae(width: int, latent: int, mu: float, sigma: float, dtype: str) -> VAE:
    vae = VAE(width, latent, (), dtype=dtype)
    vae.theta[...] = 0
    vae.params["encoder.0.b"][:latent] = mu
    vae.params["encoder.0.b"][latent:] = 2 * log(sigma)
    return vae


SOURCES: dict[str, Callable[[int], Array]] = {
    "Reparameterize": _reparameterized,
    "DiagonalGaussian.draw": _posterior_draw,
    "VAE.elbo": _elbo,
    "Trainer.step": partial(_training_step, dtype="float64"),
    "Trainer.step in float32": partial(_training_step, dtype="float32"),
    "VAE.sample": partial(_sample, dtype="float64"),
    "VAE.sample in float32": partial(_sample, dtype="float32"),
}


def _mean(zeta: Array) -> Iterator[float]:
    yield from np.abs(zeta.mean(axis=0)) * sqrt(len(zeta)) / MAX_STANDARD_ERRORS


def _variance(zeta: Array) -> Iterator[float]:
    n = len(zeta)
    excess = (zeta**2).sum(axis=0) - n
    allowed = 2 * np.sqrt(n * _CHI2_EXPONENT) + np.where(excess > 0, 2 * _CHI2_EXPONENT, 0.0)
    yield from np.abs(excess) / allowed


def _covariance(zeta: Array) -> Iterator[float]:
    for j, k in combinations(range(zeta.shape[1]), 2):
        yield from _variance((zeta[:, [j]] + zeta[:, [k]]) / sqrt(2))


def _row_independence(zeta: Array) -> Iterator[float]:
    for start in (0, 1):
        pairs = zeta[start : start + (len(zeta) - start) // 2 * 2].reshape(-1, 2, zeta.shape[1])
        yield from _variance(pairs.sum(axis=1) / sqrt(2))


def _distribution(zeta: Array) -> Iterator[float]:
    n = len(zeta)
    for column in zeta.T:
        ordered = np.sort(column)
        cdf, scratch = np.empty(n), (np.empty(n), np.empty(n))
        normal_cdf(np, ordered, out=cdf, scratch=scratch)
        steps = np.arange(n + 1) / n
        yield sqrt(n) * float(np.maximum(steps[1:] - cdf, cdf - steps[:-1]).max()) / _MAX_CDF_DISTANCE


def _for_every_source(statistic: Callable[[Array], Iterator[float]]) -> Callable[[int], dict[str, Measurement]]:
    def measure(seed: int) -> dict[str, Measurement]:
        results = {name: list(statistic(draw(seed))) for name, draw in SOURCES.items()}
        return {name: Measurement(float(np.max(values)), 1.0) for name, values in results.items() if values}

    return measure


# KL = E_q[log q(z) − log p(z)], so a mean over draws differs from it by about a standard error. So does the mean of the
# estimates that a model uses if the KL has no closed form, or if the objective does not use it.
def _kl(seed: int) -> dict[str, Measurement]:
    rng = np.random.default_rng(seed)
    mu, logvar = (np.tile(row, (ROWS, 1)) for row in ([0.5, -1.0, 0.0], [-2.0, 1.0, 2.0]))
    eps = rng.standard_normal((ROWS, 3))
    z = Reparameterize().forward(mu, logvar, eps)
    kl: Any = GaussianKL().forward(mu[:1], logvar[:1])[0]
    posterior, prior = DiagonalGaussian(), StandardNormal()
    draws = posterior.forward(np.concatenate([mu, logvar], axis=1), eps)
    estimates = {
        "GaussianKL": 0.5 * (z**2 - logvar - (z - mu) ** 2 / np.exp(logvar)).sum(axis=1),
        "MonteCarloKL": MonteCarloKL(posterior, prior).forward(draws),
        "GaussianDrawKL": GaussianDrawKL(posterior).forward(draws),
    }
    errors = {
        name: abs(float(estimate.mean() - kl)) / (float(estimate.std()) / sqrt(ROWS))
        for name, estimate in estimates.items()
    }
    return {name: Measurement(error / MAX_STANDARD_ERRORS, 1.0) for name, error in errors.items()}


_UNIT = "× the bound for a false-alarm rate of 1e-9"
STATISTICS = (
    Check("draws: mean", _UNIT, _for_every_source(_mean)),
    Check("draws: variance", _UNIT, _for_every_source(_variance)),
    Check("draws: covariance", _UNIT, _for_every_source(_covariance)),
    Check("draws: distribution", _UNIT, _for_every_source(_distribution)),
    Check("draws: rows independent", _UNIT, _for_every_source(_row_independence)),
    Check("KL against Monte Carlo", _UNIT, _kl),
)
