"""Fused activations, which also add the bias of the layer before; convolutions that copy their windows in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array
from scratchvae.fused import kernels as source
from scratchvae.fused.kernels import ActivationSource, launch
from scratchvae.layers import (
    ELU,
    GELU,
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Layer,
    LeakyReLU,
    Linear,
    NaNToZero,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from scratchvae.layers.layer import ElementwiseLayer
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


class FusedActivation(ElementwiseLayer):
    """An activation in one launch forward, with the bias of the layer before it, and one backward.

    saves   y, or ∂y/∂x if `sources.saves_derivative`
    """

    kernels: Any
    sources: ClassVar[ActivationSource]
    setting: ClassVar[str] = ""  # the attribute that is α in the kernels

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y, dx and, if it is saved, ∂y/∂x."""
        ElementwiseLayer.allocate(self, buffers)
        self._outputs = [self._y, *[buffers.matrix(self.input_width)] * self.sources.saves_derivative]
        self._alpha = getattr(self, self.setting) if self.setting else 0.0

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        return self.forward_with_bias(x, 0.0)

    def forward_with_bias(self, x: Array, bias: Any) -> Array:
        """y = f(x + b) (B, N·O) from x (B, N·O) and b (O,), of each of the N pixels of a picture, or of a row."""
        rows = self.check_inputs(x=x)
        width = self.input_width if isinstance(bias, float) else len(bias)
        outputs = [output[:rows] for output in self._outputs]
        self.saved = outputs[-1]
        if width != self.input_width:
            x, outputs = x.reshape(-1, width), [output.reshape(-1, width) for output in outputs]
        launch(self.kernels, self.sources.forward, x, bias, self._alpha, *outputs)
        return self._y[:rows]

    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        launch(self.kernels, self.sources.gradient, self.saved, dy, self._alpha, dx)
        return dx


class FusedReLU(FusedActivation, ReLU):
    """ReLU as a `FusedActivation`."""

    sources = source.RELU


class FusedLeakyReLU(FusedActivation, LeakyReLU):
    """LeakyReLU as a `FusedActivation`."""

    sources, setting = source.LEAKY_RELU, "slope"


class FusedTanh(FusedActivation, Tanh):
    """Tanh as a `FusedActivation`."""

    sources = source.TANH


class FusedSigmoid(FusedActivation, Sigmoid):
    """Sigmoid as a `FusedActivation`."""

    sources = source.SIGMOID


class FusedSoftplus(FusedActivation, Softplus):
    """Softplus as a `FusedActivation`."""

    sources = source.SOFTPLUS


class FusedSiLU(FusedActivation, SiLU):
    """SiLU as a `FusedActivation`."""

    sources = source.SILU


class FusedGELU(FusedActivation, GELU):
    """GELU as a `FusedActivation`, with the error function of the compiler's library."""

    sources = source.GELU


class FusedELU(FusedActivation, ELU):
    """ELU as a `FusedActivation`."""

    sources, setting = source.ELU, "alpha"


class FusedNaNToZero(NaNToZero):
    """NaNToZero with one launch more than its layer in each direction."""

    kernels: Any

    def fill(self, x: Array, rows: int) -> Array:
        """x̃ (B, I)."""
        x_filled = self._x_filled[:rows]
        launch(self.kernels, source.NAN_TO_ZERO, x, x_filled)
        return x_filled

    def mask_gradient(self, dx_filled: Array, dx: Array) -> None:
        """Write dx̃ into dx (B, I) where x is observed, else 0."""
        launch(self.kernels, source.NAN_TO_ZERO_GRADIENT, self.x, dx_filled, dx)


class FusedSequential(Sequential):
    """Sequential in which each `FusedActivation` adds the bias of the layer before it."""

    kernels: Any

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.check_inputs(x=x)
        return forward_chain(self.layers, x)


class FusedConditionalSequential(ConditionalSequential):
    """ConditionalSequential in which each `FusedActivation` adds the bias of the layer before it."""

    kernels: Any

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and targets (B, K), or (K·B, O)."""
        self.check_inputs(x=x)
        return forward_chain(self.layers, x, targets)


def forward_chain(layers: Sequence[Layer], x: Array, targets: Array | None = None) -> Array:
    """Return y of a chain of layers; a `FusedActivation` adds the bias of a layer of `WITH_BIAS` before it."""
    next_layer = dict(pairwise(layers))
    remaining = iter(layers)
    for layer in remaining:
        activation = next_layer.get(layer)
        if isinstance(activation, FusedActivation) and type(layer) in WITH_BIAS:
            x = activation.forward_with_bias(layer.matmul(x), layer.b)
            next(remaining)
        else:
            x = layer.forward(x, targets) if isinstance(layer, ConditionalLinear) else layer.forward(x)
    return x
