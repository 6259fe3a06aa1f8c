"""The interface of a layer."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Module, Shape, check_methods, required
from scratchvae.validation import check_type


class Layer(Module):
    """A map of rows, y = f(x), that can carry a gradient back.

    The output of `forward` is valid until the next `forward`. The output of `backward` belongs to the caller, who may
    write into it, until the next `forward` or `backward`. `backward` overwrites the gradients of the parameters
    (`out=self.dW`); nothing is ever summed up in them.

        class Square(Layer):
            def output_shape(self, input_shape):
                return input_shape

            def forward(self, x):
                self.x = x
                return x * x

            def backward(self, dy):
                return 2.0 * self.x * dy

    Neither x nor dy is to be written into. A layer with parameters names them in `parameter_shapes`, has them as
    attributes, and writes their gradients in place; arguments of `__init__` are kept under their own names, so that the
    layer can be saved. `initial_values` says where parameters begin (matrices are drawn, vectors are 0, without it):

        class Scale(Layer):
            def __init__(self, size):
                self.size = size

            def parameter_shapes(self):
                return {"gain": (self.size,)}

            def initial_values(self, rng):
                return {"gain": np.ones(self.size)}

            def output_shape(self, input_shape):
                return input_shape

            def forward(self, x):
                self.x = x
                return x * self.gain

            def backward(self, dy):
                self.xp.sum(self.x * dy, axis=0, out=self.dgain)
                return dy * self.gain

    `self.xp` is the module to compute with, NumPy or CuPy. `scratchvae.memory.Module`, the base of all parts, says what
    else there is.
    """

    initializer = "glorot_uniform"  # of the weights of a Linear that this layer follows

    @required
    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        raise NotImplementedError

    @required
    def backward(self, dy: Array) -> Array:
        """dx from dy, the gradient with respect to the last forward's output; sets the parameters' gradients too."""
        raise NotImplementedError

    def backward_parameters(self, dy: Array) -> None:
        """The parameter gradients of `backward` alone, for the first layer, whose dx nobody needs."""
        self.backward(dy)


def check_layer(name: str, layer: Any) -> Layer:
    """`layer`, if it is one; raises ConfigError otherwise."""
    check_type(name, layer, Layer, "a layer, such as Linear(64, 2) or ReLU()")
    check_methods(name, layer)
    return layer  # type: ignore[no-any-return]


class Elementwise(Layer):
    """A layer that treats every number alike, and so is as wide as what it is given."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of the input."""
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for y and for dx."""
        self._y = buffers.matrix(self.input_width)
        self._dx = buffers.matrix(self.input_width)
