"""The parts of a model: their names in a configuration, their descriptions in a file, and checks of their shapes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from scratchvae import flows, layers, objectives, probability
from scratchvae.errors import ConfigError, ScratchVAEError, ShapeError
from scratchvae.fused import plain_class
from scratchvae.layers import (
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    LayerNorm,
    Linear,
    Reshape,
    Residual,
    Sequential,
)
from scratchvae.layers.layer import ElementwiseLayer, error_at
from scratchvae.memory import Module, Shape, check_methods, output_shape_of
from scratchvae.objectives import Objective
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    GaussianDiagonal,
    GaussianHeteroscedastic,
    GaussianLearned,
    Likelihood,
    NegativeBinomial,
    Poisson,
    Posterior,
    Prior,
)
from scratchvae.validation import check_type, short_repr, shorten

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
    "gaussian_learned": GaussianLearned,
    "gaussian_diagonal": GaussianDiagonal,
    "gaussian_heteroscedastic": GaussianHeteroscedastic,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}
PART_TYPES: dict[str, tuple[type[Module], str]] = {
    "activation": (Layer, "a name, or a layer or its class, such as ELU or LeakyReLU(0.2)"),
    "encoder": (Layer, "a layer, such as Sequential(Linear(784, 512), ReLU(), Linear(512, 40))"),
    "decoder": (Layer, "a layer, such as Sequential(Linear(20, 512), ReLU(), Linear(512, 784))"),
    "posterior": (Posterior, "a posterior, such as DiagonalGaussian()"),
    "prior": (Prior, "a prior, such as StandardNormal()"),
    "likelihood": (Likelihood, "a name or a likelihood, such as Gaussian(0.1)"),
    "objective": (Objective, "an objective, such as ELBO(beta=4.0)"),
}
WITH_WIDTH = (Linear, ConditionalLinear, Conv2d, ConvTranspose2d)  # layers whose number of outputs is an argument
Classes = Mapping[str, Any]


def make_likelihood(name: str, sigma: float | None, input_dim: int) -> Likelihood:
    """The likelihood of this name for rows of `input_dim` numbers; sigma is for a Gaussian, None: 1.

    Raises ConfigError.
    """
    kind = LIKELIHOODS[name]
    settings: dict[str, Any] = {"sigma": sigma} if sigma is not None and issubclass(kind, Gaussian) else {}
    return kind(**settings, columns=input_dim) if kind is GaussianDiagonal else kind(**settings)


def check_width(likelihood: Likelihood, input_dim: int) -> None:
    """Raises ConfigError unless the likelihood takes rows of `input_dim` numbers."""
    if likelihood.input_dim not in (None, input_dim):
        raise ConfigError(
            f"{shorten(type(likelihood).__name__)} is for rows of {likelihood.input_dim} numbers, and "
            f"input_dim={input_dim}: leave input_dim out"
        )


def count_columns(likelihood: Likelihood, input_dim: int) -> tuple[tuple[int, int], ...]:
    """The blocks of columns (start, stop) that are counts, of a row of `input_dim` numbers."""
    return tuple((s.start, s.stop) for s in likelihood.supports(input_dim) if s.whole)


def check_sigma(sigma: float | None, likelihood: str) -> float | None:
    """Check the sigma of the likelihood of this name, None if it is not given. Raises ConfigError."""
    if sigma is not None and issubclass(LIKELIHOODS[likelihood], Gaussian):
        return Gaussian(sigma).sigma
    if sigma is not None:
        names = " or ".join(repr(name) for name, kind in LIKELIHOODS.items() if issubclass(kind, Gaussian))
        raise ConfigError(
            f"sigma={short_repr(sigma)} has no effect for likelihood={likelihood!r}: leave it out, or use {names}"
        )
    return None


def check_part(name: str, part: Any) -> Module:
    """Check that `part` has the class and the methods of the part of this name; return it. Raises ConfigError."""
    kind, expected = PART_TYPES[name]
    check_type(name, part, kind, expected)
    for path, module in modules_in(part, name):
        check_methods(path, module)
    return part  # type: ignore[no-any-return]


def check_unowned(parts: Mapping[str, Module]) -> None:
    """Raises ConfigError for a module that belongs to another model, or occurs twice in the parts."""
    places: dict[int, str] = {}
    for name, part in parts.items():
        for path, module in modules_in(part, name):
            if module.owned:
                kind = shorten(type(module).__name__)
                raise ConfigError(f"{shorten(path)} is a {kind} that belongs to another model; make a new one")
            if id(module) in places:
                raise ConfigError(
                    f"{shorten(path, 50)} is the same {shorten(type(module).__name__, 40)} as "
                    f"{shorten(places[id(module)], 50)}; make one for each"
                )
            places[id(module)] = path


def take_ownership(part: Module) -> None:
    """Mark a part, and the modules inside it, as belonging to a model."""
    for _, module in modules_in(part, ""):
        module.owned = True


def modules_in(part: Module, name: str) -> Iterator[tuple[str, Module]]:
    """Yield a part and the modules inside it, each with its full name; a child named "" has its parent's name."""
    yield name, part
    for child, module in part.children().items():
        yield from modules_in(module, f"{name}.{child}" if child else name)


def input_dim_of(custom: Mapping[str, Any], latent_dim: int, likelihood: Likelihood | type[Likelihood]) -> int:
    """D: that of the likelihood, of the first layer of a custom encoder, or of a custom decoder; otherwise 784.

    Raises ConfigError if the first layer takes rows of any width.
    """
    if likelihood.input_dim is not None:
        return likelihood.input_dim
    if "encoder" in custom:
        width, first = _width_of_rows(custom["encoder"])
        if width is not None:
            return width
        if "decoder" not in custom:
            raise ConfigError(
                f"encoder begins with {shorten(type(first).__name__, 40)}, which does not say how many numbers a row "
                "has: pass input_dim or, for pictures, image_shape"
            )
    if "decoder" in custom:
        return prod(_output_shape("decoder", custom["decoder"], (latent_dim,))) // likelihood.outputs_per_dimension
    return 784


def _width_of_rows(layer: Module) -> tuple[int | None, Module]:
    """The width of the rows that a layer takes, None if it cannot be told, and the layer that decides it."""
    if isinstance(layer, Linear | ConditionalLinear):
        return layer.inputs, layer
    if type(layer) is Reshape:
        return prod(layer.shape), layer
    if isinstance(layer, Residual):
        return _width_of_rows(layer.layer)
    decides: Module = layer
    for inner in layer.layers if isinstance(layer, Sequential) else ():
        width, decides = _width_of_rows(inner)
        if width is not None or not isinstance(inner, ElementwiseLayer | LayerNorm | Flatten):
            return width, decides
    return None, decides


def check_activation(activation: Any) -> Layer:
    """A copy, not bound, of the activation that is given as a layer or its class. Raises ConfigError."""
    if isinstance(activation, type):
        try:
            inspect.signature(activation).bind()
        except TypeError as error:
            raise ConfigError(
                f"activation={short_repr(activation)} needs arguments ({shorten(error, 60)}): pass an instance, such "
                "as ELU(0.5)"
            ) from None
    layer = check_part("activation", activation() if isinstance(activation, type) else activation)
    return type(layer).from_config(layer.config())  # type: ignore[return-value]


def complete(network: Any, input_shape: Shape, outputs: int, init: str | None) -> Any:
    """A custom network with a `Linear` layer to so many outputs after its last layer, unless that has the width.

    A linear layer or a convolution, or another layer that has parameters and changes the width, is meant to be the
    last: it is left to `check_shapes`.
    """
    if type(network) not in (Sequential, ConditionalSequential) or not network.layers:
        return network
    last, before = network, input_shape
    try:
        while isinstance(last, Sequential) and last.layers:
            for layer in last.layers[:-1]:
                before = output_shape_of(layer, before)
            last = last.layers[-1]
        width = prod(output_shape_of(last, before))
    except ScratchVAEError:
        return network
    own = any(module.own_parameters() for _, module in modules_in(last, ""))
    if width == outputs or isinstance(last, WITH_WIDTH) or (own and width != prod(before)):
        return network
    return type(network)(*network.layers, Linear(width, outputs, init or Layer.initializer))


def describe(part: Any) -> Any:
    """Describe a part by JSON values: the name of its class and its `config()`. Raises ConfigError.

    A custom class is marked by "own": True, so that it is not confused with a library class of the same name.
    """
    if isinstance(part, Module):
        kind = plain_class(part)
        mark = {} if _library_class(kind.__name__) is kind else {"own": True}
        arguments = part.config()
        if not isinstance(arguments, Mapping):
            raise ConfigError(
                f"{shorten(kind.__name__, 40)}.config() returned {short_repr(arguments)}; expected a dict of the "
                "arguments of __init__ by name"
            )
        config = {name: describe(value) for name, value in arguments.items()}
        return {"class": kind.__name__, **mark, "config": config}
    if isinstance(part, tuple | list):
        return [describe(item) for item in part]
    if isinstance(part, np.generic):
        part = part.item()
    if part is None or isinstance(part, bool | int | float | str):
        return part
    raise ConfigError(
        f"{short_repr(part)} cannot be written to a file; config() may return only numbers, strings, lists and modules"
    )


def custom_class_names(description: Any) -> Iterator[str]:
    """Yield the names of the custom classes in a description made by `describe`."""
    if isinstance(description, dict):
        if description.get("own") and isinstance(description.get("class"), str):
            yield description["class"]
        for value in description.values():
            yield from custom_class_names(value)
    elif isinstance(description, list):
        for value in description:
            yield from custom_class_names(value)


def rebuild(description: Any, classes: Classes) -> Any:
    """The part that `describe` described; `classes` are the custom classes by name. Raises ConfigError."""
    if isinstance(description, list):
        return tuple(rebuild(item, classes) for item in description)
    if not isinstance(description, dict):
        return description
    name = description["class"]
    kind = classes.get(name) if description.get("own") else _library_class(name)
    if kind is None:
        raise ConfigError(
            f"{short_repr(name)} is not a class of scratchvae: pass the class when loading, as in "
            f"load(path, classes=[{name!s:.40}])"
        )
    return kind.from_config({name: rebuild(value, classes) for name, value in description["config"].items()})


def _library_class(name: str) -> Any:
    packages = (layers, probability, flows, objectives)
    return next((vars(package)[name] for package in packages if name in package.__all__), None)


def custom_classes(parts: Mapping[str, Module]) -> dict[str, type]:
    """The custom classes in the parts, by name. Raises ConfigError if two of them have the same name."""
    found: dict[str, type] = {}
    for name, part in parts.items():
        for path, module in modules_in(part, name):
            kind = plain_class(module)
            if _library_class(kind.__name__) is not kind and found.setdefault(kind.__name__, kind) is not kind:
                raise ConfigError(
                    f"{shorten(path, 40)} is of a class {shorten(kind.__name__, 40)}, and another part is of a "
                    "different class of that name; rename one, because a file refers to classes by name"
                )
    return found


def outputs_of(parts: Mapping[str, Any], input_dim: int, latent_dim: int) -> dict[str, int]:
    """The number of outputs that the encoder and the decoder must have."""
    posterior = parts.get("posterior")
    return {
        "encoder": latent_dim if posterior is None else posterior.outputs(latent_dim),
        "decoder": parts["likelihood"].outputs(input_dim),
    }


def check_shapes(parts: Mapping[str, Any], row_shape: Shape, latent_dim: int) -> None:
    """Raises ConfigError if the output width of a part is not the input width of the next part."""
    outputs, posterior = outputs_of(parts, prod(row_shape), latent_dim), parts.get("posterior")
    reader = "the code has" if posterior is None else f"{shorten(type(posterior).__name__)} needs"
    reason = f"the width that {reader} for latent_dim={latent_dim}"
    shape = _output_shape("encoder", parts["encoder"], row_shape)
    _check_width("encoder", shape, outputs["encoder"], reason, f"add Linear({prod(shape)}, {outputs['encoder']})")
    shape = _output_shape("decoder", parts["decoder"], (latent_dim,))
    likelihood = parts["likelihood"]
    reason = f"the width that {shorten(type(likelihood).__name__)} needs"
    advice = _decoder_advice(shape, row_shape, likelihood.outputs_per_dimension)
    _check_width("decoder", shape, outputs["decoder"], reason, advice)
    if len(row_shape) == 3 and len(shape) in (2, 3) and (*shape, 1)[:3] != row_shape:
        raise ConfigError(
            f"decoder ends with pictures of shape {shape}; expected {row_shape}, the image_shape: {advice}"
        )


def _decoder_advice(shape: Shape, row_shape: Shape, groups: int) -> str:
    """The advice for a decoder that ends with pictures of another shape; `groups` are the outputs per number."""
    if len(row_shape) != 3:
        return f"add Linear({prod(shape)}, {groups * prod(row_shape)})"
    goal = (*row_shape[:2], groups * row_shape[2])  # before the channels are split
    picture, split = (*shape, 1)[:3], f"add SplitChannels({groups})"
    if picture == goal:
        return split
    if picture[:2] != goal[:2]:
        return f"choose its Reshape, kernel_size, padding or output_padding to reach {goal}"
    channels = f"give its last layer {goal[2]} channel{'s' if goal[2] > 1 else ''}"
    return channels if groups == 1 else f"{channels}, then {split}"


def _output_shape(name: str, part: Layer, input_shape: Shape) -> Shape:
    try:
        return output_shape_of(part, input_shape)
    except ShapeError as error:
        raise ConfigError(error_at(name, error)) from None


def _check_width(name: str, shape: Shape, outputs: int, reason: str, last: str) -> None:
    """Raises ConfigError for another number of outputs; `last` is the advice for pictures."""
    if prod(shape) != outputs:
        pictures = f", pictures of shape {shape}" if len(shape) == 3 else ""
        last = last if pictures else f"give its last layer {outputs} outputs"
        raise ConfigError(f"{name} has {prod(shape)} outputs{pictures}; expected {outputs}, {reason}: {last}")
