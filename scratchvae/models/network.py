"""Networks built from a list of widths."""

from __future__ import annotations

from itertools import pairwise

from scratchvae.layers import (
    GELU,
    ConditionalLinear,
    ConditionalSequential,
    Layer,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)

ACTIVATIONS: dict[str, type[Layer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
    "silu": SiLU,
    "gelu": GELU,
}


def mlp(widths: tuple[int, ...], activation: str, init: str | None = None) -> Sequential:
    """Linear maps from width to width, an activation between each two and none at the end.

    Hidden weights begin as the activation asks for, or all weights as `init` says.
    """
    between = ACTIVATIONS[activation]
    layers: list[Layer] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [Linear(inputs, outputs, between.initializer if init is None else init), between()]
    layers.append(Linear(widths[-2], widths[-1], Layer.initializer if init is None else init))
    return Sequential(*layers)


def conditional_mlp(
    widths: tuple[int, ...], classes: int, activation: str, init: str | None = None
) -> ConditionalSequential:
    """The same, with the one-hot columns of a class beside the input; see `ConditionalLinear`."""
    first, *others = mlp(widths, activation, init).layers
    assert isinstance(first, Linear)
    return ConditionalSequential(ConditionalLinear(first.inputs, classes, first.outputs, first.init), *others)
