"""The affine map."""

from __future__ import annotations

from math import prod

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.layers.initializers import INITIALIZERS, check_initializer
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.memory.flat import Shapes
from scratchvae.validation import MAX_WIDTH, check_int, check_seed, short_repr


class Linear(Layer):
    """Affine map, y = x W + b.

    shapes   x (B, I)   W (I, O)   b (O,)   y (B, O)
    saves    x, by reference
    writes   y | dW, db, dx

    W is initialized by `init` with `seed` (None: a random seed), b to 0. Outside a model, the parameters are
    initialized at the first forward.
    """

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(self, inputs: int, outputs: int, init: str = "glorot_uniform", seed: int | None = None) -> None:
        self.inputs = check_int("inputs", inputs, maximum=MAX_WIDTH)
        self.outputs = check_int("outputs", outputs, maximum=MAX_WIDTH)
        self.init = check_initializer(init)
        self.seed = None if seed is None else check_seed(seed)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (O,). Raises ShapeError unless a row of the input has I numbers, in any shape."""
        width = short_repr(prod(input_shape))
        if prod(input_shape) != self.inputs:
            raise ShapeError(
                f"Linear({self.inputs}, {self.outputs}) was given rows of width {width}; expected {self.inputs}: make "
                f"it Linear({width}, {self.outputs}), or change what comes before it"
            )
        return (self.outputs,)

    def parameter_shapes(self) -> Shapes:
        """W (I, O) and b (O,)."""
        return {"W": (self.inputs, self.outputs), "b": (self.outputs,)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """W by `init`, and b = 0."""
        W = INITIALIZERS[self.init](rng, (self.inputs, self.outputs), self.inputs, self.outputs)
        return {"W": W, "b": np.zeros(self.outputs)}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y and dx."""
        self._y = buffers.matrix(self.outputs)
        self._dx = buffers.matrix(self.inputs)
        self._ones = buffers.vector(buffers.rows, 1.0)

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        y = self.matmul(x)
        y += self.b
        return y

    def matmul(self, x: Array) -> Array:
        """x W (B, O), without the bias."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        self.xp.matmul(x, self.W, out=y)
        self.x = x
        return y

    # y_no = Σ_i x_ni W_io + b_o, hence
    #   ∂L/∂W_io = Σ_n x_ni dy_no   →  dW = xᵀ dy
    #   ∂L/∂b_o  = Σ_n dy_no        →  db = 1ᵀ dy
    #   ∂L/∂x_ni = Σ_o dy_no W_io   →  dx = dy Wᵀ
    def backward(self, dy: Array) -> Array:
        """dW, db and dx (B, I) from dy (B, O)."""
        self.backward_parameters(dy)
        dx = self._dx[: len(dy)]
        self.xp.matmul(dy, self.W.T, out=dx)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """dW and db only."""
        rows = self.check_gradients(dy=dy)
        self.xp.matmul(self.x.T, dy, out=self.dW)
        self.xp.matmul(self._ones[:rows], dy, out=self.db)
