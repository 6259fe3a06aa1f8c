"""Compiled: the rectifier, the affine map that leaves its bias to it, and halves that are not copied."""

from __future__ import annotations

from itertools import pairwise

from scratchvae.backend import Array
from scratchvae.kernels.compiled import BIAS_RELU, RELU_GRADIENT, launch
from scratchvae.layers.linear import Linear
from scratchvae.layers.relu import ReLU
from scratchvae.layers.sequential import Sequential
from scratchvae.layers.split import Split
from scratchvae.memory import BatchBuffers, twin_of


@twin_of(ReLU)
class FusedReLU(ReLU):
    """Bias and rectifier in one launch, if they follow each other; the gradient in another."""

    def forward_biased(self, x: Array, bias: Array) -> Array:
        """y = max(x + b, 0) (B, I) from x (B, I) and b (I,)."""
        rows = self.admit(x=x)
        self.y = self._y[:rows]
        launch(self.xp, BIAS_RELU, x, bias, self.y)
        return self.y

    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.admit_gradient(dy=dy)
        dx = self._dx[:rows]
        launch(self.xp, RELU_GRADIENT, self.y, dy, dx)
        return dx


@twin_of(Sequential)
class FusedSequential(Sequential):
    """Lets a rectifier add the bias of the affine map before it."""

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.admit(x=x)
        layers = iter(self.layers)
        following = dict(pairwise(self.layers))
        for layer in layers:
            after = following.get(layer)
            if isinstance(layer, Linear) and isinstance(after, FusedReLU):
                x = after.forward_biased(layer.product(x), layer.b)
                next(layers)
            else:
                x = layer.forward(x)
        return x


@twin_of(Split)
class FusedSplit(Split):
    """Halves that are views: of x forward and, if written into `dleft` and `dright`, of dx on the way back."""

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for dx."""
        self._dx = buffers.matrix(width)
        return self.half(width)

    def forward(self, x: Array) -> tuple[Array, Array]:
        """left and right (B, Z), views of x (B, 2Z)."""
        rows, half = self.admit(x=x), self.width // 2
        self.dx = self._dx[:rows]
        self.dleft, self.dright = self.dx[:, :half], self.dx[:, half:]
        return x[:, :half], x[:, half:]

    def backward(self, dleft: Array, dright: Array) -> Array:
        """dx (B, 2Z) from dleft and dright (B, Z)."""
        self.admit_gradient(dleft=dleft, dright=dright)
        for room, given in ((self.dleft, dleft), (self.dright, dright)):
            if given is not room:
                room[...] = given
        return self.dx
