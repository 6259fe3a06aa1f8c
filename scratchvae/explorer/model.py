"""A model in words of JSON: its networks, its likelihood, its scale, and where each parameter is in the weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.explorer.checks import without_javascript
from scratchvae.export.walk import Call, Shortcut, Step, walk
from scratchvae.fused import plain_class
from scratchvae.memory import Shape
from scratchvae.models import VAE, Model
from scratchvae.probability import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    Gaussian,
    GaussianDiagonal,
    GaussianHeteroscedastic,
    GaussianLearned,
    Likelihood,
    MaskedLikelihood,
    Mixed,
    NegativeBinomial,
    Poisson,
    ScaledLikelihood,
)


def describe_model(model: Model) -> dict[str, Any]:
    """All that network.js needs to compute the model, beside its weights. Raises ConfigError for unknown parts."""
    networks = _networks(model)
    return {
        "kind": type(model).__name__,
        "inputDim": model.input_dim,
        "latentDim": model.latent_dim,
        "classes": model.classes,
        "hasPosterior": isinstance(model, VAE),
        "beta": model.objective.beta,
        "networks": {name: _steps(walk(model.parts[name], name, shape)) for name, shape in networks.items()},
        "parameters": _places(model),
        "likelihood": describe_likelihood(model.likelihood, model.input_dim),
        "scale": {"shift": _numbers(model.scale.shift), "factor": _numbers(model.scale.factor)},
        "logFactor": _log_factor(model),
        "missing": bool(model.config["missing"]),
    }


def _networks(model: Model) -> dict[str, Shape]:
    """The shape of the rows that each network reads."""
    shapes: dict[str, Shape] = {"encoder": model.row_shape, "decoder": (model.latent_dim,)}
    return {**shapes, "classifier": model.row_shape} if "classifier" in model.parts else shapes


def weights_of(model: Model) -> Array:
    """theta, with the numbers by which the networks multiply: those that a `MaskedLinear` does not use are 0."""
    weights, places = np.array(to_numpy(model.theta)), _places(model)
    for name, shape in _networks(model).items():
        for call in _calls(walk(model.parts[name], name, shape)):
            for parameter, array in call.parameters.items():
                start = places[parameter]["start"]
                weights[start : start + array.size] = to_numpy(array).reshape(-1)
    return weights


def _calls(steps: Iterable[Step]) -> Iterator[Call]:
    for step in steps:
        if isinstance(step, Shortcut):
            yield from _calls(step.steps)
        else:
            yield step


def _steps(steps: Any) -> list[dict[str, Any]]:
    return [_step(step) for step in steps]


def _step(step: Step) -> dict[str, Any]:
    if isinstance(step, Shortcut):
        return {"shortcut": _steps(step.steps)}
    return {"function": step.function, "parameters": list(step.parameters), "settings": step.settings}


def _places(model: Model) -> dict[str, dict[str, Any]]:
    """The first place of each parameter in theta, and its shape."""
    places, start = {}, 0
    for name, shape in model.shapes.items():
        places[name] = {"start": start, "shape": list(shape)}
        start += prod(shape)
    return places


# --- the likelihood

# the name of each likelihood in likelihoods.js
LIKELIHOODS: dict[type[Any], str] = {
    Bernoulli: "bernoulli",
    ContinuousBernoulli: "continuous_bernoulli",
    Gaussian: "gaussian",
    GaussianLearned: "gaussian",
    GaussianDiagonal: "gaussian",
    GaussianHeteroscedastic: "gaussian_heteroscedastic",
    Poisson: "poisson",
    NegativeBinomial: "negative_binomial",
    Categorical: "categorical",
    Mixed: "mixed",
}


def describe_likelihood(likelihood: Likelihood, width: int) -> dict[str, Any]:
    """A likelihood of rows of `width` numbers. Raises ConfigError for one of the user's own."""
    while isinstance(likelihood, MaskedLikelihood | ScaledLikelihood):  # the page leaves out missing entries itself
        likelihood = likelihood.inner
    kind, inner = plain_class(likelihood), likelihood  # type: Any, Any
    if kind not in LIKELIHOODS:
        raise without_javascript("likelihood", likelihood, "use one that has a name, such as 'gaussian'")
    found: dict[str, Any] = {"name": LIKELIHOODS[kind], "width": width, "outputs": likelihood.outputs(width)}
    if found["name"] == "gaussian":
        learned = hasattr(inner, "logvar")
        sigma = np.exp(0.5 * to_numpy(inner.logvar).astype(np.float64)) if learned else inner.sigma
        found["sigma"] = np.broadcast_to(sigma, width).tolist()
    elif kind in (Poisson, NegativeBinomial):
        found["librarySize"] = inner.library_size
    elif kind is Categorical:
        found["groups"] = [list(group) for group in inner.groups]
    elif kind is Mixed:
        found["blocks"] = [describe_likelihood(part, columns) for part, columns in inner.parts]
    return found


def _log_factor(model: Model) -> list[float] | None:
    """log s of each column for data x = m + s u, whose density has the term −Σ log s; None for data without a scale."""
    if not model.scale.changes_density:
        return None
    likelihood = model.likelihood
    factor = likelihood.factor if isinstance(likelihood, ScaledLikelihood) else None
    return None if factor is None else np.log(factor).tolist()


def _numbers(value: Any) -> Any:
    """A number or an array as values of JSON; None stays None."""
    return value.tolist() if isinstance(value, np.ndarray) else value
