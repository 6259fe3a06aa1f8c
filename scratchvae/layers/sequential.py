"""Layers one after another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.errors import ConfigError
from scratchvae.layers.layer import Layer, admit_layer
from scratchvae.memory import BatchBuffers
from scratchvae.memory.flat import Shapes, under


class Sequential(Layer):
    """Composition, y = f_K(… f_2(f_1(x))).

    shapes   x (B, I)   y (B, O)
    keeps    nothing itself
    writes   what its layers write

    The parameters of layer k are named "k.W", "k.b", counting from 0.
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = tuple(admit_layer(f"layers[{k}]", layer) for k, layer in enumerate(layers))
        for k, layer in enumerate(self.layers):
            first = self.layers.index(layer)
            if first != k:  # its backward would find the second forward's numbers in the first one's place
                raise ConfigError(
                    f"layers[{k}] is layers[{first}] again, a {type(layer).__name__}; make one of its own"
                )

    def parameter_shapes(self) -> Shapes:
        """Those of every layer, under its number."""
        return {
            f"{k}.{name}": shape
            for k, layer in enumerate(self.layers)
            for name, shape in layer.parameter_shapes().items()
        }

    def bind_parameters(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Hand each layer its own."""
        for k, layer in enumerate(self.layers):
            layer.bind_parameters(under(params, str(k)), under(grads, str(k)))

    def initialize(self, backend: Backend, rng: np.random.Generator) -> None:
        """Set every layer's parameters, first to last."""
        for layer in self.layers:
            layer.initialize(backend, rng)

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Bind each layer to the width that the one before puts out."""
        for layer in self.layers:
            width = layer.bind(buffers, width)
        return width

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.admit(x=x)
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
