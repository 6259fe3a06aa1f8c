"""Far out: logits of ±1000, log-variances of ±50, those of likelihoods of ±1000, pixels all 0 or all 1, errors of 1e6.

In float32 and in float64. Errors are over the largest number that enters the sum, whose rounding is the least that any
order of summing loses.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.gradcheck.tolerance import SATURATED
from scratchvae.models import VAE
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    Gaussian,
    GaussianDrawKL,
    GaussianHeteroscedastic,
    GaussianKL,
    GaussianLearned,
    MonteCarloKL,
    Reparameterize,
    StandardNormal,
)
from scratchvae.probability.gaussian_heteroscedastic import LOWEST
from scratchvae.verification.checks.check import Check, Measurement
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.oracles import get_oracle, install_hint
from scratchvae.verification.problem import GradientProblem

Pairs = Iterator[tuple[Any, Any, float]]  # given, exact, and the largest number on the way to it


# log p = x t − softplus(t), of which softplus(±1000) is 1000 or 0 and σ(±1000) is 1 or 0, to the last digit.
def _bernoulli(dtype: str) -> Pairs:
    logits = np.array([[1000.0], [-1000.0], [1000.0], [-1000.0]], dtype)
    x = np.array([[1.0], [0.0], [0.0], [1.0]], dtype)
    likelihood = Bernoulli()
    yield likelihood.forward(logits, x), [0.0, 0.0, -1000.0, -1000.0], 1000.0
    yield likelihood.backward(np.ones(4, dtype))[:, 0], [0.0, 0.0, -1.0, 1.0], 1.0
    for pixel in (0.0, 1.0):
        t = np.linspace(-20.0, 20.0, 9, dtype=dtype)
        exact = -np.logaddexp(0.0, (1 - 2 * pixel) * t.astype(np.float64)).sum()
        yield Bernoulli().forward(t[None], np.full((1, 9), pixel, dtype)), [exact], 20.0


# log p = x t − A(t), with A(1000) = 1000 − log 1000 and A(−1000) = −log 1000, and the mean is 1 − 1/1000 or 1/1000;
# and around 0, where A = ½ t + t²/24 and the mean is ½ + t/12, to the last digit.
def _continuous_bernoulli(dtype: str) -> Pairs:
    logits = np.array([[1000.0], [-1000.0], [1000.0], [-1000.0]], dtype)
    x = np.array([[1.0], [0.0], [0.0], [1.0]], dtype)
    likelihood, size = ContinuousBernoulli(), np.log(1000.0)
    yield likelihood.forward(logits, x), [size, size, size - 1000, size - 1000], 1000.0
    yield likelihood.backward(np.ones(4, dtype))[:, 0], [0.001, -0.001, -0.999, 0.999], 1.0
    yield likelihood.mean(logits, np.empty_like(logits))[:, 0], [0.999, 0.001, 0.999, 0.001], 1.0
    for t in (0.0, 1e-300, 1e-30, 1e-8, -1e-8, 1e-5, -1e-5):
        near = np.full((1, 1), t, dtype)
        t = float(near[0, 0])
        yield likelihood.forward(near, np.ones_like(near)), [t / 2 - t**2 / 24], 1.0
        yield likelihood.backward(np.ones(1, dtype)), [[0.5 - t / 12]], 1.0
        yield likelihood.mean(near, np.empty_like(near)), [[0.5 + t / 12]], 1.0


# log p = −½ (e²/σ² + log σ² + log 2π), dμ = e/σ²; decoded, log σ² is −12 or r, to the last digit, and dr is 0 or
# ½ (e²/σ² − 1).
def _gaussians(dtype: str) -> Pairs:
    zero, one = np.zeros((1, 1), dtype), np.ones(1, dtype)
    constant = float(np.log(2 * np.pi))
    for error in (0.0, -1e6, 1e6):
        x = np.full((1, 1), error, dtype)
        for likelihood in (Gaussian(0.5), GaussianLearned(0.5)):
            size = max(2 * error**2, 1.0)
            yield likelihood.forward(zero, x), [-2 * error**2 + np.log(2) - constant / 2], size
            yield likelihood.backward(one), [[4 * error]], max(4 * abs(error), 1.0)
            if isinstance(likelihood, GaussianLearned):
                yield likelihood.dlogvar, [2 * error**2 - 0.5], size
        for r, logvar, slope in ((1000.0, 1000.0, 1.0), (50.0, 50.0, 1.0), (-1000.0, LOWEST, 0.0)):
            decoded, square = GaussianHeteroscedastic(), error**2 * float(np.exp(-logvar))
            size = max(square, abs(logvar))
            yield decoded.forward(np.array([[0.0, r]], dtype), x), [-(square + logvar + constant) / 2], size
            dmu, dr = decoded.backward(one)[0]
            yield dmu, error * np.exp(-logvar), max(abs(error) * float(np.exp(-logvar)), 1.0)
            yield dr, slope * (square - 1) / 2, size


# KL = ½ (exp ℓ − 1 − ℓ), dℓ = ½ (exp ℓ − 1), and z = exp(½ ℓ), dℓ = ½ z for ε = 1
def _gaussian(dtype: str) -> Pairs:
    for ell in (-50.0, 50.0):
        logvar = np.array([[ell]], dtype)
        zero, one = np.zeros_like(logvar), np.ones_like(logvar)
        divergence, size = GaussianKL(), float(np.exp(max(ell, 0.0)))
        yield divergence.forward(zero, logvar), [(np.expm1(ell) - ell) / 2], size
        yield divergence.backward(one[0])[1], [[np.expm1(ell) / 2]], size
        sampler, z = Reparameterize(), np.exp(ell / 2)
        yield sampler.forward(zero, logvar, one), [[z]], float(z)
        yield sampler.backward(one)[1], [[z / 2]], float(z)


# The same two as log-densities: log q(z | x) = −½ (ε² + ℓ + log 2π), dℓ = −½, dε = −ε, and log p(z) = −½ (z² + log 2π),
# dz = −z, with z = exp(½ ℓ) for ε = 1; and their difference, in which z² is large or ℓ is.
def _log_densities(dtype: str) -> Pairs:
    constant, one = float(np.log(2 * np.pi)), np.ones((1, 1), dtype)
    for ell in (-50.0, 50.0):
        posterior, prior, z = DiagonalGaussian(), StandardNormal(), float(np.exp(ell / 2))
        code = posterior.forward(np.array([[0.0, ell]], dtype), one)
        yield posterior.log_prob(), [-(1 + ell + constant) / 2], 50.0
        yield posterior.backward(0 * one, one[0]), [[0.0, -0.5]], 1.0
        yield posterior.backward_noise(0 * one, one[0]), [[-1.0]], 1.0
        yield prior.forward(code), [-(z**2 + constant) / 2], max(z**2, 1.0)
        yield prior.backward(one[0]), [[-z]], max(z, 1.0)
        for divergence in (MonteCarloKL(posterior, prior), GaussianDrawKL(posterior)):
            yield divergence.forward(code), [(z**2 - 1 - ell) / 2], max(z**2, 50.0)


# A whole model at one end or the other, by an oracle's formula; without one, by ourselves in the widest precision.
def _model(dtype: str) -> Pairs:
    for pixel, logvar in product((0.0, 1.0), (-50.0, 50.0)):
        vae = VAE(4, 2, (), dtype=dtype)
        vae.params["encoder.0.b"][2:] = logvar
        vae.params["decoder.0.b"][...] = [1000, -1000, 1000, -1000]
        vae.params["decoder.0.W"][...] *= np.exp(-max(logvar, 0.0) / 2)  # lest a z of exp(25) drown the rest
        problem = model_gradient_problem(vae, np.full((3, 4), pixel), np.ones((3, 2)))
        for ours, exact in zip(_ours(problem, np.dtype(dtype)), _exact(problem, np.dtype(dtype)), strict=True):
            yield ours, exact, float(np.abs(exact).max(initial=1.0))


def _ours(problem: GradientProblem, dtype: np.dtype[Any]) -> list[Array]:
    inputs = [x.astype(dtype) for x in problem.inputs.values()]
    value = np.array(problem.forward(*inputs))
    return [value, *map(np.array, problem.vjp(np.ones((), dtype), *inputs))]


def _exact(problem: GradientProblem, dtype: np.dtype[Any]) -> list[Array]:
    if install_hint("autograd") is not None:
        return _ours(problem, np.dtype(np.longdouble))
    oracle, inputs = get_oracle("autograd"), [x.astype(dtype).astype(np.float64) for x in problem.inputs.values()]
    formula = problem.formula(oracle)
    return [oracle.value(formula, *inputs), *oracle.vjp(formula, np.ones(()), *inputs)]


CASES = {
    "Bernoulli": _bernoulli,
    "ContinuousBernoulli": _continuous_bernoulli,
    "Gaussians": _gaussians,
    "KL and draw": _gaussian,
    "log-densities of a draw": _log_densities,
    "VAE": _model,
}


def _measure(seed: int) -> dict[str, Measurement]:
    found = {}
    for name, pairs in CASES.items():
        for dtype, allowed in SATURATED.items():
            errors = [float(np.max(np.abs(np.subtract(given, exact)))) / size for given, exact, size in pairs(dtype)]
            found[f"{name}, {dtype}"] = Measurement(float(np.max(errors)), allowed)
    return found


SATURATION = (Check("saturation", "relative error", _measure),)
