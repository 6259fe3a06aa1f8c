"""The convolution of pictures."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.layers.initializers import INITIALIZERS, check_initializer
from scratchvae.layers.layer import Layer
from scratchvae.layers.patches import Patches, check_window, picture_shape
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.memory.flat import Shapes
from scratchvae.validation import MAX_WIDTH, check_int, check_seed, shorten


class Conv2d(Layer):
    """Convolution, y[i, j] = Σ_ab x[s i + a − p, s j + b − p] W[a, b] + b, with x = 0 outside the picture.

    shapes   x (B, H·W·I)   W (k, k, I, O)   b (O,)   y (B, P·Q·O), P = ⌊(H + 2p − k) / s⌋ + 1 and Q likewise
    saves    x, by reference
    writes   y | dW, db, dx

    A row of x is a picture (H, W, I), channels last, and a row of y a picture (P, Q, O). The layer learns H and W when
    it is bound. k is `kernel_size`, s `stride`, p `padding`. As in all networks, the kernel is not flipped.
    LeCun, Bottou, Bengio and Haffner 1998, sec. 2; Dumoulin and Visin 2016, sec. 2.4.

    W is initialized by `init` with `seed` (None: a random seed), b to 0. torch.nn.Conv2d has W as (O, I, k, k).
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
        init: str = "glorot_uniform",
        seed: int | None = None,
    ) -> None:
        self.in_channels = check_int("in_channels", in_channels, maximum=MAX_WIDTH)
        self.out_channels = check_int("out_channels", out_channels, maximum=MAX_WIDTH)
        self.kernel_size, self.stride, self.padding = check_window(kernel_size, stride, padding)
        self.init = check_initializer(init)
        self.seed = None if seed is None else check_seed(seed)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(P, Q, O) from (H, W, I), or from (H, W) if I is 1. Raises ShapeError."""
        name = f"Conv2d({self.in_channels}, {self.out_channels}, {self.kernel_size})"
        height, width, _ = picture_shape(name, input_shape, self.in_channels)
        k, s, p = self.kernel_size, self.stride, self.padding
        if min(height, width) + 2 * p < k:
            raise ShapeError(
                f"{name} was given pictures of shape {shorten(tuple(input_shape))}, smaller than its kernel with "
                f"padding={p}; choose a smaller kernel_size, or a larger padding"
            )
        return ((height + 2 * p - k) // s + 1, (width + 2 * p - k) // s + 1, self.out_channels)

    def parameter_shapes(self) -> Shapes:
        """W (k, k, I, O) and b (O,)."""
        k = self.kernel_size
        return {"W": (k, k, self.in_channels, self.out_channels), "b": (self.out_channels,)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """W by `init`, and b = 0: a number of y is a sum over k² I numbers of x, each of which is in k²/s² O of y."""
        k, s, shape = self.kernel_size, self.stride, self.parameter_shapes()["W"]
        W = INITIALIZERS[self.init](rng, shape, k * k * self.in_channels, k * k * self.out_channels / s**2)
        return {"W": W, "b": np.zeros(self.out_channels)}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y, dx and the windows of a block of pictures."""
        self.patches = self.make_patches(picture_shape("Conv2d", self.input_shape, self.in_channels))
        self.patches.allocate(buffers)
        self._y = buffers.matrix(self.patches.count * self.out_channels)
        self._dx = buffers.matrix(self.input_width)
        self._dW_of_block = buffers.resized(self.kernel_size**2 * self.in_channels).matrix(self.out_channels)
        self._ones = buffers.vector(buffers.rows * self.patches.count, 1.0)

    def make_patches(self, picture: Shape) -> Patches:
        """The windows of pictures (H, W, I), not allocated; a fused variant has others."""
        return Patches(picture, self.kernel_size, self.stride, self.padding)

    def forward(self, x: Array) -> Array:
        """y (B, P·Q·O) from x (B, H·W·I)."""
        y = self.matmul(x)
        pixels = self._pixels(y)
        pixels += self.b
        return y

    # With the windows A x of `Patches` as the rows of a matrix, a convolution is the same affine map of each of them.
    def matmul(self, x: Array) -> Array:
        """(A x) W (B, P·Q·O), without the bias."""
        rows = self.check_inputs(x=x)
        y, W = self._y[:rows], self.W.reshape(-1, self.out_channels)
        for block in self.patches.blocks(rows):
            self.xp.matmul(self.patches.gather(x[block]), W, out=self._pixels(y[block]))
        self.x = x
        return y

    # y = (A x) W + b as in `Linear`, hence
    #   ∂L/∂W     →  dW = (A x)ᵀ dy, a sum over blocks
    #   ∂L/∂b     →  db = 1ᵀ dy
    #   ∂L/∂(A x) = dy Wᵀ  →  dx = Aᵀ (dy Wᵀ), whose matrix takes the place of the windows
    # The windows are copied once more: those of a whole batch would not stay in the cache.
    def backward(self, dy: Array) -> Array:
        """dW, db and dx (B, H·W·I) from dy (B, P·Q·O)."""
        self.backward_parameters(dy)
        dx, W = self._dx[: len(dy)], self.W.reshape(-1, self.out_channels)
        for block in self.patches.blocks(len(dy)):
            dpixels = self._pixels(dy[block])
            self.xp.matmul(dpixels, W.T, out=self.patches.matrix(len(dy[block])))
            self.patches.scatter(out=dx[block])
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """dW and db only."""
        rows = self.check_gradients(dy=dy)
        dW = self.dW.reshape(-1, self.out_channels)
        dW.fill(0.0)
        for block in self.patches.blocks(rows):
            self.xp.matmul(self.patches.gather(self.x[block]).T, self._pixels(dy[block]), out=self._dW_of_block)
            dW += self._dW_of_block
        self.xp.matmul(self._ones[: rows * self.patches.count], self._pixels(dy), out=self.db)

    def _pixels(self, y: Array) -> Array:
        return y.reshape(-1, self.out_channels)
