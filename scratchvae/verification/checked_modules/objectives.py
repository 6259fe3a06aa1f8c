"""The objectives: from log-likelihoods and divergences to the loss, and back."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np

from scratchvae.backend import NUMPY, Array
from scratchvae.memory import BatchBuffers
from scratchvae.objectives import ELBO, ImportanceWeighted, Objective
from scratchvae.verification.checked_modules.probability import between
from scratchvae.verification.checked_modules.random_inputs import random_sizes
from scratchvae.verification.formulas import log_add
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import CheckedModule, GradientProblem, PerDtype


def _of_objective(
    make: Callable[[], Objective],
    kl_weight: float,
    formula: Callable[[Oracle], Callable[..., Any]],
    rows: int,
    log_likelihood: Array,
    kl: Array,
) -> GradientProblem:
    """The problem of a loss, kl being (B·K,) or (B, Z) by dimension, in buffers twice as tall as the batch."""

    def bound(dtype: np.dtype[Any]) -> Objective:
        objective = make()
        objective.bind(BatchBuffers(NUMPY, dtype, 2 * rows), ())
        return objective

    objectives = PerDtype(bound)

    def forward(log_likelihood: Array, kl: Array) -> Any:
        objective, by_dimension = objectives[kl.dtype], kl if kl.ndim == 2 else None
        per_row = kl if by_dimension is None else kl.sum(axis=1)
        return objective.loss(objective.forward(log_likelihood, per_row, kl_weight, by_dimension))

    def vjp(dloss: Array, log_likelihood: Array, kl: Array) -> list[Array]:
        forward(log_likelihood, kl)
        return [dloss * gradient for gradient in objectives[kl.dtype].backward()]

    return GradientProblem({"log_likelihood": log_likelihood, "kl": kl}, forward, vjp, formula)


def _elbo(rng: np.random.Generator) -> GradientProblem:
    (rows,) = random_sizes(rng, 1)
    beta, weight = float(rng.choice([0.0, 0.5, 1.0, 4.0])), float(rng.choice([0.0, 0.25, 1.0]))
    return _of_objective(
        lambda: ELBO(beta),
        weight,
        lambda oracle: lambda log_likelihood, kl: (weight * beta * kl - log_likelihood).sum() / rows,
        rows,
        -10 * rng.random(rows),
        5 * rng.random(rows),
    )


# Σ_j max(λ, k_j) of the means k_j over the batch, with max(λ, k) = λ + relu(k − λ)
def _with_free_bits(rng: np.random.Generator) -> GradientProblem:
    rows, latent = random_sizes(rng, 2)
    beta, weight = float(rng.choice([0.5, 1.0, 4.0])), float(rng.choice([0.25, 1.0]))
    kl = 5 * rng.random((rows, latent))
    free = between(kl.mean(axis=0), rng)

    def formula(oracle: Oracle) -> Any:
        def loss(log_likelihood: Any, kl: Any) -> Any:
            charged = (free + oracle.relu(kl.sum(0) / rows - free)).sum()
            return weight * beta * charged - log_likelihood.sum() / rows

        return loss

    return _of_objective(lambda: ELBO(beta, free), weight, formula, rows, -10 * rng.random(rows), kl)


def _importance_weighted(rng: np.random.Generator) -> GradientProblem:
    rows, draws = random_sizes(rng, 2)
    weight = float(rng.choice([0.0, 0.25, 1.0]))

    def formula(oracle: Oracle) -> Any:
        def loss(log_likelihood: Any, kl: Any) -> Any:
            log_w = (log_likelihood - weight * kl).reshape(rows, draws)
            total = log_w[:, 0]
            for k in range(1, draws):
                total = log_add(oracle, total, log_w[:, k])
            return log(draws) - total.sum() / rows

        return loss

    tall = rows * draws
    return _of_objective(
        lambda: ImportanceWeighted(draws), weight, formula, rows, -10 * rng.random(tall), 5 * rng.standard_normal(tall)
    )


OBJECTIVES = (
    CheckedModule("ELBO", (ELBO,), _elbo),
    CheckedModule("ELBO, free bits", (ELBO,), _with_free_bits),
    CheckedModule("ImportanceWeighted", (ImportanceWeighted,), _importance_weighted),
)
