"""The affine map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.errors import ShapeError
from scratchvae.layers.initializers import get_initializer
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, FlatVector, require_writable
from scratchvae.memory.flat import Shapes
from scratchvae.settings import WIDEST, seed_of, whole


class Linear(Layer):
    """Affine map, y = x W + b.

    shapes   x (B, I)   W (I, O)   b (O,)   y (B, O)
    keeps    x, borrowed until backward returns
    writes   y | dW, db, dx

    W begins as `init` draws it from `seed` (None: another one each time), b at 0. A layer that no model bound makes
    them at its first forward.
    """

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(self, inputs: int, outputs: int, init: str = "glorot_uniform", seed: int | None = None) -> None:
        self.inputs = whole("inputs", inputs, most=WIDEST)
        self.outputs = whole("outputs", outputs, most=WIDEST)
        self.init = get_initializer(init)
        self.seed = None if seed is None else seed_of(seed)

    def parameter_shapes(self) -> Shapes:
        """W (I, O) and b (O,)."""
        return {"W": (self.inputs, self.outputs), "b": (self.outputs,)}

    def bind_parameters(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Receive W, b and room for dW, db. Raises ReadOnlyError."""
        require_writable(W=params["W"], b=params["b"], dW=grads["W"], db=grads["b"])
        self.W, self.b = params["W"], params["b"]
        self.dW, self.db = grads["W"], grads["b"]

    def initialize(self, backend: Backend, rng: np.random.Generator) -> None:
        """Draw W; set b to 0."""
        backend.copy_from_host(self.W, self.init(rng, self.W.shape).astype(self.W.dtype))
        self.b[...] = 0

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for y and dx, and for the parameters if no model has lent it."""
        if width != self.inputs:
            raise ShapeError(
                f"Linear({self.inputs}, {self.outputs}) was given rows of width {width}; expected {self.inputs}"
            )
        self._y = buffers.matrix(self.outputs)
        self._dx = buffers.matrix(self.inputs)
        self._ones = buffers.vector(buffers.rows, 1.0)
        if not hasattr(self, "W"):
            shapes = self.parameter_shapes()
            params, grads = (FlatVector(buffers.backend.xp, shapes, buffers.dtype) for _ in range(2))
            self.bind_parameters(params.views, grads.views)
            self.initialize(buffers.backend, np.random.default_rng(self.seed))
        return self.outputs

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        y = self.product(x)
        y += self.b
        return y

    def product(self, x: Array) -> Array:
        """x W alone, for whoever adds b."""
        rows = self.admit(x=x)
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
        """dW and db alone."""
        rows = self.admit_gradient(dy=dy)
        self.xp.matmul(self.x.T, dy, out=self.dW)
        self.xp.matmul(self._ones[:rows], dy, out=self.db)
