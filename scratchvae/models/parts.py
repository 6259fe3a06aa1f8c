"""The parts of a model: their names in a configuration, their descriptions in a file, and whether they fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from scratchvae import layers, objectives, probability
from scratchvae.errors import ConfigError, ScratchVAEError
from scratchvae.layers import Layer
from scratchvae.memory import Module, check_methods
from scratchvae.objectives import Objective
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    GaussianHeteroscedastic,
    GaussianLearned,
    Likelihood,
    Posterior,
    Prior,
)
from scratchvae.validation import check_type, short_repr

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
    "gaussian_learned": GaussianLearned,
    "gaussian_heteroscedastic": GaussianHeteroscedastic,
}
KINDS: dict[str, tuple[type[Module], str]] = {
    "encoder": (Layer, "a layer, such as Sequential(Linear(784, 512), ReLU(), Linear(512, 40))"),
    "decoder": (Layer, "a layer, such as Sequential(Linear(20, 512), ReLU(), Linear(512, 784))"),
    "posterior": (Posterior, "a posterior, such as DiagonalGaussian()"),
    "prior": (Prior, "a prior, such as StandardNormal()"),
    "likelihood": (Likelihood, "a name or a likelihood, such as Gaussian(0.1)"),
    "objective": (Objective, "an objective, such as ELBO(beta=4.0)"),
}
Classes = Mapping[str, Any]


def make_likelihood(name: str, sigma: float | None) -> Likelihood:
    """The likelihood of that name; sigma is that of a Gaussian, None of any other. Raises ConfigError."""
    kind = LIKELIHOODS[name]
    return kind(sigma) if sigma is not None and issubclass(kind, Gaussian) else kind()


def check_sigma(sigma: float | None, likelihood: str) -> float | None:
    """The sigma that a likelihood of that name has: as given, or 1; None if it has none. Raises ConfigError."""
    if issubclass(LIKELIHOODS[likelihood], Gaussian):
        return Gaussian(1.0 if sigma is None else sigma).sigma
    if sigma is not None:
        takers = " or ".join(repr(name) for name, kind in LIKELIHOODS.items() if issubclass(kind, Gaussian))
        raise ConfigError(f"sigma={sigma!r} does nothing for likelihood={likelihood!r}: leave it out, or take {takers}")
    return None


def check_part(name: str, part: Any) -> Module:
    """`part`, if it can serve as the part of that name. Raises ConfigError."""
    kind, what = KINDS[name]
    check_type(name, part, kind, what)
    for path, module in modules_in(part, name):
        check_methods(path, module)
    return part  # type: ignore[no-any-return]


def check_free(parts: Mapping[str, Module]) -> None:
    """Raises ConfigError for a module that belongs to another model, which would lose it, or stands in two places."""
    places: dict[int, str] = {}
    for name, part in parts.items():
        for path, module in modules_in(part, name):
            if module.owned:
                raise ConfigError(
                    f"{path} is a {type(module).__name__} that belongs to another model; make one of its own for each"
                )
            if id(module) in places:
                raise ConfigError(
                    f"{path} is {places[id(module)]} again, a {type(module).__name__}; make one of its own"
                )
            places[id(module)] = path


def take_ownership(part: Module) -> None:
    """Let a part, and the modules inside it, belong to one model."""
    for _, module in modules_in(part, ""):
        module.owned = True


def modules_in(part: Module, name: str) -> Iterator[tuple[str, Module]]:
    """A part and the modules inside it, each under its full name; a child without a name goes by its parent's."""
    yield name, part
    for child, module in part.children().items():
        yield from modules_in(module, f"{name}.{child}" if child else name)


def input_dim_of(own: Mapping[str, Any], outputs_per_dimension: int) -> int:
    """D, as the first layer of an encoder or the last one of a decoder of the user's own says; 784 if none does."""
    if "encoder" in own:
        for _, module in modules_in(own["encoder"], ""):
            if isinstance(inputs := vars(module).get("inputs"), int):
                return inputs
    if "decoder" in own:
        for _, module in reversed(list(modules_in(own["decoder"], ""))):
            if isinstance(outputs := vars(module).get("outputs"), int):
                return outputs // outputs_per_dimension
    return 784


def describe(part: Any) -> Any:
    """A part as JSON can hold it: its class by name, and what `config()` says. Raises ConfigError.

    A class that is none of ours has "own": True, and is never taken for one of ours of the same name.
    """
    if isinstance(part, Module):
        kind = type(part)
        own = {} if _our_class(kind.__name__) is kind else {"own": True}
        return {"class": kind.__name__, **own, "config": {of: describe(value) for of, value in part.config().items()}}
    if isinstance(part, tuple | list):
        return [describe(each) for each in part]
    if part is None or isinstance(part, bool | int | float | str):
        return part
    raise ConfigError(
        f"{short_repr(part)} cannot be written to a file; let config() return numbers, strings, lists and modules alone"
    )


def classes_described(description: Any) -> Iterator[str]:
    """The names of the user's own classes in descriptions, as `describe` makes them."""
    if isinstance(description, dict):
        if description.get("own") and isinstance(description.get("class"), str):
            yield description["class"]
        for value in description.values():
            yield from classes_described(value)
    elif isinstance(description, list):
        for value in description:
            yield from classes_described(value)


def rebuild(description: Any, classes: Classes) -> Any:
    """The part that `describe` was given, from our classes and those of `classes` by name. Raises ConfigError."""
    if isinstance(description, list):
        return tuple(rebuild(each, classes) for each in description)
    if not isinstance(description, dict):
        return description
    name = description["class"]
    kind = classes.get(name) if description.get("own") else _our_class(name)
    if kind is None:
        raise ConfigError(
            f"the class {short_repr(name)} is none of scratchvae's: name it when loading, as in "
            f"load(path, classes=[{name}])"
        )
    return kind.from_config({of: rebuild(value, classes) for of, value in description["config"].items()})


def _our_class(name: str) -> Any:
    return next((vars(of)[name] for of in (layers, probability, objectives) if name in of.__all__), None)


def classes_in(parts: Mapping[str, Module]) -> dict[str, type]:
    """The classes of the user's own in the parts, by name. Raises ConfigError where two have the same."""
    found: dict[str, type] = {}
    for name, part in parts.items():
        for path, module in modules_in(part, name):
            kind = type(module)
            if _our_class(kind.__name__) is not kind and found.setdefault(kind.__name__, kind) is not kind:
                raise ConfigError(
                    f"{path} is of a class {kind.__name__}, and so is another part, of another class of that name; "
                    "give one another name, so that a file can tell them apart"
                )
    return found


def check_shapes(parts: Mapping[str, Any], input_dim: int, latent_dim: int) -> None:
    """Raises ConfigError where one part does not put out what the next one takes."""
    posterior, likelihood = parts.get("posterior"), parts["likelihood"]
    wanted = latent_dim if posterior is None else posterior.outputs(latent_dim)
    taker = "the code" if posterior is None else type(posterior).__name__
    _check_width(
        "encoder", parts["encoder"], input_dim, wanted, f"as many as {taker} takes for latent_dim={latent_dim}"
    )
    outputs = likelihood.outputs_per_dimension * input_dim
    _check_width("decoder", parts["decoder"], latent_dim, outputs, f"as many as {type(likelihood).__name__} takes")


def _check_width(name: str, part: Layer, inputs: int, outputs: int, why: str) -> None:
    try:
        width = prod(part.output_shape((inputs,)))
    except ScratchVAEError as error:
        raise ConfigError(f"{name} does not take rows of {inputs} numbers: {error}") from None
    if width != outputs:
        raise ConfigError(
            f"{name} puts out rows of {width} numbers; expected {outputs}, {why}: let its last layer have {outputs} "
            "outputs"
        )
