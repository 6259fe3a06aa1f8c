"""The interface of a layer."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import ScratchVAEError, ShapeError
from scratchvae.memory import BatchBuffers, Module, Shape, check_methods, output_shape_of, required
from scratchvae.validation import check_type


class Layer(Module):
    """A function of rows, y = f(x), with its backward pass.

    The output of `forward` is valid until the next `forward`. The output of `backward` is valid until the next
    `forward` or `backward`, and the caller may write into it. `backward` overwrites the gradients of the parameters
    (`out=self.dW`); it never accumulates.

        class Square(Layer):
            def output_shape(self, input_shape):
                return input_shape

            def forward(self, x):
                self.x = x
                return x * x

            def backward(self, dy):
                return 2.0 * self.x * dy

    Do not write into x or dy. A layer with parameters lists them in `parameter_shapes`, uses them as attributes, and
    writes their gradients in place. Store the arguments of `__init__` under their own names, so that the layer can be
    saved. `initial_values` gives the initial parameters (by default, matrices are random and vectors are 0):

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

    `self.xp` is the array module, NumPy or CuPy. See the base class `scratchvae.memory.Module` for all other methods.
    """

    initializer = "glorot_uniform"  # of the weights of a Linear layer before this one

    @required
    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        raise NotImplementedError

    @required
    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, O), for the last forward; also writes the gradients of the parameters."""
        raise NotImplementedError

    def backward_parameters(self, dy: Array) -> None:
        """The parameter gradients of `backward` only, for the first layer, whose dx is not needed."""
        self.backward(dy)


def check_layer(name: str, layer: Any) -> Layer:
    """Return `layer`. Raises ConfigError unless it is a layer."""
    check_type(name, layer, Layer, "a layer, such as Linear(64, 2) or ReLU()")
    check_methods(name, layer)
    return layer  # type: ignore[no-any-return]


def inner_output_shape(name: str, layer: Layer, input_shape: Shape) -> Shape:
    """The output shape of a layer inside another one. Raises ShapeError with the path to it, as "layers[2]: …"."""
    try:
        return output_shape_of(layer, input_shape)
    except ShapeError as error:
        raise ShapeError(error_at(name, error)) from None


def error_at(name: str, error: ScratchVAEError) -> str:
    """The message of an error in a module of this name, or in a layer inside it, whose path the message begins with."""
    return f"{name}{'.' if error.message.startswith('layer') else ': '}{error.message}"


class ElementwiseLayer(Layer):
    """A layer that applies one function to every element."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y and dx."""
        self._y = buffers.matrix(self.input_width)
        self._dx = buffers.matrix(self.input_width)
