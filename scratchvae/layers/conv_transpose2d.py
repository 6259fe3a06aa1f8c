"""The transposed convolution of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.layers.initializers import INITIALIZERS, check_initializer
from scratchvae.layers.layer import Layer
from scratchvae.layers.patches import Patches, check_window, picture_shape
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.memory.flat import Shapes
from scratchvae.validation import MAX_WIDTH, check_int, check_seed, short_repr, shorten


class ConvTranspose2d(Layer):
    """Transposed convolution: x[i, j] adds a multiple of the kernel, y[s i + a − p, s j + b − p] += x[i, j] W[a, b].

    shapes   x (B, P·Q·I)   W (k, k, O, I)   b (O,)   y (B, H·W·O), H = s (P − 1) + k − 2p + r and W likewise
    saves    x, by reference
    writes   y | dW, db, dx

    Without b it is the transpose of `Conv2d` from O to I channels with the same W: ⟨conv y, x⟩ = ⟨y, convᵀ x⟩. With a
    stride s it enlarges a picture about s times. k is `kernel_size`, s `stride`, p `padding`. For s > 1 several heights
    H of y give the same P under that convolution; r, `output_padding` < s, chooses among them. It is one number, or one
    for the height and one for the width.
    Zeiler, Krishnan, Taylor and Fergus 2010; Dumoulin and Visin 2016, sec. 4.

    A row of x is a picture (P, Q, I), channels last, and a row of y a picture (H, W, O). W is initialized by `init`
    with `seed` (None: a random seed), b to 0. torch.nn.ConvTranspose2d has W as (I, O, k, k).
    """

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        output_padding: int | Sequence[int] = 0,
        init: str = "glorot_uniform",
        seed: int | None = None,
    ) -> None:
        self.in_channels = check_int("in_channels", in_channels, maximum=MAX_WIDTH)
        self.out_channels = check_int("out_channels", out_channels, maximum=MAX_WIDTH)
        self.kernel_size, self.stride, self.padding = check_window(kernel_size, stride, padding)
        self.output_padding = _check_output_padding(output_padding, self.stride)
        self.init = check_initializer(init)
        self.seed = None if seed is None else check_seed(seed)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H, W, O) from (P, Q, I), or from (P, Q) if I is 1. Raises ShapeError."""
        name = f"ConvTranspose2d({self.in_channels}, {self.out_channels}, {self.kernel_size})"
        places = picture_shape(name, input_shape, self.in_channels)[:2]
        k, s, p, r = self.kernel_size, self.stride, self.padding, self.output_padding
        more = (r, r) if isinstance(r, int) else r
        height, width = (s * (count - 1) + k - 2 * p + m for count, m in zip(places, more, strict=True))
        if min(height, width) < 1:
            raise ShapeError(
                f"{name} was given pictures of shape {shorten(tuple(input_shape))}, of which a padding of {p} leaves "
                "nothing; choose a smaller padding"
            )
        return (height, width, self.out_channels)

    def parameter_shapes(self) -> Shapes:
        """W (k, k, O, I) and b (O,)."""
        k = self.kernel_size
        return {"W": (k, k, self.out_channels, self.in_channels), "b": (self.out_channels,)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """W by `init`, and b = 0: a number of y is a sum over k²/s² I numbers of x, each of which is in k² O of y."""
        k, s, shape = self.kernel_size, self.stride, self.parameter_shapes()["W"]
        W = INITIALIZERS[self.init](rng, shape, k * k * self.in_channels / s**2, k * k * self.out_channels)
        return {"W": W, "b": np.zeros(self.out_channels)}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y, dx and the windows of a block of pictures."""
        self.patches = self.make_patches(self.output_shape(self.input_shape))
        self.patches.allocate(buffers)
        self._y = buffers.matrix(self._output_row_shape[0])
        self._dx = buffers.matrix(self.input_width)
        self._dW_of_block = buffers.resized(self.kernel_size**2 * self.out_channels).matrix(self.in_channels)
        self._ones = buffers.vector(buffers.rows * (self._output_row_shape[0] // self.out_channels), 1.0)

    def make_patches(self, picture: Shape) -> Patches:
        """The windows of pictures (H, W, O), not allocated; a fused variant has others."""
        return Patches(picture, self.kernel_size, self.stride, self.padding)

    def forward(self, x: Array) -> Array:
        """y (B, H·W·O) from x (B, P·Q·I)."""
        y = self.matmul(x)
        pixels = y.reshape(-1, self.out_channels)
        pixels += self.b
        return y

    def matmul(self, x: Array) -> Array:
        """Aᵀ (x Wᵀ) (B, H·W·O), without the bias."""
        rows = self.check_inputs(x=x)
        y, W = self._y[:rows], self.W.reshape(-1, self.in_channels)
        for block in self.patches.blocks(rows):
            xs = x[block]
            self.xp.matmul(xs.reshape(-1, self.in_channels), W.T, out=self.patches.matrix(len(xs)))
            self.patches.scatter(out=y[block])
        self.x = x
        return y

    # With the windows A of `Patches` in y, y = Aᵀ (x Wᵀ) + b, hence
    #   ∂L/∂(x Wᵀ) = A dy  →  dx = (A dy) W,   dW = (A dy)ᵀ x, a sum over blocks
    #   ∂L/∂b              →  db = 1ᵀ dy
    def backward(self, dy: Array) -> Array:
        """dW, db and dx (B, P·Q·I) from dy (B, H·W·O)."""
        rows = self.check_gradients(dy=dy)
        dx, W = self._dx[:rows], self.W.reshape(-1, self.in_channels)
        dW = self.dW.reshape(-1, self.in_channels)
        dW.fill(0.0)
        for block in self.patches.blocks(rows):
            windows = self.patches.gather(dy[block])
            self.xp.matmul(windows, W, out=dx[block].reshape(-1, self.in_channels))
            self.xp.matmul(windows.T, self.x[block].reshape(-1, self.in_channels), out=self._dW_of_block)
            dW += self._dW_of_block
        dpixels = dy.reshape(-1, self.out_channels)
        self.xp.matmul(self._ones[: len(dpixels)], dpixels, out=self.db)
        return dx


def _check_output_padding(value: Any, stride: int) -> int | tuple[int, int]:
    pair = isinstance(value, tuple | list) and len(value) == 2
    if isinstance(value, tuple | list) and not pair:
        raise ConfigError(f"output_padding={short_repr(value)}: expected one number, or a pair (height, width)")
    numbers = tuple(check_int("output_padding", number, minimum=0) for number in (value if pair else (value,)))
    if max(numbers) >= stride:
        raise ConfigError(f"output_padding={short_repr(value)}: expected less than the stride, which is {stride}")
    return (numbers[0], numbers[1]) if pair else numbers[0]
