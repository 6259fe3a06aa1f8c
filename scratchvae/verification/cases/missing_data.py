"""Checked parts for missing data, and for importance-weighted bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.models.parts import LIKELIHOODS, make_likelihood
from scratchvae.probability import Gaussian, ImportanceBound, LogDensityRatio, MaskedLikelihood, ScaledLikelihood
from scratchvae.verification import formulas
from scratchvae.verification.cases.random_inputs import random_sizes
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import (
    GradientProblem,
    VerificationCase,
    module_gradient_problem,
    with_missing_values,
)


def _masked_likelihood(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)
    missing = rng.random(shape) < 0.5
    name = str(rng.choice([name for name in LIKELIHOODS if make_likelihood(name, None, 1).masked() is None]))
    sigma = 1.0 if issubclass(LIKELIHOODS[name], Gaussian) else None
    outputs_per_dimension = LIKELIHOODS[name].outputs_per_dimension
    outputs = 3 * rng.standard_normal((shape[0], shape[1] * outputs_per_dimension))
    params, config = {"likelihood.logvar": np.zeros(1)}, {"likelihood": name, "sigma": sigma}
    problem = module_gradient_problem(
        lambda: MaskedLikelihood(make_likelihood(name, sigma, 1)),
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog)],
        lambda oracle: (
            lambda outputs, x: formulas.observed_log_likelihood(
                oracle,
                {key: oracle.constant(array) for key, array in params.items()},
                outputs,
                x,
                config,
                oracle.constant(1.0 - missing),
            )
        ),
        outputs=outputs,
        x=rng.random(shape),
    )
    return with_missing_values(problem, missing)


def _scaled_likelihood(rng: np.random.Generator) -> GradientProblem:
    shape, masked = random_sizes(rng, 2), bool(rng.integers(2))
    missing = np.less(rng.random(shape), 0.5 * masked)
    factor = np.exp(rng.standard_normal(shape[1]))

    def formula(oracle: Oracle) -> Any:
        observed, log_factor = oracle.constant(1.0 - missing), oracle.constant(np.log(factor))

        def log_density(mu: Any, u: Any) -> Any:  # of x = m + factor · u, whose derivative with respect to u is factor
            log_p = formulas.observed_log_likelihood(
                oracle, {}, mu, u, {"likelihood": "gaussian", "sigma": 1}, observed
            )
            return log_p - (observed * log_factor).sum(1)

        return log_density

    problem = module_gradient_problem(
        lambda: ScaledLikelihood(MaskedLikelihood(Gaussian()) if masked else Gaussian(), factor),
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog)],
        formula,
        parameters=rng.standard_normal(shape),
        x=rng.standard_normal(shape),
    )
    return with_missing_values(problem, missing) if masked else problem


def _log_density_ratio(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)
    return module_gradient_problem(
        LogDensityRatio,
        lambda ratio, dlog: ratio.backward(dlog),
        lambda oracle: lambda z, eps, logvar: ((eps**2 + logvar - z**2) / 2).sum(1),
        z=rng.standard_normal(shape),
        eps=rng.standard_normal(shape),
        logvar=rng.standard_normal(shape),
    )


def _importance_bound(rng: np.random.Generator) -> GradientProblem:
    rows, draws = random_sizes(rng, 2)

    def formula(oracle: Oracle) -> Any:
        def bound(log_w: Any) -> Any:
            total = log_w[:, 0]
            for k in range(1, draws):
                total = formulas.log_add(oracle, total, log_w[:, k])
            return total - np.log(draws)

        return bound

    return module_gradient_problem(
        ImportanceBound,
        lambda bound, dbound: [bound.backward(dbound)],
        formula,
        log_w=5 * rng.standard_normal((rows, draws)) - 100,
    )


MISSING_DATA = (
    VerificationCase("MaskedLikelihood", (MaskedLikelihood,), _masked_likelihood),
    VerificationCase("ScaledLikelihood", (ScaledLikelihood,), _scaled_likelihood),
    VerificationCase("LogDensityRatio", (LogDensityRatio,), _log_density_ratio),
    VerificationCase("ImportanceBound", (ImportanceBound,), _importance_bound),
)
