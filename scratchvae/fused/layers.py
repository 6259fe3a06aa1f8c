"""Fused ReLU, which also adds the bias of the layer before it; convolutions whose windows are copied in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.fused.kernels import BIAS_RELU, RELU_GRADIENT, launch
from scratchvae.layers import (
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Layer,
    Linear,
    ReLU,
    Sequential,
)
from scratchvae.layers.patches import Patches
from scratchvae.memory import BatchBuffers, Shape


class FusedPatches(Patches):
    """Patches whose windows are copied, or added, in one pass, by `Windows` of the backend "native"."""

    def __init__(self, patches: Patches, kernels: Any) -> None:
        super().__init__(patches.picture, patches.size, patches.stride, patches.padding)
        self.kernels = kernels

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the windows of a block of pictures, and compile the copy."""
        self.allocate_matrix(buffers)
        settings = self.picture, self.size, self.stride, self.padding, self.places
        self.windows = self.kernels.Windows(*settings, buffers.dtype)

    def gather(self, x: Array) -> Array:
        """A x (b·P·Q, k·k·C) of a block of pictures x (b, H·W·C)."""
        matrix = self.matrix(len(x))
        self.windows.gather(np.ascontiguousarray(x), matrix)
        return matrix

    def scatter(self, out: Array) -> None:
        """Aᵀ m (b, H·W·C), written into `out`."""
        self.windows.scatter(self.matrix(len(out)), out)


def _fused_patches(patches: Patches, kernels: Any) -> Patches:
    return FusedPatches(patches, kernels) if hasattr(kernels, "Windows") else patches


class FusedConv2d(Conv2d):
    """Conv2d with `FusedPatches`, if the backend has them."""

    kernels: Any

    def make_patches(self, picture: Shape) -> Patches:
        """The windows of pictures (H, W, I), not allocated."""
        return _fused_patches(super().make_patches(picture), self.kernels)


class FusedConvTranspose2d(ConvTranspose2d):
    """ConvTranspose2d with `FusedPatches`, if the backend has them."""

    kernels: Any

    def make_patches(self, picture: Shape) -> Patches:
        """The windows of pictures (H, W, O), not allocated."""
        return _fused_patches(super().make_patches(picture), self.kernels)


WITH_BIAS: Any = (Linear, FusedConv2d, FusedConvTranspose2d)  # they have a method `matmul`, without the bias b


class FusedReLU(ReLU):
    """ReLU in one launch forward, with the bias of the layer before it, and one backward."""

    kernels: Any

    def forward_with_bias(self, x: Array, bias: Array) -> Array:
        """y = max(x + b, 0) (B, N·O) from x (B, N·O) and b (O,), of each of the N pixels of a picture, or of a row."""
        rows = self.check_inputs(x=x)
        self.y = self._y[:rows]
        launch(self.kernels, BIAS_RELU, x.reshape(-1, len(bias)), bias, self.y.reshape(-1, len(bias)))
        return self.y

    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        launch(self.kernels, RELU_GRADIENT, self.y, dy, dx)
        return dx


class FusedSequential(Sequential):
    """Sequential in which each `FusedReLU` adds the bias of the layer before it."""

    kernels: Any

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.check_inputs(x=x)
        return forward_chain(self.layers, x)


class FusedConditionalSequential(ConditionalSequential):
    """ConditionalSequential in which each `FusedReLU` adds the bias of the layer before it."""

    kernels: Any

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and targets (B, K), or (K·B, O)."""
        self.check_inputs(x=x)
        return forward_chain(self.layers, x, targets)


def forward_chain(layers: Sequence[Layer], x: Array, targets: Array | None = None) -> Array:
    """Return y of a chain of layers; a `FusedReLU` adds the bias of a layer of `WITH_BIAS` before it."""
    next_layer = dict(pairwise(layers))
    remaining = iter(layers)
    for layer in remaining:
        activation = next_layer.get(layer)
        if isinstance(activation, FusedReLU) and type(layer) in WITH_BIAS:
            x = activation.forward_with_bias(layer.matmul(x), layer.b)
            next(remaining)
        else:
            x = layer.forward(x, targets) if isinstance(layer, ConditionalLinear) else layer.forward(x)
    return x
