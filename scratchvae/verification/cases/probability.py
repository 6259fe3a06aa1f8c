"""Checked draws from the posterior, KL divergences and likelihoods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.models.parts import describe, rebuild
from scratchvae.probability import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    FreeBits,
    Gaussian,
    GaussianDiagonal,
    GaussianHeteroscedastic,
    GaussianKL,
    GaussianLearned,
    Likelihood,
    Mixed,
    NegativeBinomial,
    Poisson,
    Reparameterize,
    SplitHalves,
)
from scratchvae.probability.count_likelihood import CountLikelihood
from scratchvae.verification import formulas
from scratchvae.verification.cases.random_inputs import random_sizes
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import (
    GradientProblem,
    VerificationCase,
    module_gradient_problem,
    with_missing_values,
)


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


class _GaussianDiagonal(GaussianDiagonal):
    """The likelihood, with log σ² as an input, like x."""

    def forward(self, mu: Array, x: Array, *logvar: Array) -> Array:
        """Return log p(x | μ) (B,) from mu and x (B, D) and logvar (D,)."""
        super().forward(mu, x)  # the first call allocates the parameters
        self.logvar[...] = logvar[0][: self.columns]
        return super().forward(mu, x)


def _gaussian_diagonal(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)
    missing = rng.random(shape) < rng.choice([0.0, 0.5])
    config = {"likelihood": "gaussian_diagonal"}
    problem = module_gradient_problem(
        lambda: _GaussianDiagonal(shape[1]),
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog), likelihood.dlogvar],
        lambda oracle: (
            lambda mu, x, logvar: formulas.observed_log_likelihood(
                oracle, {"likelihood.logvar": logvar}, mu, x, config, oracle.constant(1.0 - missing)
            )
        ),
        mu=rng.standard_normal(shape),
        x=rng.standard_normal(shape),
        logvar=rng.standard_normal(shape[1]),
    )
    return with_missing_values(problem, missing)


def random_counts(rng: np.random.Generator, shape: Any) -> Array:
    """Return counts with many zeros and a few large numbers."""
    counts: Array = rng.poisson(rng.choice([0.5, 3.0, 40.0], shape)).astype(np.float64)
    return counts


# The data are moved off the whole numbers, where log x! has a derivative too. ρ is at most 3: for a large r the formula
# loses digits, as a difference of two log Γ; that ours does not is shown with exact sums, in the tests of `kernels`.
def _counts(
    kind: type[CountLikelihood], formula: Callable[..., Any]
) -> Callable[[np.random.Generator], GradientProblem]:
    def draw(rng: np.random.Generator) -> GradientProblem:
        rows, width = random_sizes(rng, 2)
        library_size = float(rng.choice([3.0, 50.0])) if rng.random() < 0.5 else None
        a, rho = 2 * rng.standard_normal((rows, width)), np.minimum(4 * rng.standard_normal((rows, width)), 3.0)
        return module_gradient_problem(
            lambda: kind(library_size),
            lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog)],
            lambda oracle: lambda outputs, x: formula(oracle, outputs, x, library_size),
            parameters=np.concatenate([a, rho][: kind.outputs_per_dimension], axis=1),
            x=random_counts(rng, (rows, width)) + rng.random((rows, width)),
        )

    return draw


def _categorical(rng: np.random.Generator) -> GradientProblem:
    rows, *levels = random_sizes(rng, 2 + int(rng.integers(3)))
    levels = [1 + size for size in levels]
    shape = rows, sum(levels)
    of_group = np.repeat(np.eye(len(levels)), levels, axis=1)
    missing = (rng.random((rows, len(levels))) < rng.choice([0.0, 0.5])) @ of_group > 0
    problem = module_gradient_problem(
        lambda: Categorical(levels),
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog)],
        lambda oracle: (
            lambda logits, x: formulas.categorical(oracle, logits, x * oracle.constant(1.0 - missing), levels)
        ),
        logits=3 * rng.standard_normal(shape),
        x=rng.random(shape),
    )
    return with_missing_values(problem, missing)


def random_mixed(rng: np.random.Generator) -> tuple[Mixed, Array]:
    """Return a likelihood of several blocks in random order, and the columns of the counts (2, D): 1 there, else 0."""
    kinds: list[Callable[[], tuple[Likelihood, int]]] = [
        lambda: (Poisson(), 1 + int(rng.integers(3))),
        lambda: (NegativeBinomial(), 1 + int(rng.integers(3))),
        lambda: (Categorical((2, 3)), 5),
        lambda: (Gaussian(0.5), 1 + int(rng.integers(3))),
        lambda: (GaussianLearned(0.5), 1 + int(rng.integers(3))),
        lambda: (GaussianHeteroscedastic(), 2),
        lambda: (GaussianDiagonal(2, 0.5), 2),
        lambda: (Bernoulli(), 1 + int(rng.integers(3))),
    ]
    chosen = rng.permutation(len(kinds))[: 1 + int(rng.integers(4))]
    mixed = Mixed([kinds[k]() for k in chosen])
    whole = np.concatenate([np.full(s.stop - s.start, s.whole) for s in mixed.supports(mixed.input_dim or 0)])
    return mixed, whole


def random_rows(rng: np.random.Generator, rows: int, whole: Array) -> Array:
    """Return rows (rows, D) of counts in the columns where `whole` (D,), and of fractions elsewhere."""
    shape = rows, len(whole)
    mixed_rows: Array = np.where(whole, random_counts(rng, shape), rng.random(shape))
    return mixed_rows


def _mixed(rng: np.random.Generator) -> GradientProblem:
    (rows,), (mixed, whole) = random_sizes(rng, 1), random_mixed(rng)
    names = [name for name in mixed.all_parameter_shapes() if name.endswith("logvar")]
    description = describe(mixed)

    class WithParameters(Mixed):
        """The likelihood, with the logvar of its blocks as inputs, like x."""

        def forward(self, parameters: Array, x: Array, *logvars: Array) -> Array:
            """Return log p(x | parameters) (B,)."""
            super().forward(parameters, x)
            for name, logvar in zip(names, logvars, strict=True):
                parameter = self.likelihoods[int(name.partition(".")[0])].logvar
                parameter[...] = logvar[: len(parameter)]
            return super().forward(parameters, x)

    def gradients(likelihood: Mixed, dlog: Array) -> list[Array]:
        back = [likelihood.backward(dlog), likelihood.backward_data(dlog)]
        return [*back, *(likelihood.likelihoods[int(name.partition(".")[0])].dlogvar for name in names)]

    def formula(oracle: Oracle) -> Any:
        def log_likelihood(outputs: Any, x: Any, *logvars: Any) -> Any:
            params = {f"likelihood.{name}": logvar for name, logvar in zip(names, logvars, strict=True)}
            return formulas.described_log_likelihood(oracle, params, outputs, x, description, "likelihood")

        return log_likelihood

    return module_gradient_problem(
        lambda: WithParameters([(rebuild(describe(likelihood), {}), width) for likelihood, width in mixed.parts]),
        gradients,
        formula,
        parameters=2 * rng.standard_normal((rows, mixed.outputs(len(whole)))),
        x=random_rows(rng, rows, whole),
        **{name.replace(".", "_"): rng.standard_normal(mixed.all_parameter_shapes()[name]) for name in names},
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
    VerificationCase("GaussianDiagonal", (GaussianDiagonal,), _gaussian_diagonal),
    VerificationCase("Poisson", (Poisson,), _counts(Poisson, formulas.poisson)),
    VerificationCase("NegativeBinomial", (NegativeBinomial,), _counts(NegativeBinomial, formulas.negative_binomial)),
    VerificationCase("Categorical", (Categorical,), _categorical),
    VerificationCase("Mixed", (Mixed,), _mixed),
    VerificationCase("GaussianHeteroscedastic", (GaussianHeteroscedastic,), _gaussian_heteroscedastic),
)
