"""Whole models of random architecture, at fixed noise; through the front door too, and after steps of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.models import IWAE, VAE, Autoencoder, Model, SemiSupervisedVAE, Terms
from scratchvae.models.configuration import DTYPES
from scratchvae.models.likelihoods import LIKELIHOODS, check_sigma
from scratchvae.models.network import ACTIVATIONS
from scratchvae.optim import SGD
from scratchvae.streams import fill, stream
from scratchvae.training import Trainer
from scratchvae.training.run import Run
from scratchvae.training.steps import Steps
from scratchvae.verification import formulas
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, StepProblem, Subject, Twins, admitted, with_hidden
from scratchvae.verification.subjects.draws import sizes
from scratchvae.verification.subjects.probability import between

_NAMES = {np.dtype(name): name for name in reversed(DTYPES)}


def of_model(
    model: Model,
    x: Array,
    eps: Array,
    corrupted: Array | None = None,
    kl_weight: float = 1.0,
    hidden: Array | None = None,
    targets: Array | None = None,
) -> GradientProblem:
    """The loss of `model` at its weights, at rows x (B, D) with noise eps (B, noise_dim): by x, by eps, by its weights.

    Where `hidden` (B, D) is True, the model is given NaN in the place of x. The encoder sees `corrupted` (B, D), if
    that is given, and then the gradient is taken by it too. A model that takes labels is given `targets` (B, K), one-
    hot or zeros, by which none is taken. An autoencoder's is taken by its weights alone. In its own dtype the model
    itself computes, with whatever it has kept from earlier; each call leaves its weights as they were.
    """
    x, eps = admitted(model, x, eps)
    twins = Twins(lambda dtype: model.astype(_NAMES[dtype]))
    twins[model.dtype] = model
    weights = {name: view.astype(np.float64) for name, view in model.params.items()}
    data = {"x": x.astype(np.float64), "eps": eps.astype(np.float64)}
    if corrupted is not None:
        data["corrupted"] = corrupted.astype(np.float64)
    inputs = {**data, **weights} if isinstance(model, VAE) else weights

    def run(arrays: Sequence[Array], then: Callable[[Any, Terms], Any]) -> Any:
        named = dict(zip(inputs, arrays, strict=True))
        twin = twins[arrays[0].dtype]
        kept = twin.theta.copy()
        for name, view in twin.params.items():
            view[...] = named[name]
        arguments = {name: named.get(name, array.astype(twin.dtype)) for name, array in data.items()}
        if targets is not None:
            arguments["targets"] = targets.astype(twin.dtype)
        terms = twin.forward(**arguments, kl_weight=kl_weight)
        result = then(twin, terms)
        twin.theta[...] = kept
        return result

    def forward(*arrays: Array) -> Any:
        return run(arrays, lambda twin, terms: twin.objective.loss(terms))

    def vjp(dloss: Array, *arrays: Array) -> list[Array]:
        def gradients(twin: Any, _: Terms) -> list[Array]:
            if isinstance(twin, VAE):
                if corrupted is None:
                    return [*twin.backward_to_inputs(), *twin.grads.values()]
                dcorrupted, dx, deps = twin.backward_to_both()
                return [dx, deps, dcorrupted, *twin.grads.values()]
            twin.backward()
            return [*twin.grads.values()]

        return [dloss * gradient for gradient in run(arrays, gradients)]

    def formula(oracle: Oracle) -> Any:
        return _loss(oracle, model, list(inputs), data, kl_weight, hidden, targets)

    problem = GradientProblem(inputs, forward, vjp, formula)
    return problem if hidden is None else with_hidden(problem, hidden)


def _loss(
    oracle: Oracle,
    model: Model,
    names: Sequence[str],
    data: Mapping[str, Array],
    kl_weight: float = 1.0,
    hidden: Array | None = None,
    targets: Array | None = None,
) -> Any:
    bound = formulas.negative_importance_bound if isinstance(model, IWAE) else formulas.negative_elbo

    def loss(*arrays: Any) -> Any:
        named = dict(zip(names, arrays, strict=True))
        beta = kl_weight * model.config["beta"]
        given = oracle, named, named.get("x"), named.get("eps"), model.config, beta, named.get("corrupted")
        if isinstance(model, SemiSupervisedVAE):
            assert targets is not None
            return formulas.negative_marginal_bound(*given, targets, model.bound.alpha)
        if isinstance(model, VAE):
            there = None if hidden is None else oracle.constant(1.0 - hidden)
            told = {} if targets is None else {"targets": oracle.constant(targets)}
            return bound(*given, there, **told)
        x, seen = oracle.constant(data["x"]), oracle.constant(data.get("corrupted", data["x"]))
        return formulas.negative_log_likelihood(oracle, named, x, model.config, seen)

    return loss


def random_model(
    rng: np.random.Generator, kind: type[Model], likelihood: str | None = None, **more: Any
) -> tuple[Any, Array, Array]:
    """A model of random architecture, and likelihood if none is named, in float64; and rows and noise to go with it."""
    batch, width, latent, depth = sizes(rng, 4)
    likelihood = likelihood or str(rng.choice(list(LIKELIHOODS)))
    sigma = check_sigma(None, likelihood)
    model = kind(
        input_dim=width,
        latent_dim=latent,
        hidden=sizes(rng, depth % 4),
        activation=str(rng.choice(list(ACTIVATIONS))),
        likelihood=likelihood,
        sigma=sigma and float(rng.choice([0.3, 1.0, 2.0])),
        beta=1.0 if kind is IWAE else float(rng.choice([0.0, 0.5, 1.0, 4.0])),
        seed=int(rng.integers(1000)),
        dtype="float64",
        **more,
    )
    model.theta[...] += 0.1 * rng.standard_normal(model.theta.size)  # biases too are away from zero
    model.loss_and_grads(rng.random((2 * batch, width)))  # a taller batch went before
    return model, rng.random((batch, width)), rng.standard_normal((batch, model.noise_dim))


def _vae(likelihood: str) -> Callable[[np.random.Generator], GradientProblem]:
    return lambda rng: of_model(*random_model(rng, VAE, likelihood))


def _autoencoder(rng: np.random.Generator) -> GradientProblem:
    return of_model(*random_model(rng, Autoencoder))


# λ is told apart from the mean KL of every dimension, which it takes a forward to know.
def _with_free_bits(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, VAE)
    model.forward(x, eps)
    free = between(model.kl.per_dimension.mean(axis=0), rng)
    charging = VAE(**{**model.config, "free_bits": free})
    charging.theta[...] = model.theta
    return of_model(charging, x, eps, kl_weight=float(rng.choice([0.25, 1.0])))


def _denoising(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, VAE)
    return of_model(model, x, eps, np.where(rng.random(x.shape) < 0.3, 0.0, x))


def _denoising_autoencoder(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, Autoencoder)
    return of_model(model, x, eps, np.where(rng.random(x.shape) < 0.3, 0.0, x))


def _trained(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, VAE)
    trainer = Trainer(model, lr=0.05, seed=int(rng.integers(1000)))
    for rows in (7, 5, 1):
        trainer.step(rng.random((rows, model.input_dim)))
    return of_model(model, x, eps)


# What an embedder calls, from the front door: the gradient must be that of the ELBO as it is told.
def _front_door(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, VAE)
    twins = Twins(lambda dtype: model.astype(_NAMES[dtype]))

    def holding(*weights: Array) -> VAE:
        twin: VAE = twins[weights[0].dtype]
        for view, weight in zip(twin.params.values(), weights, strict=True):
            view[...] = weight
        return twin

    def formula(oracle: Oracle) -> Any:
        loss = _loss(oracle, model, ["x", "eps", *model.params], {"x": x})
        return lambda *weights: loss(oracle.constant(x), oracle.constant(eps), *weights)

    return GradientProblem(
        {name: view.copy() for name, view in model.params.items()},
        lambda *weights: -np.mean(holding(*weights).elbo(x, eps).value),
        lambda dloss, *weights: [dloss * grad for grad in holding(*weights).loss_and_grads(x, eps)[1].values()],
        formula,
    )


# Plain gradient descent from the weights at the start of each step, the second batch smaller than the first.
def _step(rng: np.random.Generator) -> StepProblem:
    model, _, _ = random_model(rng, VAE)
    lr, seed = 0.1, int(rng.integers(1000))
    batches = {f"batch {rows}": rng.random((rows, model.input_dim)) for rows in (5, 3)}

    def ours(theta: Array, *batches: Array) -> Array:
        twin: VAE = model.astype(_NAMES[theta.dtype])
        twin.theta[...] = theta
        trainer = Trainer(twin, optimizer=SGD(lr), seed=seed)
        for x in batches:
            trainer.step(x)
        return twin.theta

    def published(oracle: Oracle, dtype: np.dtype[Any], theta: Array, *batches: Array) -> Array:
        noise = stream(seed, "training noise")
        theta = theta.copy()
        twin = model.astype("float64")
        for x in batches:
            twin.theta[...] = theta
            eps = fill(np.empty((len(x), model.latent_dim), dtype), noise.standard_normal)
            problem = of_model(twin, x, eps)
            _, _, *gradients = oracle.vjp(problem.formula(oracle), np.ones(()), *problem.inputs.values())
            theta -= lr * np.concatenate([gradient.ravel() for gradient in gradients])
        return theta

    return StepProblem({"theta": model.theta.copy(), **batches}, ours, published)


MODELS = (
    Subject("VAE", (VAE,), _vae("bernoulli")),
    *(Subject(f"VAE-{name}", (VAE,), _vae(name)) for name in LIKELIHOODS if name != "bernoulli"),
    Subject("VAE with free bits", (VAE,), _with_free_bits),
    Subject("VAE, denoising", (VAE,), _denoising),
    Subject("VAE.loss_and_grads", (VAE,), _front_door),
    Subject("VAE-after-steps", (VAE,), _trained),
    Subject("Autoencoder", (Autoencoder,), _autoencoder),
    Subject("Autoencoder, denoising", (Autoencoder,), _denoising_autoencoder),
    Subject("Trainer.step", (Trainer, Run, Steps), _step),
)
