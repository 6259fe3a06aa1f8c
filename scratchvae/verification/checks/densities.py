"""Densities add up to 1, likelihoods over all that x may be, and to the mean that a decoder shows; q and p over all z.

No gradient shows a constant that is missing. Integrals are by Gauss and Legendre's rule, on pieces short enough for it
to be exact to 1e-12.
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
    GaussianHeteroscedastic,
    GaussianLearned,
    Likelihood,
    StandardNormal,
)
from scratchvae.verification.checks.check import Check, Measurement

ALLOWED = 1e-12
SIGMA = 0.3

# A row of what a decoder may put out for one dimension, and by how much x varies then.
_CASES: tuple[tuple[Likelihood, tuple[tuple[float, ...], ...], float], ...] = (
    (Bernoulli(), ((-3.0,), (0.0,), (5.0,)), 0.0),
    (ContinuousBernoulli(), ((-40.0,), (-1.0,), (-1e-4,), (0.0,), (0.2,), (0.25,), (0.3,), (40.0,)), 1.0),
    (Gaussian(SIGMA), ((-2.0,), (0.0,), (3.0,)), SIGMA),
    (GaussianLearned(SIGMA), ((-2.0,), (0.0,), (3.0,)), SIGMA),
    (GaussianHeteroscedastic(), ((-2.0, 2 * log(SIGMA)), (0.0, 2 * log(SIGMA)), (3.0, 2 * log(SIGMA) + 0.5)), SIGMA),
)


def _measure(seed: int) -> dict[str, Measurement]:
    found = {}
    for likelihood, rows, spread in _CASES:
        mass, mean = 0.0, 0.0
        for row in rows:
            outputs = np.array([row])
            shown = likelihood.mean(outputs, np.empty((1, 1))).item()
            x, weights = _rule(likelihood.support, shown, spread)
            p = weights * np.exp(likelihood.forward(np.tile(outputs, (len(x), 1)), x[:, None]))
            mass = max(mass, abs(float(p.sum()) - 1.0))
            mean = max(mean, abs(float(p @ x) - shown))
        found[f"{type(likelihood).__name__}, sum"] = Measurement(mass, ALLOWED)
        found[f"{type(likelihood).__name__}, mean"] = Measurement(mean, ALLOWED)
    return {**found, **_of_codes()}


# q(z | x) as what it says of its own draws: those whose noise is such that z lies at the points of the rule.
def _of_codes() -> dict[str, Measurement]:
    z, weights = _rule((-inf, inf), 0.0, 1.0)
    mass, spread = float(weights @ np.exp(StandardNormal().forward(z[:, None]))), 0.0
    for mu, sigma in ((0.0, 1.0), (-2.0, SIGMA), (3.0, 4.0)):
        z, weights = _rule((-inf, inf), mu, sigma)
        posterior, h = DiagonalGaussian(), np.tile([mu, 2 * log(sigma)], (len(z), 1))
        drawn = posterior.forward(h, ((z - mu) / sigma)[:, None])[:, 0]
        p = weights * np.exp(posterior.log_prob())
        spread = max(spread, abs(float(p.sum()) - 1.0), abs(float(p @ drawn) - mu))
    return {
        "StandardNormal, sum": Measurement(abs(mass - 1.0), ALLOWED),
        "DiagonalGaussian, sum and mean": Measurement(spread, ALLOWED),
    }


def _rule(support: tuple[float, float], mean: float, spread: float) -> tuple[Array, Array]:
    """Points and weights of a sum over all that x may be: 0 and 1 alone, if it does not vary between."""
    if not spread:
        return np.array([0.0, 1.0]), np.ones(2)
    low, high = max(support[0], mean - 12 * spread), min(support[1], mean + 12 * spread)
    edges = np.linspace(low, high, 41)
    points, weights = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + points)).ravel(), (half * weights).ravel()


DENSITIES = (Check("densities: sum and mean", "difference", _measure),)
