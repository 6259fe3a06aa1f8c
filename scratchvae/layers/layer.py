"""What every layer promises."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.memory import BatchBuffers, Unit
from scratchvae.memory.flat import Shapes


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

    def parameter_shapes(self) -> Shapes:
        """The names and shapes of the parameters."""
        return {}

    def bind_parameters(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Receive views to keep the parameters and their gradients in, named as in `parameter_shapes`."""

    def initialize(self, backend: Backend, rng: np.random.Generator) -> None:
        """Set the parameters to where training begins."""


class Elementwise(Layer):
    """A layer that treats every number alike, and so is as wide as what it is given."""

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for y and for dx."""
        self._y = buffers.matrix(width)
        self._dx = buffers.matrix(width)
        return width
