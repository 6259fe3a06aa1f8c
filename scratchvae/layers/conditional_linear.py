"""The affine map of a row with its class."""

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


class ConditionalLinear(Layer):
    """Affine map of a row x and the one-hot code c of its class, y = [x, c] [W; V] = x W + c V.

    shapes   x (B, I)   targets c (B, K)   W (I, O)   V (K, O)   y (B, O)
    saves    x and c, by reference
    writes   y | dW, dV, dx

    Without c, every row is combined with every class: y (K·B, O) has the B rows with class 0 first, then the same rows
    with class 1, and so on; x W is computed once.

    Each row of V is the bias of a class, so there is no other bias. The matrix [W; V] is initialized by `init` with
    `seed` (None: a random seed). Outside a model, the parameters are initialized at the first forward.
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
        width = short_repr(prod(input_shape))
        if prod(input_shape) != self.inputs:
            more = f"{self.classes}, {self.outputs}"
            raise ShapeError(
                f"ConditionalLinear({self.inputs}, {more}) was given rows of width {width}; expected {self.inputs}: "
                f"make it ConditionalLinear({width}, {more}), or change what comes before it"
            )
        return (self.outputs,)

    def parameter_shapes(self) -> Shapes:
        """W (I, O) and V (K, O)."""
        return {"W": (self.inputs, self.outputs), "V": (self.classes, self.outputs)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """W and V, initialized together as the matrix [W; V]."""
        rows = self.inputs + self.classes
        stacked = INITIALIZERS[self.init](rng, (rows, self.outputs), rows, self.outputs)
        return {"W": stacked[: self.inputs], "V": stacked[self.inputs :]}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y, one of its two terms, and dx."""
        self._y = buffers.matrix(self.outputs)
        self._term = buffers.matrix(self.outputs)
        self._dx = buffers.matrix(self.inputs)

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and targets (B, K); without targets (K·B, O), class after class."""
        rows = self.check_inputs(x=x)
        self.x, self.c = x, targets
        if targets is None:
            return self._forward_every_class(x, rows)
        self.check_width(self.classes, targets=targets)
        y, cV = self._y[:rows], self._term[:rows]
        self.xp.matmul(x, self.W, out=y)
        self.xp.matmul(targets, self.V, out=cV)
        y += cV
        return y

    def _forward_every_class(self, x: Array, rows: int) -> Array:
        self._rows = self.classes * rows  # of y and dy
        assert self._buffers is not None
        if self._rows > self._buffers.rows:
            self.bind(self._buffers.resized(self._rows), self.input_shape)
        y, xW = self._y[: self._rows], self._term[:rows]
        self.xp.matmul(x, self.W, out=xW)
        by_class = self._by_class(y)
        by_class[...] = xW[None]
        by_class += self.V[:, None]
        return y

    # y_no = Σ_i x_ni W_io + Σ_k c_nk V_ko, hence
    #   ∂L/∂W_io = Σ_n x_ni dy_no   →  dW = xᵀ dy
    #   ∂L/∂V_ko = Σ_n c_nk dy_no   →  dV = cᵀ dy
    #   ∂L/∂x_ni = Σ_o dy_no W_io   →  dx = dy Wᵀ
    # With every class, y_kno = Σ_i x_ni W_io + V_ko: the gradient of x W is s_no = Σ_k dy_kno, and that of V_ko is
    # Σ_n dy_kno
    #   →  dV = Σ_n dy_k,  dW = xᵀ s,  dx = s Wᵀ
    def backward(self, dy: Array) -> Array:
        """dW, dV and dx (B, I) from dy, of the shape of y."""
        s = self._write_parameter_gradients(dy)
        dx = self._dx[: len(s)]
        self.xp.matmul(s, self.W.T, out=dx)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """dW and dV only."""
        self._write_parameter_gradients(dy)

    def _write_parameter_gradients(self, dy: Array) -> Array:
        """Write dW and dV, and return s, the gradient of x W."""
        self.check_gradients(dy=dy)
        if self.c is None:
            s = self._term[: len(self.x)]
            by_class = self._by_class(dy)
            self.xp.sum(by_class, axis=1, out=self.dV)
            self.xp.sum(by_class, axis=0, out=s)
        else:
            s = dy
            self.xp.matmul(self.c.T, dy, out=self.dV)
        self.xp.matmul(self.x.T, s, out=self.dW)
        return s

    def _by_class(self, rows: Array) -> Array:
        """Return (K·B, O) as (K, B, O)."""
        return rows.reshape(self.classes, len(rows) // self.classes, self.outputs)
