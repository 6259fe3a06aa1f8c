"""Checked draws from the posterior, KL divergences and likelihoods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    FreeBits,
    Gaussian,
    GaussianHeteroscedastic,
    GaussianKL,
    GaussianLearned,
    Likelihood,
    Reparameterize,
    SplitHalves,
)
from scratchvae.verification import formulas
from scratchvae.verification.cases.random_inputs import random_sizes
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, VerificationCase, module_gradient_problem


def _split(rng: np.random.Generator) -> GradientProblem:
    batch, half = random_sizes(rng, 2)
    problem = module_gradient_problem(
        SplitHalves,
        lambda split, dy: [split.backward(dy[:, :half], dy[:, half:])],
        lambda oracle: lambda x: x * 1.0,
        x=rng.standard_normal((batch, 2 * half)),
    )
    return problem._replace(forward=lambda x: np.concatenate(problem.forward(x), axis=1))


def _reparameterize(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)
    return module_gradient_problem(
        Reparameterize,
        lambda sampler, dz: [*sampler.backward(dz), sampler.backward_noise(dz)],
        lambda oracle: oracle.reparameterize,
        mu=rng.standard_normal(shape),
        logvar=rng.standard_normal(shape),
        eps=rng.standard_normal(shape),
    )


def _gaussian_kl(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)

    return module_gradient_problem(
        GaussianKL,
        lambda kl, dkl: kl.backward(dkl),
        lambda oracle: oracle.gaussian_kl,
        mu=rng.standard_normal(shape),
        logvar=rng.standard_normal(shape),
    )


# Some means are below λ and some above, but none is at the kink.
def random_free_bits(means: Array, rng: np.random.Generator) -> float:
    """Return a λ in nats that is far from every dimension's mean KL (Z,): the middle of one of the wider gaps."""
    edges = np.concatenate([[0.0], np.sort(means), [2 * means.max()]])
    gaps = np.diff(edges)
    k = rng.choice(np.flatnonzero(gaps >= gaps.max() / 2))
    return float(edges[k] + gaps[k] / 2)


def _free_bits(rng: np.random.Generator) -> GradientProblem:
    per_dimension = rng.random(random_sizes(rng, 2))
    means = per_dimension.mean(axis=0)
    free_bits = random_free_bits(means, rng)

    def formula(oracle: Oracle) -> Any:
        def penalized_kl(per_dimension: Any) -> Any:
            columns = ((per_dimension[:, j], mean > free_bits) for j, mean in enumerate(means.tolist()))
            return sum(kl if above else 0.0 * kl + free_bits for kl, above in columns)

        return penalized_kl

    return module_gradient_problem(
        lambda: FreeBits(free_bits),
        lambda module, dpenalized_kl: [module.backward(dpenalized_kl)],
        formula,
        per_dimension=per_dimension,
    )


def _kl_per_dimension(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)

    class PerDimension(GaussianKL):
        def forward(self, mu: Array, logvar: Array) -> Array:
            super().forward(mu, logvar)
            return self.per_dimension

    def formula(oracle: Oracle) -> Any:
        return lambda mu, logvar: oracle.gaussian_kl(mu.reshape(-1, 1), logvar.reshape(-1, 1)).reshape(shape)

    return module_gradient_problem(
        PerDimension,
        lambda kl, dper_dimension: kl.backward(dper_dimension),
        formula,
        mu=rng.standard_normal(shape),
        logvar=rng.standard_normal(shape),
    )


def _logit_likelihood(
    likelihood_class: type[Likelihood], formula: Callable[[Oracle], Callable[..., Any]]
) -> Callable[[np.random.Generator], GradientProblem]:
    def draw(rng: np.random.Generator) -> GradientProblem:
        shape = random_sizes(rng, 2)
        return module_gradient_problem(
            likelihood_class,
            lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog)],
            formula,
            logits=3 * rng.standard_normal(shape),
            x=rng.random(shape),
        )

    return draw


def _gaussian(rng: np.random.Generator) -> GradientProblem:
    shape, sigma = random_sizes(rng, 2), float(rng.choice([0.1, 1.0, 3.0]))
    return module_gradient_problem(
        lambda: Gaussian(sigma),
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog)],
        lambda oracle: lambda mu, x: oracle.gaussian(mu, oracle.constant(np.full(1, 2 * np.log(sigma))), x),
        mu=rng.standard_normal(shape),
        x=rng.standard_normal(shape),
    )


# Some r are close to the lower bound of log σ², or below it.
def _gaussian_heteroscedastic(rng: np.random.Generator) -> GradientProblem:
    rows, width = random_sizes(rng, 2)
    mu, r = rng.standard_normal((2, rows, width))
    r -= rng.choice([0.0, 12.0], r.shape, p=[0.7, 0.3])
    return module_gradient_problem(
        GaussianHeteroscedastic,
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog)],
        lambda oracle: lambda outputs, x: formulas.gaussian_heteroscedastic(oracle, outputs, x),
        parameters=np.concatenate([mu, r], axis=1),
        x=rng.standard_normal((rows, width)),
    )


class _GaussianLearned(GaussianLearned):
    """The likelihood, with log σ² as an input, like x."""

    def forward(self, mu: Array, x: Array, *logvar: Array) -> Array:
        """Return log p(x | μ) (B,) from mu and x (B, D) and logvar (1,)."""
        super().forward(mu, x)  # the first call allocates the parameter
        self.logvar[...] = logvar[0][:1]
        return super().forward(mu, x)


def _gaussian_learned(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)
    return module_gradient_problem(
        _GaussianLearned,
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog), likelihood.dlogvar],
        lambda oracle: lambda mu, x, logvar: oracle.gaussian(mu, logvar, x),
        mu=rng.standard_normal(shape),
        x=rng.standard_normal(shape),
        logvar=rng.standard_normal(1),
    )


DENSITIES = (
    VerificationCase("SplitHalves", (SplitHalves,), _split),
    VerificationCase("Reparameterize", (Reparameterize,), _reparameterize),
    VerificationCase("GaussianKL", (GaussianKL,), _gaussian_kl),
    VerificationCase("GaussianKL, per dimension", (GaussianKL,), _kl_per_dimension),
    VerificationCase("FreeBits", (FreeBits,), _free_bits),
    VerificationCase("Bernoulli", (Bernoulli,), _logit_likelihood(Bernoulli, lambda oracle: oracle.bernoulli)),
    VerificationCase(
        "ContinuousBernoulli",
        (ContinuousBernoulli,),
        _logit_likelihood(ContinuousBernoulli, lambda oracle: oracle.continuous_bernoulli),
    ),
    VerificationCase("Gaussian", (Gaussian,), _gaussian),
    VerificationCase("GaussianLearned", (GaussianLearned,), _gaussian_learned),
    VerificationCase("GaussianHeteroscedastic", (GaussianHeteroscedastic,), _gaussian_heteroscedastic),
)
