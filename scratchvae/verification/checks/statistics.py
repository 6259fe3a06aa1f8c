"""What is drawn: its moments, its distribution, its independence, and the KL as the mean that it stands for.

Every comparison has a false-alarm rate of at most 1e-9, and a run makes fewer than a hundred of them: with a seed taken
at random, not one run in a million raises an alarm for nothing. For ζ = (z − μ)/σ, independent draws from N(0, 1),
and for any n,

    mean          √n |ζ̄| ~ |N(0, 1)|                        is above 6.2 with probability 5.7e-10
    variance      S = Σ ζ² ~ χ²ₙ                              S − n > 2√(nx) + 2x, n − S > 2√(nx): e⁻ˣ each
    covariance    of a and b: S of (a + b)/√2, for Σ (a + b)² = Σ a² + 2 Σ ab + Σ b²
    distribution  √n sup|Fₙ − Φ|                              above λ with probability at most 2 exp(−2λ²)

The bounds on χ² are Laurent and Massart 2000, lemma 1; the last is of Massart 1990. The KL is held to 6.2 standard
errors of a mean of n terms, which is nearly normal, with a skewness of 2/√n or less.
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

ALARM = 1e-9
SIGMAS = 6.2
ROWS = 40_000

_LARGE = log(2 / ALARM)
_FARTHEST = sqrt(log(2 / ALARM) / 2)


# Each source gives ζ (n, Z) as one path through the package draws it, standardised by what was asked for.


def _reparameterized(seed: int) -> Array:
    rng = np.random.default_rng(seed)
    mu, sigma = np.array([0.0, -3.0, 10.0]), np.array([0.5, 0.01, 4.0])
    asked_mu, asked_logvar = (np.tile(row, (ROWS, 1)) for row in (mu, 2 * np.log(sigma)))
    z = Reparameterize().forward(asked_mu, asked_logvar, rng.standard_normal((ROWS, 3)))
    zeta: Array = (z - mu) / sigma
    return zeta


# What `denoise` draws, from parameters that were kept.
def _drawn(seed: int) -> Array:
    rng = np.random.default_rng(seed)
    mu, sigma = np.array([0.0, -3.0]), np.array([0.5, 4.0])
    posterior, h = DiagonalGaussian(), np.tile([*mu, *(2 * np.log(sigma))], (ROWS, 1))
    z = posterior.draw(posterior.parameters(h), rng.standard_normal((ROWS, 2)))
    zeta: Array = (z - mu) / sigma
    return zeta


# One pixel that is off, whose logit is z: log p(x | z) = −softplus(z), so z = log(exp(−log p) − 1).
def _elbo(seed: int) -> Array:
    mu, sigma = 0.3, 0.5
    vae = _linear(1, 1, mu, sigma, "float64")
    vae.params["decoder.0.W"][...] = 1.0
    z = np.log(np.expm1(-vae.elbo(np.zeros((ROWS, 1)), seed=seed).reconstruction))
    return ((z - mu) / sigma)[:, None]


# As many pixels as rows, each row with one of its own: then row n of dW is what row n of the batch sends back.
#   dW_n = (dμ_n, dℓ_n) = (dz_n, dz_n ½ σ ε_n)   where μ = 0 and σ = 1, at which the KL is flat
# This is the ε that backward keeps; that it is the one of forward too is for the gradients to show.
def _trained(seed: int, dtype: str) -> Array:
    rows = 200
    vae = _linear(rows, 1, 0.0, 1.0, dtype)
    vae.params["decoder.0.W"][...] = 1.0
    trainer = Trainer(vae, optimizer=SGD(1e-200), batch_size=rows, seed=seed)
    drawn = []
    for _ in range(ROWS // rows // 4):
        try:
            trainer.step(np.eye(rows))
        except DivergedError:  # whatever was drawn
            return np.full((ROWS, 1), np.nan)
        dmu, dlogvar = vae.grads["encoder.0.W"].T
        drawn.append(2 * dlogvar.astype(np.float64) / dmu)
    return np.concatenate(drawn)[:, None]


# Pixels whose logits are z itself.
def _sampled(seed: int, dtype: str) -> Array:
    vae = _linear(2, 2, 0.0, 1.0, dtype)
    vae.params["decoder.0.W"][...] = np.eye(2)
    means = vae.sample(ROWS, seed=seed).astype(np.float64)
    return np.log(means / (1 - means))


def _linear(width: int, latent: int, mu: float, sigma: float, dtype: str) -> VAE:
    vae = VAE(width, latent, (), dtype=dtype)
    vae.theta[...] = 0
    vae.params["encoder.0.b"][:latent] = mu
    vae.params["encoder.0.b"][latent:] = 2 * log(sigma)
    return vae


SOURCES: dict[str, Callable[[int], Array]] = {
    "Reparameterize": _reparameterized,
    "DiagonalGaussian.draw": _drawn,
    "VAE.elbo": _elbo,
    "Trainer.step": partial(_trained, dtype="float64"),
    "Trainer.step in float32": partial(_trained, dtype="float32"),
    "VAE.sample": partial(_sampled, dtype="float64"),
    "VAE.sample in float32": partial(_sampled, dtype="float32"),
}


def _mean(zeta: Array) -> Iterator[float]:
    yield from np.abs(zeta.mean(axis=0)) * sqrt(len(zeta)) / SIGMAS


def _variance(zeta: Array) -> Iterator[float]:
    n = len(zeta)
    excess = (zeta**2).sum(axis=0) - n
    allowed = 2 * np.sqrt(n * _LARGE) + np.where(excess > 0, 2 * _LARGE, 0.0)
    yield from np.abs(excess) / allowed


def _covariance(zeta: Array) -> Iterator[float]:
    for j, k in combinations(range(zeta.shape[1]), 2):
        yield from _variance((zeta[:, [j]] + zeta[:, [k]]) / sqrt(2))


def _rows(zeta: Array) -> Iterator[float]:
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
        yield sqrt(n) * float(np.maximum(steps[1:] - cdf, cdf - steps[:-1]).max()) / _FARTHEST


def _of_every_source(statistic: Callable[[Array], Iterator[float]]) -> Callable[[int], dict[str, Measurement]]:
    def measure(seed: int) -> dict[str, Measurement]:
        found = {name: list(statistic(draw(seed))) for name, draw in SOURCES.items()}
        return {name: Measurement(float(np.max(values)), 1.0) for name, values in found.items() if values}

    return measure


# KL = E_q[log q(z) − log p(z)]: the mean over draws is off by its standard error. So is that of the terms that a model
# takes where it has no closed form, or is not to use it.
def _kl(seed: int) -> dict[str, Measurement]:
    rng = np.random.default_rng(seed)
    mu, logvar = (np.tile(row, (ROWS, 1)) for row in ([0.5, -1.0, 0.0], [-2.0, 1.0, 2.0]))
    eps = rng.standard_normal((ROWS, 3))
    z = Reparameterize().forward(mu, logvar, eps)
    kl: Any = GaussianKL().forward(mu[:1], logvar[:1])[0]
    posterior, prior = DiagonalGaussian(), StandardNormal()
    drawn = posterior.forward(np.concatenate([mu, logvar], axis=1), eps)
    of_draws = {
        "GaussianKL": 0.5 * (z**2 - logvar - (z - mu) ** 2 / np.exp(logvar)).sum(axis=1),
        "MonteCarloKL": MonteCarloKL(posterior, prior).forward(drawn),
        "GaussianDrawKL": GaussianDrawKL(posterior).forward(drawn),
    }
    errors = {name: abs(float(term.mean() - kl)) / (float(term.std()) / sqrt(ROWS)) for name, term in of_draws.items()}
    return {name: Measurement(error / SIGMAS, 1.0) for name, error in errors.items()}


_UNIT = "× the bound for a false-alarm rate of 1e-9"
STATISTICS = (
    Check("draws: mean", _UNIT, _of_every_source(_mean)),
    Check("draws: variance", _UNIT, _of_every_source(_variance)),
    Check("draws: covariance", _UNIT, _of_every_source(_covariance)),
    Check("draws: distribution", _UNIT, _of_every_source(_distribution)),
    Check("draws: rows independent", _UNIT, _of_every_source(_rows)),
    Check("KL against Monte Carlo", _UNIT, _kl),
)
