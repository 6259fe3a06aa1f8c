"""Layers one after another."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.layers.conditional_linear import ConditionalLinear
from scratchvae.layers.layer import Layer, check_layer
from scratchvae.memory import BatchBuffers, Module, Shape
from scratchvae.validation import check_type


class Sequential(Layer):
    """Composition, y = f_K(… f_2(f_1(x))).

    shapes   x (B, I)   y (B, O)
    keeps    nothing itself
    writes   what its layers write

    The parameters of layer k are named "k.W", "k.b", counting from 0.
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = tuple(check_layer(f"layers[{k}]", layer) for k, layer in enumerate(layers))
        for k, layer in enumerate(self.layers):
            first = self.layers.index(layer)
            if first != k:  # its backward would find the second forward's numbers in the first one's place
                raise ConfigError(
                    f"layers[{k}] is layers[{first}] again, a {type(layer).__name__}; make one of its own"
                )

    def config(self) -> dict[str, Any]:
        """The layers."""
        return {"layers": self.layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """Of these layers."""
        return cls(*config["layers"])

    def children(self) -> dict[str, Module]:
        """Every layer, under its number."""
        return {str(k): layer for k, layer in enumerate(self.layers)}

    def output_shape(self, input_shape: Shape) -> Shape:
        """The output shape of the last layer, found layer by layer. Raises ShapeError."""
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind each layer to the shape that the one before puts out."""
        shape = self.input_shape
        for layer in self.layers:
            shape = layer.bind(buffers, shape)

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.check_inputs(x=x)
        for layer in self.layers:
            x = layer.forward(x)
        return x

    # y = f_K ∘ … ∘ f_1 (x); by the chain rule each layer's dx is the dy of the layer before it
    #   →  dx = f_1′ᵀ ⋯ f_K′ᵀ dy, taken from the right
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, O)."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def backward_parameters(self, dy: Array) -> None:
        """Every parameter's gradient, and no dx for the first layer."""
        for layer in reversed(self.layers[1:]):
            dy = layer.backward(dy)
        for layer in self.layers[:1]:
            layer.backward_parameters(dy)


class ConditionalSequential(Sequential):
    """A network that is given a class beside each row: its first layer is a `ConditionalLinear`.

    shapes   x (B, I)   targets c (B, K)   y (B, O)
    keeps    nothing itself
    writes   what its layers write
    """

    layers: tuple[Any, ...]

    def __init__(self, *layers: Layer) -> None:
        super().__init__(*layers)
        check_type("layers[0]", (*layers, None)[0], ConditionalLinear, "a ConditionalLinear, which takes the class")

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and the one-hot rows targets (B, K); None: each row with each class, (K·B, O)."""
        self.check_inputs(x=x)
        first, *others = self.layers
        y: Array = first.forward(x, targets)
        for layer in others:
            y = layer.forward(y)
        return y
