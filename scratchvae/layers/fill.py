"""What a network sees of a row that is not all there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.kernels.missing import filled, observed
from scratchvae.layers.layer import Layer, admit_layer
from scratchvae.memory import BatchBuffers
from scratchvae.memory.flat import Shapes


class Fill(Layer):
    """A layer that is given 0 for what is missing, y = f(x̃), x̃ = x where x is a number and 0 where it is NaN.

    shapes   x (B, I)   y as that of the layer f, `of`, whose parameters these are
    keeps    x, borrowed until backward returns
    writes   y | what `of` writes, dx

    Mattei and Frellsen 2019, sec. 3.
    """

    def __init__(self, of: Layer) -> None:
        self.of = admit_layer("of", of)

    def parameter_shapes(self) -> Shapes:
        """Those of `of`."""
        return self.of.parameter_shapes()

    def bind_parameters(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Hand them on to `of`."""
        self.of.bind_parameters(params, grads)

    def initialize(self, backend: Backend, rng: np.random.Generator) -> None:
        """Let `of` begin."""
        self.of.initialize(backend, rng)

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for x̃ and dx, and whatever `of` needs."""
        self._filled, self._dx = buffers.matrix(width), buffers.matrix(width)
        return self.of.bind(buffers, width)

    def forward(self, x: Array) -> Array:
        """y from x (B, I)."""
        rows = self.admit(x=x)
        self.x = x
        return self.of.forward(filled(self.xp, x, out=self._filled[:rows], scratch=self._dx[:rows]))

    # ∂x̃/∂x = 1 where x is there, 0 where it is not
    #   →  dx = [x = x] dx̃
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy; sets the gradients of the parameters."""
        rows = self.admit_gradient(dy=dy)
        dx = observed(self.xp, self.x, out=self._dx[:rows])
        dx *= self.of.backward(dy)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """The gradients of the parameters alone."""
        self.of.backward_parameters(dy)
