"""A network that is given 0 for what is missing."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.missing import nan_to_zero, observed_mask
from scratchvae.layers.layer import Layer, check_layer
from scratchvae.memory import BatchBuffers, Module, Shape


class NaNToZero(Layer):
    """A layer that is given 0 for what is missing, y = f(x̃), x̃ = x where x is a number and 0 where it is NaN.

    shapes   x (B, I)   y as that of the layer f, `inner`, whose parameters these are
    keeps    x, borrowed until backward returns
    writes   y | what `inner` writes, dx

    Mattei and Frellsen 2019, sec. 3.
    """

    def __init__(self, inner: Layer) -> None:
        self.inner = check_layer("inner", inner)

    def children(self) -> dict[str, Module]:
        """`inner`, whose parameters keep their names."""
        return {"": self.inner}

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of `inner`."""
        return self.inner.output_shape(input_shape)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for x̃ and dx, and whatever `inner` needs."""
        self._filled, self._dx = buffers.matrix(self.input_width), buffers.matrix(self.input_width)
        self.inner.bind(buffers, self.input_shape)

    def forward(self, x: Array) -> Array:
        """y from x (B, I)."""
        rows = self.check_inputs(x=x)
        self.x = x
        return self.inner.forward(nan_to_zero(self.xp, x, out=self._filled[:rows], scratch=self._dx[:rows]))

    # ∂x̃/∂x = 1 where x is there, 0 where it is not
    #   →  dx = [x = x] dx̃
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy; sets the gradients of the parameters."""
        rows = self.check_gradients(dy=dy)
        dx = observed_mask(self.xp, self.x, out=self._dx[:rows])
        dx *= self.inner.backward(dy)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """The gradients of the parameters alone."""
        self.inner.backward_parameters(dy)
