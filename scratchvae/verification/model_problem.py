"""The gradient problem of a whole model at its weights."""

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
from scratchvae.models.parts import custom_class_names
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.probability import DiagonalGaussian, StandardNormal
from scratchvae.verification import formulas
from scratchvae.verification.draws import POSTERIORS, PRIORS, draw_of
from scratchvae.verification.formulas import Draw, gaussian_draw
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, PerDtype, check_rows

KNOWN = {*POSTERIORS, *PRIORS}
DTYPE_NAMES = {np.dtype(name): name for name in reversed(DTYPES)}


def model_gradient_problem(
    model: Model,
    x: Array,
    eps: Array,
    corrupted: Array | None = None,
    kl_weight: float = 1.0,
    missing: Array | None = None,
    targets: Array | None = None,
    draw: Draw | None = None,
) -> GradientProblem:
    """Make the problem of the loss of `model` at its weights, for rows x (B, D) and noise eps (B, noise_dim).

    The gradient is taken with respect to x, eps, `corrupted` if given, and each parameter; for an autoencoder, with
    respect to the parameters alone. In its own dtype the problem calls `model` itself, with its current buffers and
    cached values; each call restores the weights.

    corrupted   (B, D), the input of the encoder in place of x
    missing     (B, D), True where the model receives NaN in place of x
    targets     (B, K), one-hot rows for a model with labels; a row of zeros is unlabelled. By default the rows cycle
                through the classes. No gradient is taken with respect to them
    draw        the formula of a custom posterior and prior; the KL is then that of the draw

    Without `draw`, and for other custom parts, `formula` raises ConfigError; finite differences need no formula.
    """
    x, eps = check_rows(model, x, eps)
    models = PerDtype(lambda dtype: model.astype(DTYPE_NAMES[dtype]))
    models[model.dtype] = model
    weights = {name: view.astype(np.float64) for name, view in model.params.items()}
    data = {"x": x.astype(np.float64), "eps": eps.astype(np.float64)}
    if corrupted is not None:
        data["corrupted"] = corrupted.astype(np.float64)
    inputs = {**data, **weights} if isinstance(model, VAE) else weights
    settings: dict[str, Any] = {"kl_weight": kl_weight}
    if isinstance(model, SemiSupervisedVAE):
        settings["alpha"] = model.alpha or 0.0
    if model.classes and targets is None:
        targets = _cyclic_targets(model, len(x))

    def forward_and_apply(arrays: Sequence[Array], function: Callable[[Any, ELBOTerms], Any]) -> Any:
        by_name = dict(zip(inputs, arrays, strict=True))
        model_in_dtype = models[arrays[0].dtype]
        original_theta = model_in_dtype.theta.copy()
        for name, view in model_in_dtype.params.items():
            view[...] = by_name[name]
        arguments = {
            name: by_name[name] if name in by_name else array.astype(model_in_dtype.dtype)
            for name, array in data.items()
        }
        if missing is not None:
            for name in arguments.keys() & {"x", "corrupted"}:
                arguments[name] = np.where(missing, model_in_dtype.dtype.type(np.nan), arguments[name])
        if targets is not None:
            arguments["targets"] = targets.astype(model_in_dtype.dtype)
        terms = model_in_dtype.forward(**arguments, **settings)
        result = function(model_in_dtype, terms)
        model_in_dtype.theta[...] = original_theta
        return result

    def forward(*arrays: Array) -> Any:
        return forward_and_apply(arrays, lambda model, terms: model.objective.loss(terms))

    def vjp(dloss: Array, *arrays: Array) -> list[Array]:
        def gradients(model: Any, _: ELBOTerms) -> list[Array]:
            if not isinstance(model, VAE):
                model.backward()
                return [*model.grads.values()]
            data_gradients = model.backward_to_inputs()
            return [*(gradient for gradient in data_gradients if gradient is not None), *model.grads.values()]

        return [dloss * gradient for gradient in forward_and_apply(arrays, gradients)]

    def formula(oracle: Oracle) -> Any:
        return loss_formula(oracle, model, list(inputs), data, kl_weight, missing, targets, draw)

    return GradientProblem(inputs, forward, vjp, formula)


def _cyclic_targets(model: Model, rows: int) -> Array:
    """Return one-hot rows that cycle through the classes, and through an unlabelled row for a semi-supervised model."""
    unlabelled = isinstance(model, SemiSupervisedVAE)
    labels = np.arange(rows) % (model.classes + unlabelled) - unlabelled
    return one_hot(labels, np.empty((rows, model.classes)))


def loss_formula(
    oracle: Oracle,
    model: Model,
    names: Sequence[str],
    data: Mapping[str, Array],
    kl_weight: float = 1.0,
    missing: Array | None = None,
    targets: Array | None = None,
    draw: Draw | None = None,
) -> Any:
    """Return the loss of `model` as a function of the inputs called `names`. Raises ConfigError without a formula."""
    draw = draw or _draw_of_parts(model)
    config = _formula_config(model, draw)

    def loss(*arrays: Any) -> Any:
        by_name = dict(zip(names, arrays, strict=True))
        observed = None if missing is None else oracle.constant(1.0 - missing)
        if isinstance(model, Autoencoder):
            x, corrupted = (oracle.constant(data[name]) if name in data else None for name in ("x", "corrupted"))
            return formulas.negative_log_likelihood(oracle, by_name, x, config, corrupted, observed)
        beta = kl_weight * config["beta"]
        arguments = oracle, by_name, by_name["x"], by_name["eps"], config, beta, by_name.get("corrupted")
        if isinstance(model, SemiSupervisedVAE):
            assert targets is not None
            return formulas.negative_marginal_bound(*arguments, targets, model.alpha or 0.0, draw)
        constant_targets = None if targets is None else oracle.constant(targets)
        if config["importance_samples"]:
            return formulas.negative_importance_bound(*arguments, observed, constant_targets, draw or gaussian_draw)
        return formulas.negative_elbo(*arguments, observed, constant_targets)

    return loss


def _draw_of_parts(model: Model) -> Draw | None:
    """The formula of a posterior and a prior of the package, if they are not both the usual ones."""
    kinds = [plain_class(model.parts[name]) for name in ("posterior", "prior") if name in model.parts]
    library = all(kind.__module__.startswith("scratchvae.") and kind.__name__ in KNOWN for kind in kinds)
    return None if not library or kinds in ([], [DiagonalGaussian, StandardNormal]) else draw_of(model.to_config())


def _formula_config(model: Model, draw: Draw | None) -> dict[str, Any]:
    """Return the configuration of a model, with the settings of a custom objective under the usual keys.

    importance_samples   K, if the KL is estimated from draws; 0 if it is in closed form
    """
    config, objective = model.to_config(), model.objective
    if objective.pathwise:
        raise ConfigError(
            f"objective={type(objective).__name__}: its gradient is not that of its loss, but only has the same mean; "
            "compare the gradient of ELBO or ImportanceWeighted instead"
        )
    forward, kl_from_draws = type(objective).forward, draw is not None or not objective.exact_kl
    if forward is ELBO.forward and not (kl_from_draws and objective.free_bits):
        config |= {"beta": objective.beta, "free_bits": objective.free_bits, "importance_samples": int(kl_from_draws)}
    elif forward is ImportanceWeighted.forward:
        config |= {"beta": 1.0, "importance_samples": objective.draws}
    else:
        raise _no_formula("objective", objective)
    for name, known_class in {"posterior": DiagonalGaussian, "prior": StandardNormal}.items():
        part = model.parts.get(name)
        if part is not None and draw is None and plain_class(part) is not known_class:
            raise _no_formula(name, part)
    likelihood = config["likelihood"]
    if not isinstance(likelihood, str) and any(custom_class_names(likelihood)):
        raise _no_formula("likelihood", model.likelihood)
    return config


def _no_formula(name: str, part: Any) -> ConfigError:
    return ConfigError(
        f"{name} is of class {type(part).__name__}, which has no known formula: compare with finite differences instead"
    )
