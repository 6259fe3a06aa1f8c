"""Checked public methods, training steps and training runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.models import IWAE, VAE
from scratchvae.optim import SGD
from scratchvae.rng import fill_random, generator
from scratchvae.training import Trainer
from scratchvae.verification.cases.random_inputs import random_data, random_model
from scratchvae.verification.model_problem import DTYPE_NAMES, loss_formula, model_gradient_problem
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, PerDtype, StepProblem, VerificationCase

LR = 0.01  # small enough for the loss of every random model to decrease


def _after_training_steps(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, VAE)
    trainer = Trainer(model, lr=0.05, seed=int(rng.integers(1000)))
    for rows in (7, 5, 1):
        trainer.step(random_data(rng, model, rows))
    return model_gradient_problem(model, x, eps)


# The gradient of `loss_and_grads` must be that of the ELBO which `elbo` reports.
def _loss_and_grads(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, VAE)
    models = PerDtype(lambda dtype: model.astype(DTYPE_NAMES[dtype]))

    def with_weights(*weights: Array) -> VAE:
        model_in_dtype: VAE = models[weights[0].dtype]
        for view, weight in zip(model_in_dtype.params.values(), weights, strict=True):
            view[...] = weight
        return model_in_dtype

    def formula(oracle: Oracle) -> Any:
        loss = loss_formula(oracle, model, ["x", "eps", *model.params], {"x": x})
        return lambda *weights: loss(oracle.constant(x), oracle.constant(eps), *weights)

    return GradientProblem(
        {name: view.copy() for name, view in model.params.items()},
        lambda *weights: -np.mean(with_weights(*weights).elbo(x, eps).value),
        lambda dloss, *weights: [dloss * grad for grad in with_weights(*weights).loss_and_grads(x, eps)[1].values()],
        formula,
    )


# Two steps of gradient descent, the second with a smaller batch.
def _step(rng: np.random.Generator) -> StepProblem:
    model, _, _ = random_model(rng, VAE)
    seed = int(rng.integers(1000))
    batches = {f"batch {rows}": random_data(rng, model, rows) for rows in (5, 3)}

    def update(theta: Array, *batches: Array) -> Array:
        trainer = _trainer(model, theta, seed)
        for x in batches:
            trainer.step(x)
        return trainer.model.theta

    def published_update(oracle: Oracle, dtype: np.dtype[Any], theta: Array, *batches: Array) -> Array:
        return _gradient_descent(oracle, model, dtype, theta, batches, seed)

    return StepProblem({"theta": model.theta.copy(), **batches}, update, published_update)


# Two epochs of five rows in batches of three and two, with a KL weight that increases.
def _fit(rng: np.random.Generator, model_class: type[VAE] = VAE, **model_settings: Any) -> StepProblem:
    model, _, _ = random_model(rng, model_class, **model_settings)
    seed, epochs, batch_size = int(rng.integers(1000)), 2, 3

    def update(theta: Array, images: Array) -> Array:
        trainer = _trainer(model, theta, seed, batch_size=batch_size, kl_weight=_increasing_kl_weight)
        trainer.fit(images, epochs)
        return trainer.model.theta

    def published_update(oracle: Oracle, dtype: np.dtype[Any], theta: Array, images: Array) -> Array:
        order = generator(seed, "training order")
        shuffled = (images[order.permutation(len(images))] for _ in range(epochs))
        batches = [x[start : start + batch_size] for x in shuffled for start in range(0, len(x), batch_size)]
        return _gradient_descent(oracle, model, dtype, theta, batches, seed, _increasing_kl_weight)

    return StepProblem({"theta": model.theta.copy(), "images": random_data(rng, model, 5)}, update, published_update)


def _increasing_kl_weight(updates: int) -> float:
    return min(1.0, 0.25 * (1 + updates))


def _trainer(model: VAE, theta: Array, seed: int, **settings: Any) -> Trainer:
    """Return a trainer of a copy of `model` with weights `theta`, in their dtype."""
    copy = model.astype(DTYPE_NAMES[theta.dtype])
    copy.theta[...] = theta
    return Trainer(copy, optimizer=SGD(LR), seed=seed, **settings)


def _gradient_descent(
    oracle: Oracle,
    model: VAE,
    dtype: np.dtype[Any],
    theta: Array,
    batches: Sequence[Array],
    seed: int,
    kl_weight: Callable[[int], float] = lambda updates: 1.0,
) -> Array:
    """Return the weights after one step per batch with the gradient of the oracle; the noise is drawn in `dtype`."""
    noise = generator(seed, "training noise")
    theta = theta.copy()
    copy = model.astype("float64")
    for updates, x in enumerate(batches):
        copy.theta[...] = theta
        eps = fill_random(np.empty((len(x), model.noise_dim), dtype), noise.standard_normal)
        problem = model_gradient_problem(copy, x, eps, kl_weight=kl_weight(updates))
        _, _, *gradients = oracle.vjp(problem.formula(oracle), np.ones(()), *problem.inputs.values())
        theta -= LR * np.concatenate([gradient.ravel() for gradient in gradients])
    return theta


TRAINING = (
    VerificationCase("VAE.loss_and_grads", (VAE,), _loss_and_grads),
    VerificationCase("VAE after training steps", (VAE,), _after_training_steps),
    VerificationCase("Trainer.step", (Trainer,), _step),
    VerificationCase("Trainer.fit", (Trainer,), _fit),
    VerificationCase("Trainer.fit, IWAE", (Trainer,), lambda rng: _fit(rng, IWAE, importance_samples=3)),
)
