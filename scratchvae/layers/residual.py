"""A layer beside the identity."""

from __future__ import annotations

from math import prod

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.layers.layer import Layer, check_layer, inner_output_shape
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.validation import shorten


class Residual(Layer):
    """A layer beside the identity, y = x + f(x). He, Zhang, Ren and Sun 2016, eq. 1.

    shapes   x, y (B, I)
    saves    nothing besides what f, `layer`, saves
    writes   y, and what f writes | dx, and what f writes

    The parameters of f are named "layer.W", "layer.b", or those of a `Sequential` "layer.0.W".
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = check_layer("layer", layer)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input. Raises ShapeError unless f puts out as many numbers."""
        shape = inner_output_shape("layer", self.layer, input_shape)
        if prod(shape) != prod(input_shape):
            raise ShapeError(
                f"Residual was given rows of shape {shorten(tuple(input_shape))}, of which its "
                f"{shorten(type(self.layer).__name__, 30)} makes {shorten(tuple(shape))}; expected as many numbers, to "
                "be added to them"
            )
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y and dx, and bind f."""
        self._y, self._dx = buffers.matrix(self.input_width), buffers.matrix(self.input_width)
        self.layer.bind(buffers, self.input_shape)
        name = f"layer ({shorten(type(self.layer).__name__, 30)})"
        self.name_sources(y=name, dx=name)

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        rows = self.check_inputs(x=x)
        y, f = self._y[:rows], self.layer.forward(x)
        self.check_width(self.input_width, y=f)
        self.xp.add(x, f, out=y)
        return y

    # x reaches y in two ways, and the gradients add up:  ∂L/∂x = ∂L/∂y + f′ᵀ ∂L/∂y
    #   →  dx = dy + (dx of f)
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I); writes the gradients of the parameters."""
        rows = self.check_gradients(dy=dy)
        dx, df = self._dx[:rows], self.layer.backward(dy)
        self.check_width(self.input_width, dx=df)
        self.xp.add(dy, df, out=dx)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """The gradients of the parameters only."""
        self.layer.backward_parameters(dy)
