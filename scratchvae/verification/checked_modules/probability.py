"""The draw from the posterior, the KL, and the likelihoods."""

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
    Split,
)
from scratchvae.verification import formulas
from scratchvae.verification.checked_modules.random_inputs import random_sizes
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import CheckedModule, GradientProblem, module_gradient_problem


def _split(rng: np.random.Generator) -> GradientProblem:
    batch, half = random_sizes(rng, 2)
    problem = module_gradient_problem(
        Split,
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


# λ lies between the means of two dimensions, so that both sides of the kink are there, and the kink is not.
def between(means: Array, rng: np.random.Generator) -> float:
    """A number of nats that is not close to any dimension's mean KL (Z,): in the middle of one of the wider gaps."""
    ends = np.concatenate([[0.0], np.sort(means), [2 * means.max()]])
    gaps = np.diff(ends)
    k = rng.choice(np.flatnonzero(gaps >= gaps.max() / 2))
    return float(ends[k] + gaps[k] / 2)


def _free_bits(rng: np.random.Generator) -> GradientProblem:
    per_dimension = rng.random(random_sizes(rng, 2))
    means = per_dimension.mean(axis=0)
    free = between(means, rng)

    def formula(oracle: Oracle) -> Any:
        def charged(per_dimension: Any) -> Any:
            columns = ((per_dimension[:, j], mean > free) for j, mean in enumerate(means.tolist()))
            return sum(column if above else 0.0 * column + free for column, above in columns)

        return charged

    return module_gradient_problem(
        lambda: FreeBits(free), lambda unit, dcharged: [unit.backward(dcharged)], formula, per_dimension=per_dimension
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


def _on_logits(
    kind: type[Likelihood], formula: Callable[[Oracle], Callable[..., Any]]
) -> Callable[[np.random.Generator], GradientProblem]:
    def draw(rng: np.random.Generator) -> GradientProblem:
        shape = random_sizes(rng, 2)
        return module_gradient_problem(
            kind,
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


# Some r are close to the bound of log σ², and below it.
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


class _Learnt(GaussianLearned):
    """With log σ² an input like x."""

    def forward(self, mu: Array, x: Array, *logvar: Array) -> Array:
        """log p(x | μ) (B,) from mu and x (B, D) and logvar (1,)."""
        super().forward(mu, x)  # binds at first use
        self.logvar[...] = logvar[0][:1]
        return super().forward(mu, x)


def _gaussian_learned(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)
    return module_gradient_problem(
        _Learnt,
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog), likelihood.dlogvar],
        lambda oracle: lambda mu, x, logvar: oracle.gaussian(mu, logvar, x),
        mu=rng.standard_normal(shape),
        x=rng.standard_normal(shape),
        logvar=rng.standard_normal(1),
    )


DENSITIES = (
    CheckedModule("Split", (Split,), _split),
    CheckedModule("Reparameterize", (Reparameterize,), _reparameterize),
    CheckedModule("GaussianKL", (GaussianKL,), _gaussian_kl),
    CheckedModule("GaussianKL, per dimension", (GaussianKL,), _kl_per_dimension),
    CheckedModule("FreeBits", (FreeBits,), _free_bits),
    CheckedModule("Bernoulli", (Bernoulli,), _on_logits(Bernoulli, lambda oracle: oracle.bernoulli)),
    CheckedModule(
        "ContinuousBernoulli",
        (ContinuousBernoulli,),
        _on_logits(ContinuousBernoulli, lambda oracle: oracle.continuous_bernoulli),
    ),
    CheckedModule("Gaussian", (Gaussian,), _gaussian),
    CheckedModule("GaussianLearned", (GaussianLearned,), _gaussian_learned),
    CheckedModule("GaussianHeteroscedastic", (GaussianHeteroscedastic,), _gaussian_heteroscedastic),
)
