"""The layers of a network in the order in which they compute, as calls of functions.

`numpy_layers` has these functions in Python, and the page of `scratchvae.explorer` has them in JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

from scratchvae.export.parts import check_conditional, layer_class, linear_weights
from scratchvae.layers import (
    ELU,
    GELU,
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Gated,
    LayerNorm,
    LeakyReLU,
    Linear,
    Log1p,
    MaskedLinear,
    NaNToZero,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    SplitChannels,
    Tanh,
    Upsample,
)
from scratchvae.layers.patches import picture_shape
from scratchvae.memory import Shape


class Call(NamedTuple):
    """x becomes function(x, *parameters, **settings).

    parameters   the parameters by their names in the model, such as "encoder.0.W"; that of a MaskedLinear is W ⊙ M
    settings     numbers, and tuples of numbers
    """

    function: str
    parameters: dict[str, Any]
    settings: dict[str, Any]


class Shortcut(NamedTuple):
    """x becomes x + the result of these steps."""

    steps: tuple[Step, ...]


Step = Call | Shortcut


def walk(layer: Any, name: str, shape: Shape, reads_classes: bool = False) -> Iterator[Step]:
    """Yield the steps of a layer of this name, for rows of this shape. Raises ConfigError for layers of other packages.

    reads_classes   True inside a `ConditionalSequential`
    """
    kind = layer_class(layer, name)
    if kind is Sequential or kind is ConditionalSequential:
        for k, child in enumerate(layer.layers):
            yield from walk(child, f"{name}.{k}", shape, kind is ConditionalSequential)
            shape = child.output_shape(shape)
    elif kind is NaNToZero:
        yield Call("nan_to_zero", {}, {})
        yield from walk(layer.inner, name, shape)
    elif kind is Residual:
        yield Shortcut(tuple(walk(layer.layer, f"{name}.layer", shape)))
    elif kind not in (Reshape, Flatten):  # rows are flat in any case
        if kind is ConditionalLinear:
            check_conditional(layer, name, reads_classes)
        function, settings = FUNCTIONS[kind]
        parameters = {f"{name}.{p}": getattr(layer, p) for p in layer.own_parameters()}
        if kind is MaskedLinear:
            parameters[f"{name}.W"] = linear_weights(layer)
        yield Call(function, parameters, settings(layer, shape))


def _conv2d_settings(layer: Any, shape: Shape) -> dict[str, Any]:
    picture = picture_shape("Conv2d", shape, layer.in_channels)
    return {"picture": picture, "stride": layer.stride, "padding": layer.padding}


def _conv_transpose2d_settings(layer: Any, shape: Shape) -> dict[str, Any]:
    places, picture = shape[:2], layer.output_shape(shape)[:2]
    return {"places": places, "picture": picture, "stride": layer.stride, "padding": layer.padding}


# the function of each layer, and its settings
FUNCTIONS: dict[type[Any], tuple[str, Callable[[Any, Shape], dict[str, Any]]]] = {
    Linear: ("linear", lambda layer, shape: {}),
    MaskedLinear: ("linear", lambda layer, shape: {}),
    ConditionalLinear: ("conditional_linear", lambda layer, shape: {}),
    Conv2d: ("conv2d", _conv2d_settings),
    ConvTranspose2d: ("conv_transpose2d", _conv_transpose2d_settings),
    Upsample: ("upsample", lambda layer, shape: {"picture": (*shape, 1)[:3], "scale": layer.scale}),
    SplitChannels: ("split_channels", lambda layer, shape: {"pixels": prod(shape[:2]), "groups": layer.groups}),
    LayerNorm: ("layer_norm", lambda layer, shape: {"eps": layer.eps}),
    Gated: ("gated", lambda layer, shape: {"half": shape[-1] // 2}),
    Log1p: ("log_of_counts", lambda layer, shape: {"columns": layer.columns or ((0, prod(shape)),)}),
    ReLU: ("relu", lambda layer, shape: {}),
    LeakyReLU: ("leaky_relu", lambda layer, shape: {"slope": layer.slope}),
    ELU: ("elu", lambda layer, shape: {"alpha": layer.alpha}),
    GELU: ("gelu", lambda layer, shape: {}),
    Sigmoid: ("sigmoid", lambda layer, shape: {}),
    SiLU: ("silu", lambda layer, shape: {}),
    Softplus: ("softplus", lambda layer, shape: {}),
    Tanh: ("tanh", lambda layer, shape: {}),
}
