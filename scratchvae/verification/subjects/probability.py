"""The draw from the posterior, the KL, the likelihoods, and the objective that joins them."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import NUMPY, Array
from scratchvae.memory import BatchBuffers
from scratchvae.models.objective import Objective
from scratchvae.probability import Bernoulli, GaussianKL, Reparameterize
from scratchvae.verification.problem import GradientProblem, Subject, Twins, of_unit
from scratchvae.verification.subjects.draws import sizes


def _reparameterize(rng: np.random.Generator) -> GradientProblem:
    shape = sizes(rng, 2)
    return of_unit(
        Reparameterize,
        lambda sampler, dz: [*sampler.backward(dz), sampler.backward_noise(dz)],
        lambda oracle: oracle.reparameterize,
        mu=rng.standard_normal(shape),
        logvar=rng.standard_normal(shape),
        eps=rng.standard_normal(shape),
    )


def _gaussian_kl(rng: np.random.Generator) -> GradientProblem:
    shape = sizes(rng, 2)

    def backward(divergence: GaussianKL, dkl: Array) -> list[Array]:
        dmu, dlogvar = np.zeros(shape, dkl.dtype), np.zeros(shape, dkl.dtype)
        divergence.add_backward(dkl, dmu, dlogvar)
        return [dmu, dlogvar]

    return of_unit(
        GaussianKL,
        backward,
        lambda oracle: oracle.gaussian_kl,
        mu=rng.standard_normal(shape),
        logvar=rng.standard_normal(shape),
    )


def _bernoulli(rng: np.random.Generator) -> GradientProblem:
    shape = sizes(rng, 2)
    return of_unit(
        Bernoulli,
        lambda likelihood, dlog: [likelihood.backward(dlog), likelihood.backward_data(dlog)],
        lambda oracle: oracle.bernoulli,
        logits=3 * rng.standard_normal(shape),
        x=rng.random(shape),
    )


def _objective(rng: np.random.Generator) -> GradientProblem:
    (rows,) = sizes(rng, 1)
    beta = float(rng.choice([0.0, 0.5, 1.0, 4.0]))

    def bound(dtype: np.dtype[Any]) -> Objective:
        objective = Objective(beta)
        objective.bind(BatchBuffers(NUMPY, dtype, 2 * rows))
        return objective

    objectives = Twins(bound)

    def forward(reconstruction: Array, kl: Array) -> Any:
        objective = objectives[kl.dtype]
        return objective.loss(objective.forward(reconstruction, kl))

    def vjp(dloss: Array, reconstruction: Array, kl: Array) -> list[Array]:
        forward(reconstruction, kl)
        return [dloss * gradient for gradient in objectives[kl.dtype].backward()]

    inputs = {"reconstruction": -10 * rng.random(rows), "kl": 5 * rng.random(rows)}
    return GradientProblem(
        inputs, forward, vjp, lambda oracle: lambda reconstruction, kl: (beta * kl - reconstruction).sum() / len(kl)
    )


DENSITIES = (
    Subject("Reparameterize", (Reparameterize,), _reparameterize),
    Subject("GaussianKL", (GaussianKL,), _gaussian_kl),
    Subject("Bernoulli", (Bernoulli,), _bernoulli),
    Subject("Objective", (Objective,), _objective),
)
