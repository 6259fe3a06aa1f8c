"""Composition of layers."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.layers.conditional_linear import ConditionalLinear
from scratchvae.layers.layer import Layer, check_layer, inner_output_shape
from scratchvae.memory import BatchBuffers, Module, Shape
from scratchvae.validation import short_repr, shorten


class Sequential(Layer):
    """Composition, y = f_K(… f_2(f_1(x))).

    shapes   x (B, I)   y (B, O)
    saves    nothing besides what its layers save
    writes   what its layers write

    The parameters of layer k are named "k.W", "k.b", counting from 0.
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = tuple(check_layer(f"layers[{k}]", layer) for k, layer in enumerate(layers))
        for k, layer in enumerate(self.layers):
            first = self.layers.index(layer)
            if first != k:  # its second forward would overwrite what the first one saved for backward
                name = shorten(type(layer).__name__)
                raise ConfigError(f"layers[{k}] and layers[{first}] are the same {name}; make a new one for each")

    def children(self) -> dict[str, Module]:
        """The layers, keyed by their index."""
        return {str(k): layer for k, layer in enumerate(self.layers)}

    def output_shape(self, input_shape: Shape) -> Shape:
        """The output shape of the last layer. Raises ShapeError."""
        for k, layer in enumerate(self.layers):
            input_shape = inner_output_shape(f"layers[{k}]", layer, input_shape)
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind each layer to the output shape of the one before."""
        shape = self.input_shape
        self._first = next((k for k, layer in enumerate(self.layers) if layer.all_parameter_shapes()), 0)
        names = [f"layers[{k}] ({shorten(type(layer).__name__, 30)})" for k, layer in enumerate(self.layers)]
        for k, layer in enumerate(self.layers):
            shape = layer.bind(buffers, shape)
            layer.name_sources(x=names[k - 1] if k else "", dy=(*names, "")[k + 1])

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.check_inputs(x=x)
        for layer in self.layers:
            x = layer.forward(x)
        return x

    # y = f_K ∘ … ∘ f_1 (x); by the chain rule the dx of each layer is the dy of the layer before it
    #   →  dx = f_1′ᵀ ⋯ f_K′ᵀ dy, multiplied from the right
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, O)."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def backward_parameters(self, dy: Array) -> None:
        """The gradients of all parameters, without the dx of the first layer that has parameters."""
        for layer in reversed(self.layers[self._first + 1 :]):
            dy = layer.backward(dy)
        for layer in self.layers[self._first : self._first + 1]:
            layer.backward_parameters(dy)


class ConditionalSequential(Sequential):
    """A network of rows and their classes: one of its layers is a `ConditionalLinear`, which reads the class.

    shapes   x (B, I)   targets c (B, K)   y (B, O)
    saves    nothing besides what its layers save
    writes   what its layers write
    """

    layers: tuple[Any, ...]

    def __init__(self, *layers: Layer) -> None:
        super().__init__(*layers)
        found = [layer for layer in self.layers if isinstance(layer, ConditionalLinear)]
        if len(found) != 1:
            raise ConfigError(
                f"layers={short_repr(self.layers)}: expected one ConditionalLinear among them, which reads the class"
            )
        self.classes = found[0].classes

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and one-hot targets (B, K); without targets (K·B, O), every row with every class."""
        self.check_inputs(x=x)
        for layer in self.layers:
            x = layer.forward(x, targets) if isinstance(layer, ConditionalLinear) else layer.forward(x)
        return x
