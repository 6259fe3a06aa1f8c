"""The rectifier in one pass, and the affine map that leaves its bias to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from scratchvae.backend import Array
from scratchvae.fused.kernels import BIAS_RELU, RELU_GRADIENT, launch
from scratchvae.layers import ConditionalSequential, Layer, Linear, ReLU, Sequential


class FusedReLU(ReLU):
    """Bias and rectifier in one launch, if they follow each other; the gradient in another."""

    kernels: Any

    def forward_biased(self, x: Array, bias: Array) -> Array:
        """y = max(x + b, 0) (B, I) from x (B, I) and b (I,)."""
        rows = self.check_inputs(x=x)
        self.y = self._y[:rows]
        launch(self.kernels, BIAS_RELU, x, bias, self.y)
        return self.y

    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        launch(self.kernels, RELU_GRADIENT, self.y, dy, dx)
        return dx


class FusedSequential(Sequential):
    """Lets a rectifier add the bias of the affine map before it."""

    kernels: Any

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.check_inputs(x=x)
        return chain(self.layers, x)


class FusedConditionalSequential(ConditionalSequential):
    """The same, after a first layer that is given a class."""

    kernels: Any

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and targets (B, K), or (K·B, O)."""
        self.check_inputs(x=x)
        first, *others = self.layers
        return chain(others, first.forward(x, targets))


def chain(layers: Sequence[Layer], x: Array) -> Array:
    """x through the layers, first to last, each bias that a rectifier follows added by the rectifier."""
    following = dict(pairwise(layers))
    rest = iter(layers)
    for layer in rest:
        after = following.get(layer)
        if type(layer) is Linear and isinstance(after, FusedReLU):
            x = after.forward_biased(layer.matmul(x), layer.b)
            next(rest)
        else:
            x = layer.forward(x)
    return x
