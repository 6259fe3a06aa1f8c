"""Check that densities integrate to 1 and have the mean that the package reports: likelihoods over x, q and p over z.

Gradients cannot show a missing constant. Integrals use Gauss-Legendre quadrature on intervals short enough for a
precision of 1e-12.
"""

from __future__ import annotations

from math import inf, log

import numpy as np

from scratchvae.backend import Array
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    Gaussian,
    GaussianDiagonal,
    GaussianHeteroscedastic,
    GaussianLearned,
    Likelihood,
    StandardNormal,
)
from scratchvae.verification.checks.check import Check, Measurement

ALLOWED = 1e-12
SIGMA = 0.3

# Likelihood, outputs of the decoder for one dimension, and standard deviation of x (0: x is binary).
_CASES: tuple[tuple[Likelihood, tuple[tuple[float, ...], ...], float], ...] = (
    (Bernoulli(), ((-3.0,), (0.0,), (5.0,)), 0.0),
    (ContinuousBernoulli(), ((-40.0,), (-1.0,), (-1e-4,), (0.0,), (0.2,), (0.25,), (0.3,), (40.0,)), 1.0),
    (Gaussian(SIGMA), ((-2.0,), (0.0,), (3.0,)), SIGMA),
    (GaussianLearned(SIGMA), ((-2.0,), (0.0,), (3.0,)), SIGMA),
    (GaussianDiagonal(1, SIGMA), ((-2.0,), (0.0,), (3.0,)), SIGMA),
    (GaussianHeteroscedastic(), ((-2.0, 2 * log(SIGMA)), (0.0, 2 * log(SIGMA)), (3.0, 2 * log(SIGMA) + 0.5)), SIGMA),
)


def _measure(seed: int) -> dict[str, Measurement]:
    measurements = {}
    for likelihood, rows, std in _CASES:
        sum_error, mean_error = 0.0, 0.0
        for row in rows:
            outputs = np.array([row])
            mean = likelihood.mean(outputs, np.empty((1, 1))).item()
            x, weights = _quadrature(likelihood.support, mean, std)
            p = weights * np.exp(likelihood.forward(np.tile(outputs, (len(x), 1)), x[:, None]))
            sum_error = max(sum_error, abs(float(p.sum()) - 1.0))
            mean_error = max(mean_error, abs(float(p @ x) - mean))
        measurements[f"{type(likelihood).__name__}, sum"] = Measurement(sum_error, ALLOWED)
        measurements[f"{type(likelihood).__name__}, mean"] = Measurement(mean_error, ALLOWED)
    return {**measurements, **_measure_latent_densities()}


# A posterior evaluates log q only at its own draws, so the noise is chosen to place z at the quadrature points.
def _measure_latent_densities() -> dict[str, Measurement]:
    z, weights = _quadrature((-inf, inf), 0.0, 1.0)
    prior_sum, posterior_error = float(weights @ np.exp(StandardNormal().forward(z[:, None]))), 0.0
    for mu, sigma in ((0.0, 1.0), (-2.0, SIGMA), (3.0, 4.0)):
        z, weights = _quadrature((-inf, inf), mu, sigma)
        posterior, h = DiagonalGaussian(), np.tile([mu, 2 * log(sigma)], (len(z), 1))
        draws = posterior.forward(h, ((z - mu) / sigma)[:, None])[:, 0]
        p = weights * np.exp(posterior.log_prob())
        posterior_error = max(posterior_error, abs(float(p.sum()) - 1.0), abs(float(p @ draws) - mu))
    return {
        "StandardNormal, sum": Measurement(abs(prior_sum - 1.0), ALLOWED),
        "DiagonalGaussian, sum and mean": Measurement(posterior_error, ALLOWED),
    }


def _quadrature(support: tuple[float, float], mean: float, std: float) -> tuple[Array, Array]:
    """Return points and weights to integrate over x, within 12 std of the mean; for std = 0, the points 0 and 1."""
    if not std:
        return np.array([0.0, 1.0]), np.ones(2)
    low, high = max(support[0], mean - 12 * std), min(support[1], mean + 12 * std)
    edges = np.linspace(low, high, 41)
    points, weights = np.polynomial.legendre.leggauss(20)
    half_width = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half_width * (1 + points)).ravel(), (half_width * weights).ravel()


DENSITIES = (Check("densities: sum and mean", "difference", _measure),)
