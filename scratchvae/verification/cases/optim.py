"""Checked optimizers: 50 steps of each, compared with the published algorithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.optim import SGD, Adam, AdamW, Optimizer, clip_by_global_norm
from scratchvae.verification.cases.random_inputs import random_sizes
from scratchvae.verification.oracles import AdamSettings, Oracle
from scratchvae.verification.problem import StepProblem, VerificationCase

STEPS = 50


def _optimizer_problem(
    rng: np.random.Generator, make: Callable[[], Optimizer], algorithm: Callable[[Oracle, list[Array], Array], Array]
) -> StepProblem:
    (size,) = random_sizes(rng, 1)
    gradients = {f"gradient {t}": rng.standard_normal(size) * 10.0 ** (t % 5 - 2) for t in range(STEPS)}

    def update(theta: Array, *gradients: Array) -> Array:
        theta, optimizer = theta.copy(), make()
        optimizer.bind(np, theta)
        for gradient in gradients:
            optimizer.step(gradient)
        return theta

    return StepProblem(
        {"theta": rng.standard_normal(size), **gradients},
        update,
        lambda oracle, dtype, theta, *gradients: algorithm(oracle, list(gradients), theta),
    )


def _sgd(rng: np.random.Generator) -> StepProblem:
    lr, momentum = 0.05, float(rng.choice([0.0, 0.5, 0.9]))
    return _optimizer_problem(
        rng, lambda: SGD(lr, momentum), lambda oracle, g, theta: oracle.sgd(g, theta, lr, momentum)
    )


def _adam(rng: np.random.Generator) -> StepProblem:
    settings = AdamSettings(1e-2, 0.8, 0.99, eps=float(rng.choice([1e-8, 1e-3])))
    return _optimizer_problem(
        rng, lambda: Adam(*settings[:4]), lambda oracle, g, theta: oracle.adam(g, theta, settings)
    )


def _adamw(rng: np.random.Generator) -> StepProblem:
    settings = AdamSettings(1e-2, 0.9, 0.999, eps=float(rng.choice([1e-8, 1e-3])), weight_decay=0.1)
    return _optimizer_problem(rng, lambda: AdamW(*settings), lambda oracle, g, theta: oracle.adam(g, theta, settings))


# g · min(1, c/‖g‖)
def _clipping(rng: np.random.Generator) -> StepProblem:
    max_norm = float(rng.choice([0.1, 100.0]))

    def update(gradient: Array) -> Array:
        gradient = gradient.copy()
        clip_by_global_norm(np, gradient, max_norm)
        return gradient

    def published_update(oracle: Oracle, dtype: np.dtype[Any], gradient: Array) -> Array:
        def clip(g: Any) -> Any:
            return g / (g**2).sum() ** 0.5 * max_norm if (g**2).sum() > max_norm**2 else g

        return oracle.value(clip, gradient)

    return StepProblem({"gradient": rng.standard_normal(random_sizes(rng, 1))}, update, published_update)


OPTIMIZERS = (
    VerificationCase("SGD", (SGD,), _sgd),
    VerificationCase("Adam", (Adam,), _adam),
    VerificationCase("AdamW", (AdamW,), _adamw),
    VerificationCase("clip_by_global_norm", (clip_by_global_norm,), _clipping),
)
