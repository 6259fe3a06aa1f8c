"""Check values and gradients at saturation, in float32 and float64.

Saturation: logits of ±1000, log-variances of ±50 (of likelihoods ±1000), pixels all 0 or all 1, residuals of 1e6,
log-weights that are equal, 1e4 apart or −∞, classes of probability 0.
Errors are relative to the largest term of the sum, because its rounding is lost in any order of summation.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import log
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.gradcheck.tolerance import SATURATED
from scratchvae.models import IWAE, VAE, Model, SemiSupervisedVAE
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    Gaussian,
    GaussianDiagonal,
    GaussianDrawKL,
    GaussianHeteroscedastic,
    GaussianKL,
    GaussianLearned,
    ImportanceBound,
    LogSoftmax,
    MarginalBound,
    MonteCarloKL,
    Reparameterize,
    StandardNormal,
)
from scratchvae.probability.gaussian_heteroscedastic import MIN_LOGVAR
from scratchvae.verification.checks.check import Check, Measurement
from scratchvae.verification.formulas import gaussian_draw
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.oracles import Oracle, get_oracle, install_hint
from scratchvae.verification.problem import GradientProblem

LOGITS = (1000.0, -1000.0, 1000.0, -1000.0)

Results = Iterator[tuple[Any, Any, float]]  # computed, exact, and the largest term of the sum


# log p = x t − softplus(t). In floating point, softplus(±1000) is exactly 1000 or 0, and σ(±1000) is 1 or 0.
def _bernoulli(dtype: str) -> Results:
    logits = np.array([[1000.0], [-1000.0], [1000.0], [-1000.0]], dtype)
    x = np.array([[1.0], [0.0], [0.0], [1.0]], dtype)
    likelihood = Bernoulli()
    yield likelihood.forward(logits, x), [0.0, 0.0, -1000.0, -1000.0], 1000.0
    yield likelihood.backward(np.ones(4, dtype))[:, 0], [0.0, 0.0, -1.0, 1.0], 1.0
    for pixel in (0.0, 1.0):
        t = np.linspace(-20.0, 20.0, 9, dtype=dtype)
        exact = -np.logaddexp(0.0, (1 - 2 * pixel) * t.astype(np.float64)).sum()
        yield Bernoulli().forward(t[None], np.full((1, 9), pixel, dtype)), [exact], 20.0


# log p = x t − A(t), with A(1000) = 1000 − log 1000 and A(−1000) = −log 1000, and the mean is 1 − 1/1000 or 1/1000.
# Near 0, A = ½ t + t²/24 and the mean is ½ + t/12, to the last digit.
def _continuous_bernoulli(dtype: str) -> Results:
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


# log p = −½ (e²/σ² + log σ² + log 2π), dμ = e/σ². For GaussianHeteroscedastic, log σ² is −12 or r, to the last digit,
# and dr is 0 or ½ (e²/σ² − 1).
def _gaussians(dtype: str) -> Results:
    zero, one = np.zeros((1, 1), dtype), np.ones(1, dtype)
    constant = float(np.log(2 * np.pi))
    for residual in (0.0, -1e6, 1e6):
        x = np.full((1, 1), residual, dtype)
        for likelihood in (Gaussian(0.5), GaussianLearned(0.5), GaussianDiagonal(1, 0.5)):
            size = max(2 * residual**2, 1.0)
            yield likelihood.forward(zero, x), [-2 * residual**2 + np.log(2) - constant / 2], size
            yield likelihood.backward(one), [[4 * residual]], max(4 * abs(residual), 1.0)
            if isinstance(likelihood, GaussianLearned | GaussianDiagonal):
                yield likelihood.dlogvar, [2 * residual**2 - 0.5], size
        for r, logvar, dlogvar_dr in ((1000.0, 1000.0, 1.0), (50.0, 50.0, 1.0), (-1000.0, MIN_LOGVAR, 0.0)):
            heteroscedastic, square = GaussianHeteroscedastic(), residual**2 * float(np.exp(-logvar))
            size = max(square, abs(logvar))
            yield heteroscedastic.forward(np.array([[0.0, r]], dtype), x), [-(square + logvar + constant) / 2], size
            dmu, dr = heteroscedastic.backward(one)[0]
            yield dmu, residual * np.exp(-logvar), max(abs(residual) * float(np.exp(-logvar)), 1.0)
            yield dr, dlogvar_dr * (square - 1) / 2, size


# For μ = 0: KL = ½ (exp ℓ − 1 − ℓ), dℓ = ½ (exp ℓ − 1); z = exp(½ ℓ), dℓ = ½ z for ε = 1.
def _kl_and_draw(dtype: str) -> Results:
    for ell in (-50.0, 50.0):
        logvar = np.array([[ell]], dtype)
        zero, one = np.zeros_like(logvar), np.ones_like(logvar)
        divergence, size = GaussianKL(), float(np.exp(max(ell, 0.0)))
        yield divergence.forward(zero, logvar), [(np.expm1(ell) - ell) / 2], size
        yield divergence.backward(one[0])[1], [[np.expm1(ell) / 2]], size
        sampler, z = Reparameterize(), np.exp(ell / 2)
        yield sampler.forward(zero, logvar, one), [[z]], float(z)
        yield sampler.backward(one)[1], [[z / 2]], float(z)


# The log-densities of the same draw: log q(z | x) = −½ (ε² + ℓ + log 2π), dℓ = −½, dε = −ε, and
# log p(z) = −½ (z² + log 2π), dz = −z, with z = exp(½ ℓ) for ε = 1; and their difference, in which z² or ℓ is large.
def _log_densities(dtype: str) -> Results:
    constant, one = float(np.log(2 * np.pi)), np.ones((1, 1), dtype)
    for ell in (-50.0, 50.0):
        posterior, prior, z = DiagonalGaussian(), StandardNormal(), float(np.exp(ell / 2))
        latent = posterior.forward(np.array([[0.0, ell]], dtype), one)
        yield posterior.log_prob(), [-(1 + ell + constant) / 2], 50.0
        yield posterior.backward(0 * one, one[0]), [[0.0, -0.5]], 1.0
        yield posterior.backward_noise(0 * one, one[0]), [[-1.0]], 1.0
        yield prior.forward(latent), [-(z**2 + constant) / 2], max(z**2, 1.0)
        yield prior.backward(one[0]), [[-z]], max(z, 1.0)
        for divergence in (MonteCarloKL(posterior, prior), GaussianDrawKL(posterior)):
            yield divergence.forward(latent), [(z**2 - 1 - ell) / 2], max(z**2, 50.0)


# log q = t − max t to the last digit, if the other logits are far below: q is 1 or 0. dt = dlog_q − q Σ dlog_q. Equal
# logits have log q = −log K.
def _log_softmax(dtype: str) -> Results:
    classes, infinite = LogSoftmax(), -np.inf
    for logits, log_q, q in (
        ((1000.0, -1000.0, 0.0), (0.0, -2000.0, -1000.0), (1.0, 0.0, 0.0)),
        ((-1000.0, -1000.0, 1000.0), (-2000.0, -2000.0, 0.0), (0.0, 0.0, 1.0)),
        ((1000.0, infinite, -1000.0), (0.0, infinite, -2000.0), (1.0, 0.0, 0.0)),
        ((1000.0, 1000.0, 1000.0), (-log(3.0),) * 3, (1 / 3,) * 3),
        ((-1000.0, -1000.0, -1000.0), (-log(3.0),) * 3, (1 / 3,) * 3),
    ):
        computed = classes.forward(np.array([logits], dtype))
        yield np.isneginf(computed).astype(dtype), [np.isneginf(log_q)], 1.0
        yield np.maximum(computed, -1e5), [np.maximum(log_q, -1e5)], 1000.0
        yield classes.q, [q], 1.0
        dlog_q = np.array([1.0, 2.0, -5.0])
        yield classes.backward(dlog_q[None].astype(dtype)), [dlog_q + 2.0 * np.array(q)], 5.0


# log (1/K) Σ w: the largest log-weights alone count, n of them equal: their log-weight + log n − log K, and each has
# the normalized weight 1/n, which is also its gradient.
def _importance_bound(dtype: str) -> Results:
    for log_w in ((-1e4, 0.0), (0.0, -1e4, 0.0), (-np.inf, -1e4), (1e4, 1e4, 1e4), (-1e4, -1e4), (1000.0, -1000.0)):
        largest, bound = max(log_w), ImportanceBound()
        share = [1 / log_w.count(largest) if w == largest else 0.0 for w in log_w]
        size = max(abs(largest), log(len(log_w)))
        yield bound.forward(np.array([log_w], dtype)), [largest - log(len(log_w)) - log(max(share))], size
        yield bound.normalized_weights, [share], 1.0
        yield bound.backward(np.full(1, 2.0, dtype)), [2.0 * np.array(share)], 2.0


# Of two classes, the second has probability 0, so q log q = 0. Log-likelihoods are (−3, −1000) and KLs (2, 50), the
# weight α = 0.5. The gradients are those of E − 2 D.
#   unknown          E = −3                  D = 2 + log 2     dlog q = (−3 − 2 (2 + 1), 0)
#   first class      E = −3 + α · 0          D = 2 + log 2     dlog q = (α, 0)
#   second class     E = −1000 + α log q     D = 50 + log 2    dlog q = (0, α)     where log q is finite
def _marginal_bound(dtype: str) -> Results:
    for log_q in (-1000.0, -1e4, -np.inf):
        second = max(log_q, -1e4)
        for targets, evidence, kl, dlog_q, weights in (
            ((0.0, 0.0), -3.0, 2.0, (-9.0, 0.0), (1.0, 0.0)),
            ((1.0, 0.0), -3.0, 2.0, (0.5, 0.0), (1.0, 0.0)),
            ((0.0, 1.0), -1000.0 + 0.5 * second, 50.0, (0.0, 0.5), (0.0, 1.0)),
        ):
            log_probabilities = np.array([[0.0, second if targets[1] else log_q]], dtype)
            log_likelihood, kls = np.array([-3.0, -1000.0], dtype), np.array([2.0, 50.0], dtype)
            bound, c = MarginalBound(), np.array([targets], dtype)
            E, D = bound.forward(log_probabilities, c, log_likelihood, kls, alpha=0.5)
            yield E, [evidence], abs(evidence)
            yield D, [kl + log(2.0)], kl
            computed = bound.backward(np.ones(1, dtype), np.full(1, -2.0, dtype))
            for gradient, exact in zip(computed, (dlog_q, weights, [-2.0 * w for w in weights]), strict=True):
                yield gradient.ravel(), exact, max(map(abs, exact))


# Whole saturated models, compared with the formula of an oracle; without one, with themselves in long double.
def _vae(dtype: str) -> Results:
    for pixel, logvar in product((0.0, 1.0), (-50.0, 50.0)):
        vae = VAE(4, 2, (), dtype=dtype)
        vae.params["encoder.0.b"][2:] = logvar
        vae.params["decoder.0.b"][...] = LOGITS
        vae.params["decoder.0.W"][...] *= np.exp(-max(logvar, 0.0) / 2)  # keeps a z of exp(25) from dominating the sum
        yield from _model_results(vae, dtype, np.full((3, 4), pixel), np.ones((3, 2)))


# The log-weights of the two draws of a row are hundreds of nats apart. Equal ones are left to `_importance_bound`: the
# formula has a kink there, at which its gradient is that of one draw.
def _iwae(dtype: str) -> Results:
    for pixel, logvar in product((0.0, 1.0), (-50.0, 50.0)):
        iwae = IWAE(4, 2, (), importance_samples=2, dtype=dtype)
        iwae.params["encoder.0.b"][2:] = logvar
        iwae.params["decoder.0.b"][...] = LOGITS
        iwae.params["decoder.0.W"][...] *= np.exp(-max(logvar, 0.0) / 2)
        eps = np.array([[1.0, 1.0, 40.0, 40.0], [-40.0, 40.0, 2.0, -1.0], [0.0, 30.0, 0.0, -50.0]])
        yield from _model_results(iwae, dtype, np.full((3, 4), pixel), eps, draw=_draw)


# log q(z | x) = log N(ε; 0, 1) − ½ log σ². As a function of z it would lose the digits of ε, for a small σ.
def _draw(oracle: Oracle, params: dict[str, Any], h: Any, eps: Any) -> tuple[Any, Any, Any]:
    z, _, log_p = gaussian_draw(oracle, params, h, eps)
    zero, logvar = 0.0 * eps, h[:, eps.shape[1] :]
    return z, oracle.gaussian(zero, zero, eps) - logvar.sum(axis=1) / 2, log_p


# A row without a class, one of the class whose probability is 1, and one of a class whose probability is 0.
def _semi_supervised(dtype: str) -> Results:
    for pixel, logvar in product((0.0, 1.0), (-50.0, 50.0)):
        model = SemiSupervisedVAE(4, 2, (), classes=3, alpha=0.5, dtype=dtype)
        model.params["encoder.0.V"][:, 2:] = logvar
        model.params["decoder.0.V"][...] = LOGITS
        model.params["decoder.0.W"][...] *= np.exp(-max(logvar, 0.0) / 2)
        model.params["classifier.0.b"][...] = (1000.0, -1000.0, 0.0)
        targets = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        yield from _model_results(model, dtype, np.full((3, 4), pixel), np.ones((3, 2)), targets=targets)


def _model_results(model: Model, dtype: str, x: Array, eps: Array, **settings: Any) -> Results:
    problem = model_gradient_problem(model, x, eps, **settings)
    for computed, exact in zip(_compute(problem, np.dtype(dtype)), _exact(problem, np.dtype(dtype)), strict=True):
        yield computed, exact, float(np.abs(exact).max(initial=1.0))


def _compute(problem: GradientProblem, dtype: np.dtype[Any]) -> list[Array]:
    inputs = [x.astype(dtype) for x in problem.inputs.values()]
    value = np.array(problem.forward(*inputs))
    return [value, *map(np.array, problem.vjp(np.ones((), dtype), *inputs))]


def _exact(problem: GradientProblem, dtype: np.dtype[Any]) -> list[Array]:
    if install_hint("autograd") is not None:
        return _compute(problem, np.dtype(np.longdouble))
    oracle, inputs = get_oracle("autograd"), [x.astype(dtype).astype(np.float64) for x in problem.inputs.values()]
    formula = problem.formula(oracle)
    value, gradients = oracle.value_and_vjp(formula, np.ones(()), *inputs)
    return [value, *gradients]


CASES = {
    "Bernoulli": _bernoulli,
    "ContinuousBernoulli": _continuous_bernoulli,
    "Gaussians": _gaussians,
    "KL and draw": _kl_and_draw,
    "log-densities of a draw": _log_densities,
    "LogSoftmax": _log_softmax,
    "ImportanceBound": _importance_bound,
    "MarginalBound": _marginal_bound,
    "VAE": _vae,
    "IWAE": _iwae,
    "SemiSupervisedVAE": _semi_supervised,
}


def _measure(seed: int) -> dict[str, Measurement]:
    measurements = {}
    for name, results in CASES.items():
        for dtype, allowed in SATURATED.items():
            errors = [float(np.max(np.abs(np.subtract(value, exact)))) / size for value, exact, size in results(dtype)]
            measurements[f"{name}, {dtype}"] = Measurement(float(np.max(errors)), allowed)
    return measurements


SATURATION = (Check("saturation", "relative error", _measure),)
