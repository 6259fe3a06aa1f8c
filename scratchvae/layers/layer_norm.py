"""Layer normalization."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.layers.layer import Layer
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.memory.flat import Shapes
from scratchvae.validation import MAX_WIDTH, check_int, check_positive, shorten


class LayerNorm(Layer):
    """Layer normalization, y = g x̂ + b with x̂ = (x − m) / √(v + ε), m and v being the mean and variance of x.

    shapes   x, y (B, N·D)   g `gain`, b `bias` (D,)
    saves    x̂ and √(v + ε)
    writes   y | dgain, dbias, dx

    m and v are over each D consecutive numbers, D = `size`: over a row of D, or over the D channels of each pixel of a
    picture (H, W, D). Rows do not depend on each other. ε = `eps` keeps constant numbers from being divided by 0. The
    gain is initialized to 1 and the bias to 0. Ba, Kiros and Hinton 2016, eq. 3 and 4.
    """

    gain: Array
    bias: Array
    dgain: Array
    dbias: Array

    def __init__(self, size: int, eps: float = 1e-5) -> None:
        self.size = check_int("size", size, maximum=MAX_WIDTH)
        self.eps = check_positive("eps", eps)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input. Raises ShapeError unless its last axis has D numbers."""
        if not input_shape or input_shape[-1] != self.size:
            raise ShapeError(
                f"LayerNorm({self.size}) was given rows of shape {shorten(tuple(input_shape))}; expected {self.size} "
                "numbers in the last axis: the width of a row, or the channels of a picture"
            )
        return input_shape

    def parameter_shapes(self) -> Shapes:
        """The gain and the bias, (D,) each."""
        return {"gain": (self.size,), "bias": (self.size,)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """gain = 1, bias = 0."""
        return {"gain": np.ones(self.size), "bias": np.zeros(self.size)}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate x̂, √(v + ε), y, dx and a scratch array."""
        self._x_hat, self._y, self._dx, self._scratch = (buffers.matrix(self.input_width) for _ in range(4))
        groups = buffers.resized(buffers.rows * self.input_width // self.size)
        self._std, self._mean = groups.matrix(1), groups.matrix(1)

    def forward(self, x: Array) -> Array:
        """y (B, N·D) from x (B, N·D)."""
        rows = self.check_inputs(x=x)
        groups, x_hat, y = (self._groups(array) for array in (x, self._x_hat[:rows], self._y[:rows]))
        mean, std = self._mean[: len(groups)], self._std[: len(groups)]
        self._average(groups, out=mean)
        self.xp.subtract(groups, mean, out=x_hat)
        self.xp.multiply(x_hat, x_hat, out=y)
        self._average(y, out=std)
        std += self.eps
        self.xp.sqrt(std, out=std)
        x_hat /= std
        self.xp.multiply(x_hat, self.gain, out=y)
        y += self.bias
        return self._y[:rows]

    # y_i = g_i x̂_i + b_i, x̂_i = (x_i − m) / s with s = √(v + ε), hence
    #   ∂L/∂g_i  →  dg = Σ dy x̂,   ∂L/∂b_i  →  db = Σ dy,   over all groups of D numbers
    #   ∂L/∂x̂_i  →  dx̂ = g dy
    # m = Σ_j x_j / D and v = Σ_j (x_j − m)² / D have the derivatives 1/D and 2 (x_i − m) / D by x_i, and s′ = v′ / 2s:
    #   ∂x̂_j/∂x_i = ([i = j] − 1/D − x̂_i x̂_j / D) / s
    #   →  dx = (dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)) / s
    def backward(self, dy: Array) -> Array:
        """dgain, dbias and dx (B, N·D) from dy (B, N·D)."""
        rows = self.check_gradients(dy=dy)
        arrays = dy, self._x_hat[:rows], self._dx[:rows], self._scratch[:rows]
        groups, x_hat, dx, product = (self._groups(array) for array in arrays)
        mean, std = self._mean[: len(groups)], self._std[: len(groups)]
        self.xp.multiply(groups, x_hat, out=product)
        self.xp.sum(product, axis=0, out=self.dgain)
        self.xp.sum(groups, axis=0, out=self.dbias)
        self.xp.multiply(groups, self.gain, out=dx)
        self.xp.multiply(dx, x_hat, out=product)
        self._average(product, out=mean)
        self.xp.multiply(x_hat, mean, out=product)
        self._average(dx, out=mean)
        dx -= mean
        dx -= product
        dx /= std
        return self._dx[:rows]

    def _groups(self, x: Array) -> Array:
        return x.reshape(-1, self.size)

    def _average(self, x: Array, out: Array) -> None:
        self.xp.sum(x, axis=1, keepdims=True, out=out)
        out /= self.size
