"""Checked objectives: the loss and its gradients, given log-likelihoods and divergences."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np

from scratchvae.backend import NUMPY, Array
from scratchvae.memory import BatchBuffers
from scratchvae.objectives import ELBO, DoublyReparameterized, ImportanceWeighted, Objective, StickingTheLanding
from scratchvae.verification.cases.probability import random_free_bits
from scratchvae.verification.cases.random_inputs import random_sizes
from scratchvae.verification.formulas import log_add
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, PerDtype, VerificationCase


def _objective_problem(
    make: Callable[[], Objective],
    kl_weight: float,
    formula: Callable[[Oracle], Callable[..., Any]],
    rows: int,
    log_likelihood: Array,
    kl: Array,
) -> GradientProblem:
    """Make the problem of a loss; kl is (B·K,), or (B, Z) per dimension. The buffers are twice the batch size."""

    def make_and_bind(dtype: np.dtype[Any]) -> Objective:
        objective = make()
        objective.bind(BatchBuffers(NUMPY, dtype, 2 * rows), ())
        return objective

    objectives = PerDtype(make_and_bind)

    def forward(log_likelihood: Array, kl: Array) -> Any:
        objective, per_dimension = objectives[kl.dtype], kl if kl.ndim == 2 else None
        per_row = kl if per_dimension is None else kl.sum(axis=1)
        return objective.loss(objective.forward(log_likelihood, per_row, kl_weight, per_dimension))

    def vjp(dloss: Array, log_likelihood: Array, kl: Array) -> list[Array]:
        forward(log_likelihood, kl)
        return [dloss * gradient for gradient in objectives[kl.dtype].backward()]

    return GradientProblem({"log_likelihood": log_likelihood, "kl": kl}, forward, vjp, formula)


def _elbo(rng: np.random.Generator, kind: type[ELBO] = ELBO) -> GradientProblem:
    (rows,) = random_sizes(rng, 1)
    beta, weight = float(rng.choice([0.0, 0.5, 1.0, 4.0])), float(rng.choice([0.0, 0.25, 1.0]))
    return _objective_problem(
        lambda: kind(beta),
        weight,
        lambda oracle: lambda log_likelihood, kl: (weight * beta * kl - log_likelihood).sum() / rows,
        rows,
        -10 * rng.random(rows),
        5 * rng.random(rows),
    )


# Σ_j max(λ, k_j), with k_j the mean over the batch and max(λ, k) = λ + relu(k − λ)
def _with_free_bits(rng: np.random.Generator) -> GradientProblem:
    rows, latent = random_sizes(rng, 2)
    beta, weight = float(rng.choice([0.5, 1.0, 4.0])), float(rng.choice([0.25, 1.0]))
    kl = 5 * rng.random((rows, latent))
    free_bits = random_free_bits(kl.mean(axis=0), rng)

    def formula(oracle: Oracle) -> Any:
        def loss(log_likelihood: Any, kl: Any) -> Any:
            penalized_kl = (free_bits + oracle.relu(kl.sum(0) / rows - free_bits)).sum()
            return weight * beta * penalized_kl - log_likelihood.sum() / rows

        return loss

    return _objective_problem(lambda: ELBO(beta, free_bits), weight, formula, rows, -10 * rng.random(rows), kl)


def _importance_weighted(
    rng: np.random.Generator, kind: type[ImportanceWeighted] = ImportanceWeighted
) -> GradientProblem:
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

    size = rows * draws
    return _objective_problem(
        lambda: kind(draws), weight, formula, rows, -10 * rng.random(size), 5 * rng.standard_normal(size)
    )


OBJECTIVES = (
    VerificationCase("ELBO", (ELBO,), _elbo),
    VerificationCase("ELBO, free bits", (ELBO,), _with_free_bits),
    VerificationCase("ImportanceWeighted", (ImportanceWeighted,), _importance_weighted),
    VerificationCase("StickingTheLanding", (StickingTheLanding,), lambda rng: _elbo(rng, StickingTheLanding)),
    VerificationCase(
        "DoublyReparameterized", (DoublyReparameterized,), lambda rng: _importance_weighted(rng, DoublyReparameterized)
    ),
)
