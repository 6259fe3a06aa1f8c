"""What every layer promises."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Unit
from scratchvae.settings import of_kind


class Layer(Unit):
    """A map of rows, y = f(x), that can carry a gradient back.

    What `forward` returns is a loan until the next `forward`. What `backward` returns is handed over: it is the
    caller's to write into until the next `forward` or `backward`. `backward` overwrites the gradients of the
    parameters; nothing is ever summed up in them.
    """

    initializer = "glorot_uniform"  # for the weights of a Linear that this layer follows

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        """dx from dy, the gradient with respect to the last forward's output; sets the parameters' gradients too."""
        raise NotImplementedError

    def backward_parameters(self, dy: Array) -> None:
        """As `backward`, but stop at the parameters if that is less work: the first layer has nobody to hand dx to."""
        self.backward(dy)


def admit_layer(name: str, layer: Any) -> Layer:
    """`layer`, if it is one; raises ConfigError otherwise."""
    return of_kind(name, layer, Layer, "a layer, such as Linear(64, 2) or ReLU()")


class Elementwise(Layer):
    """A layer that treats every number alike, and so is as wide as what it is given."""

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for y and for dx."""
        self._y = buffers.matrix(width)
        self._dx = buffers.matrix(width)
        return width
