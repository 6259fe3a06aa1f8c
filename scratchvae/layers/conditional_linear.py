"""The affine map of a row and its class."""

from __future__ import annotations

from math import prod

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.layers.initializers import INITIALIZERS, check_initializer
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.memory.flat import Shapes
from scratchvae.validation import MAX_WIDTH, check_int, check_seed


class ConditionalLinear(Layer):
    """Affine map of a row x with the one-hot columns c of its class beside it, y = [x, c] [W; V] = x W + c V.

    shapes   x (B, I)   targets c (B, K)   W (I, O)   V (K, O)   y (B, O)
    keeps    x and c, both borrowed until backward returns
    writes   y | dW, dV, dx

    Without c, each row meets each class: y (K·B, O) holds the B rows with class 0, then the same rows with class 1, and
    so on, and x W is computed once for all of them.

    A row of V is the bias of its class, so there is no other. [W; V] begins as `init` draws it from `seed` (None:
    another one each time). A layer that no model bound makes them at its first forward.
    """

    W: Array
    V: Array
    dW: Array
    dV: Array

    def __init__(
        self, inputs: int, classes: int, outputs: int, init: str = "glorot_uniform", seed: int | None = None
    ) -> None:
        self.inputs = check_int("inputs", inputs, maximum=MAX_WIDTH)
        self.classes = check_int("classes", classes)
        self.outputs = check_int("outputs", outputs, maximum=MAX_WIDTH)
        self.init = check_initializer(init)
        self.seed = None if seed is None else check_seed(seed)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(O,), from (I,) or any shape of I numbers. Raises ShapeError."""
        if prod(input_shape) != self.inputs:
            sizes = f"{self.inputs}, {self.classes}, {self.outputs}"
            raise ShapeError(
                f"ConditionalLinear({sizes}) was given rows of width {prod(input_shape)}; expected {self.inputs}"
            )
        return (self.outputs,)

    def parameter_shapes(self) -> Shapes:
        """W (I, O) and V (K, O)."""
        return {"W": (self.inputs, self.outputs), "V": (self.classes, self.outputs)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """W and V, drawn together as the one matrix that they are."""
        both = INITIALIZERS[self.init](rng, (self.inputs + self.classes, self.outputs))
        return {"W": both[: self.inputs], "V": both[self.inputs :]}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for y, for x W or c V, and for dx."""
        self._y = buffers.matrix(self.outputs)
        self._part = buffers.matrix(self.outputs)
        self._dx = buffers.matrix(self.inputs)

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and targets (B, K); (K·B, O), class after class, where those are None."""
        rows = self.check_inputs(x=x)
        self.x, self.c = x, targets
        if targets is None:
            return self._forward_each(x, rows)
        self.check_width(self.classes, targets=targets)
        y, part = self._y[:rows], self._part[:rows]
        self.xp.matmul(x, self.W, out=y)
        self.xp.matmul(targets, self.V, out=part)
        y += part
        return y

    def _forward_each(self, x: Array, rows: int) -> Array:
        self._rows = self.classes * rows  # of y, and so of the gradient that will come in
        assert self._buffers is not None
        if self._rows > self._buffers.rows:
            self.bind(self._buffers.resized(self._rows), self.input_shape)
        y, part = self._y[: self._rows], self._part[:rows]
        self.xp.matmul(x, self.W, out=part)
        by_class = self._by_class(y)
        by_class[...] = part[None]
        by_class += self.V[:, None]
        return y

    # y_no = Σ_i x_ni W_io + Σ_k c_nk V_ko, hence
    #   ∂L/∂W_io = Σ_n x_ni dy_no   →  dW = xᵀ dy
    #   ∂L/∂V_ko = Σ_n c_nk dy_no   →  dV = cᵀ dy
    #   ∂L/∂x_ni = Σ_o dy_no W_io   →  dx = dy Wᵀ
    # With each class, y_kno = Σ_i x_ni W_io + V_ko: the gradient of x W is s_no = Σ_k dy_kno, and that of V_ko is
    # Σ_n dy_kno
    #   →  dV = Σ_n dy_k,  dW = xᵀ s,  dx = s Wᵀ
    def backward(self, dy: Array) -> Array:
        """dW, dV and dx (B, I) from dy, shaped as y."""
        s = self._to_parameters(dy)
        dx = self._dx[: len(s)]
        self.xp.matmul(s, self.W.T, out=dx)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """dW and dV alone."""
        self._to_parameters(dy)

    def _to_parameters(self, dy: Array) -> Array:
        self.check_gradients(dy=dy)
        if self.c is None:
            s = self._part[: len(self.x)]
            by_class = self._by_class(dy)
            self.xp.sum(by_class, axis=1, out=self.dV)
            self.xp.sum(by_class, axis=0, out=s)
        else:
            s = dy
            self.xp.matmul(self.c.T, dy, out=self.dV)
        self.xp.matmul(self.x.T, s, out=self.dW)
        return s

    def _by_class(self, rows: Array) -> Array:
        return rows.reshape(self.classes, len(rows) // self.classes, self.outputs)
