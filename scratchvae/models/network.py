"""Multilayer perceptrons built from a list of widths."""

from __future__ import annotations

from itertools import pairwise

from scratchvae.layers import (
    ELU,
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
    "elu": ELU,
}


def mlp(widths: tuple[int, ...], activation: str, init: str | None = None) -> Sequential:
    """An MLP: linear layers between the given widths, an activation after each one except the last.

    `init` is the initializer of all weights. None: the activation's own for hidden layers, the default of `Layer` for
    the last one.
    """
    activation_class = ACTIVATIONS[activation]
    layers: list[Layer] = []
    for inputs, outputs in pairwise(widths[:-1]):
        initializer = activation_class.initializer if init is None else init
        layers += [Linear(inputs, outputs, initializer), activation_class()]
    layers.append(Linear(widths[-2], widths[-1], Layer.initializer if init is None else init))
    return Sequential(*layers)


def conditional_mlp(
    widths: tuple[int, ...], classes: int, activation: str, init: str | None = None
) -> ConditionalSequential:
    """An `mlp` that reads a one-hot class in addition to its input; see `ConditionalLinear`."""
    first, *others = mlp(widths, activation, init).layers
    assert isinstance(first, Linear)
    return ConditionalSequential(ConditionalLinear(first.inputs, classes, first.outputs, first.init), *others)
