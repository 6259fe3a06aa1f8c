"""A whole model, at its weights, beside its formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.fused import plain_class
from scratchvae.models import VAE, Autoencoder, ELBOTerms, Model, SemiSupervisedVAE
from scratchvae.models.configuration import DTYPES
from scratchvae.models.labels import one_hot
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.probability import DiagonalGaussian, StandardNormal
from scratchvae.verification import formulas
from scratchvae.verification.formulas import Draw, gaussian_draw
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, PerDtype, check_rows, with_missing_values

DTYPE_NAMES = {np.dtype(name): name for name in reversed(DTYPES)}


def model_gradient_problem(
    model: Model,
    x: Array,
    eps: Array,
    corrupted: Array | None = None,
    kl_weight: float = 1.0,
    hidden: Array | None = None,
    targets: Array | None = None,
    draw: Draw | None = None,
) -> GradientProblem:
    """The loss of `model` at its weights, at rows x (B, D) with noise eps (B, noise_dim): by x, by eps, by its weights.

    Where `hidden` (B, D) is True, the model is given NaN in the place of x. The encoder sees `corrupted` (B, D), if
    that is given, and then the gradient is taken by it too. A model that takes labels is given `targets` (B, K), one-
    hot or zeros, by which none is taken; without them, each class in turn. An autoencoder's is taken by its weights
    alone. In its own dtype the model itself computes, with whatever it has kept from earlier; each call leaves its
    weights as they were.

    `draw` is the formula of a posterior and a prior of your own, whose KL is then taken to be that of the draw. Without
    it, and for other parts of your own, the formula raises ConfigError: finite differences need none.
    """
    x, eps = check_rows(model, x, eps)
    twins = PerDtype(lambda dtype: model.astype(DTYPE_NAMES[dtype]))
    twins[model.dtype] = model
    weights = {name: view.astype(np.float64) for name, view in model.params.items()}
    data = {"x": x.astype(np.float64), "eps": eps.astype(np.float64)}
    if corrupted is not None:
        data["corrupted"] = corrupted.astype(np.float64)
    inputs = {**data, **weights} if isinstance(model, VAE) else weights
    further: dict[str, Any] = {"kl_weight": kl_weight}
    if isinstance(model, SemiSupervisedVAE):
        further["alpha"] = model.alpha or 0.0
    if model.classes and targets is None:
        targets = _in_turn(model, len(x))

    def run(arrays: Sequence[Array], then: Callable[[Any, ELBOTerms], Any]) -> Any:
        named = dict(zip(inputs, arrays, strict=True))
        twin = twins[arrays[0].dtype]
        kept = twin.theta.copy()
        for name, view in twin.params.items():
            view[...] = named[name]
        arguments = {name: named.get(name, array.astype(twin.dtype)) for name, array in data.items()}
        if targets is not None:
            arguments["targets"] = targets.astype(twin.dtype)
        terms = twin.forward(**arguments, **further)
        result = then(twin, terms)
        twin.theta[...] = kept
        return result

    def forward(*arrays: Array) -> Any:
        return run(arrays, lambda twin, terms: twin.objective.loss(terms))

    def vjp(dloss: Array, *arrays: Array) -> list[Array]:
        def gradients(twin: Any, _: ELBOTerms) -> list[Array]:
            if not isinstance(twin, VAE):
                twin.backward()
                return [*twin.grads.values()]
            by_input = twin.backward_to_inputs()
            return [*(gradient for gradient in by_input if gradient is not None), *twin.grads.values()]

        return [dloss * gradient for gradient in run(arrays, gradients)]

    def formula(oracle: Oracle) -> Any:
        return loss_of(oracle, model, list(inputs), data, kl_weight, hidden, targets, draw)

    problem = GradientProblem(inputs, forward, vjp, formula)
    return problem if hidden is None else with_missing_values(problem, hidden)


def _in_turn(model: Model, rows: int) -> Array:
    """One-hot rows of each class in turn, and of none where a model does without."""
    some = isinstance(model, SemiSupervisedVAE)
    return one_hot(np.arange(rows) % (model.classes + some) - some, np.empty((rows, model.classes)))


def loss_of(
    oracle: Oracle,
    model: Model,
    names: Sequence[str],
    data: Mapping[str, Array],
    kl_weight: float = 1.0,
    hidden: Array | None = None,
    targets: Array | None = None,
    draw: Draw | None = None,
) -> Any:
    """The loss of `model` as a function of the inputs of these names. Raises ConfigError where no formula is known."""
    config = _settings(model, draw)

    def loss(*arrays: Any) -> Any:
        named = dict(zip(names, arrays, strict=True))
        if isinstance(model, Autoencoder):
            x, encoder_x = oracle.constant(data["x"]), oracle.constant(data.get("corrupted", data["x"]))
            return formulas.negative_log_likelihood(oracle, named, x, config, encoder_x)
        beta = kl_weight * config["beta"]
        given = oracle, named, named["x"], named["eps"], config, beta, named.get("corrupted")
        if isinstance(model, SemiSupervisedVAE):
            assert targets is not None
            return formulas.negative_marginal_bound(*given, targets, model.alpha or 0.0, draw)
        there = None if hidden is None else oracle.constant(1.0 - hidden)
        told = None if targets is None else oracle.constant(targets)
        if config["importance_samples"]:
            return formulas.negative_importance_bound(*given, there, told, draw or gaussian_draw)
        return formulas.negative_elbo(*given, there, told)

    return loss


def _settings(model: Model, draw: Draw | None) -> dict[str, Any]:
    """The configuration of a model, with the settings of an objective of its user's own in their usual places.

    importance_samples   K, where the KL is that of each draw; 0 where it is in closed form
    """
    config, objective = model.to_config(), model.objective
    forward, drawn = type(objective).forward, draw is not None or not objective.exact_kl
    if forward is ELBO.forward and not (drawn and objective.free_bits):
        config |= {"beta": objective.beta, "free_bits": objective.free_bits, "importance_samples": int(drawn)}
    elif forward is ImportanceWeighted.forward:
        config |= {"beta": 1.0, "importance_samples": objective.draws}
    else:
        raise _unknown("objective", objective)
    for name, kind in {"posterior": DiagonalGaussian, "prior": StandardNormal}.items():
        part = model.parts.get(name)
        if part is not None and draw is None and plain_class(part) is not kind:
            raise _unknown(name, part)
    if not isinstance(config["likelihood"], str):
        raise _unknown("likelihood", model.likelihood)
    return config


def _unknown(name: str, part: Any) -> ConfigError:
    return ConfigError(
        f"no formula of this {name}, a {type(part).__name__}, is known: hold the model against finite differences alone"
    )
