"""A layer on rows with missing values."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.missing import nan_to_zero, observed_mask
from scratchvae.layers.layer import Layer, check_layer
from scratchvae.memory import BatchBuffers, Module, Shape
from scratchvae.validation import shorten


class NaNToZero(Layer):
    """The layer f with missing values replaced by 0: y = f(x̃), x̃ = x where x is a number and 0 where it is NaN.

    shapes   x (B, I)   y as of the layer f, `inner`, whose parameters are those of this layer
    saves    x, by reference
    writes   y | the gradients of `inner`, dx

    Mattei and Frellsen 2019, sec. 3.
    """

    def __init__(self, inner: Layer) -> None:
        self.inner = check_layer("inner", inner)

    def children(self) -> dict[str, Module]:
        """`inner`, without a prefix for the names of its parameters."""
        return {"": self.inner}

    def output_shape(self, input_shape: Shape) -> Shape:
        """The output shape of `inner`."""
        return self.inner.output_shape(input_shape)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate x̃ and dx, and bind `inner`."""
        self._x_filled, self._dx = buffers.matrix(self.input_width), buffers.matrix(self.input_width)
        self.inner.bind(buffers, self.input_shape)
        self.name_sources(dx=f"inner ({shorten(type(self.inner).__name__, 30)})")

    def forward(self, x: Array) -> Array:
        """y from x (B, I)."""
        rows = self.check_inputs(x=x)
        self.x = x
        return self.inner.forward(nan_to_zero(self.xp, x, out=self._x_filled[:rows], scratch=self._dx[:rows]))

    # ∂x̃/∂x = 1 where x is observed, 0 where it is missing
    #   →  dx = [x = x] dx̃
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy; writes the gradients of the parameters."""
        rows = self.check_gradients(dy=dy)
        dx, dx_filled = self._dx[:rows], self.inner.backward(dy)
        self.check_width(self.input_width, dx=dx_filled)
        observed_mask(self.xp, self.x, out=dx)
        dx *= dx_filled
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """The gradients of the parameters only."""
        self.inner.backward_parameters(dy)
