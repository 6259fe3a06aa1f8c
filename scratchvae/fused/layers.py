"""Fused activations, which also add the bias of the layer before; convolutions that copy their windows in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array
from scratchvae.fused import kernels as source
from scratchvae.fused.kernels import ActivationSource, fused_class, launch
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
    Log1p,
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


def _stacked(xp: Any, W: Array, b: Array) -> Array | None:
    """[W; b] (I + 1, O), a view of both, if b follows W in memory, else None."""
    addresses = []
    for array in (W, b):
        interface = getattr(array, "__cuda_array_interface__", None) or getattr(array, "__array_interface__", None)
        if interface is None:
            return None
        addresses.append(interface["data"][0])
    if addresses[1] - addresses[0] != W.nbytes:
        return None
    stacked: Array = xp.lib.stride_tricks.as_strided(W, (len(W) + 1, len(b)), W.strides)
    return stacked


# With a column of ones beside x, and W and b side by side in the model's vector of parameters:
#   [x, 1] [W; b] = x W + 1 bᵀ              →  y without an addition
#   [x, 1]ᵀ dy = [xᵀ dy; 1ᵀ dy]             →  dW and db in one product
class FusedLinear(Linear):
    """Linear that reads a column of ones beside the output of the activation before it, in one launch each way."""

    kernels: Any
    x_with_ones: Array | None = None  # of the last forward
    _stacked: tuple[Any, ...] = ()  # [W; b] and [dW; db], after the arrays that they are views of, and their ids

    def forward_with_ones(self, x: Array, with_ones: Array) -> Array:
        """y (B, O) from x (B, I), the first I columns of with_ones (rows, I + 1), of which the last is 1."""
        weights, gradients = self.stacked()
        if weights is None or gradients is None:
            return self.forward(x)
        rows = self.check_inputs(x=x)
        y, self.x, self.x_with_ones = self._y[:rows], x, with_ones[:rows]
        self.xp.matmul(self.x_with_ones, weights, out=y)
        return y

    def stacked(self) -> tuple[Array | None, Array | None]:
        """[W; b] and [dW; db] (I + 1, O), computed again for other arrays, and for those of a copy of this layer."""
        W, dW = self.W, self.dW
        if not self._stacked or self._stacked[:2] != (id(W), id(dW)):
            views = _stacked(self.xp, W, self.b), _stacked(self.xp, dW, self.db)
            self._stacked = id(W), id(dW), W, dW, *views
        return self._stacked[4:]

    def matmul(self, x: Array) -> Array:
        """x W (B, O), without the bias."""
        self.x_with_ones = None
        return super().matmul(x)

    def backward_parameters(self, dy: Array) -> None:
        """dW and db only."""
        if self.x_with_ones is None:
            super().backward_parameters(dy)
        else:
            self.check_gradients(dy=dy)
            self.xp.matmul(self.x_with_ones.T, dy, out=self.stacked()[1])


# They have a method `matmul`, without the bias b.
WITH_BIAS: Any = (Linear, FusedLinear, FusedConv2d, FusedConvTranspose2d)


class FusedActivation(ElementwiseLayer):
    """An activation in one launch forward, with the bias of the layer before it, and one backward.

    saves   y, or ∂y/∂x if `sources.saves_derivative`
    """

    kernels: Any
    sources: ClassVar[ActivationSource]

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y, dx and, if it is saved, ∂y/∂x."""
        ElementwiseLayer.allocate(self, buffers)
        self.with_ones: Array | None = None  # y with a column of ones
        self._outputs = [self._y, *[buffers.matrix(self.input_width)] * self.sources.saves_derivative]
        self._alpha = getattr(self, self.sources.setting) if self.sources.setting else 0.0

    def append_ones(self, buffers: BatchBuffers) -> None:
        """Allocate y again, with a column of ones after its last."""
        self.with_ones = buffers.matrix(self.input_width + 1)
        self.with_ones[:, self.input_width :].fill(1.0)
        self._outputs[0] = self.with_ones[:, : self.input_width]

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        return self.forward_with_bias(x, 0.0)

    def forward_with_bias(self, x: Array, bias: Any) -> Array:
        """y = f(x + b) (B, N·O) from x (B, N·O) and b (O,), of each of the N pixels of a picture, or of a row."""
        rows = self.check_inputs(x=x)
        outputs = [output[:rows] for output in self._outputs]
        y, self.saved = outputs[0], outputs[-1]
        if type(bias) is not float and len(bias) != self.input_width:
            x, outputs = x.reshape(-1, len(bias)), [output.reshape(-1, len(bias)) for output in outputs]
        launch(self.kernels, self.sources.forward, x, bias, self._alpha, *outputs)
        return y

    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        rows = self.check_gradients(dy=dy)
        dx = self._dx[:rows]
        launch(self.kernels, self.sources.gradient, self.saved, dy, self._alpha, dx)
        return dx


ACTIVATION_SOURCES: dict[type[Layer], ActivationSource] = {
    ReLU: source.RELU,
    LeakyReLU: source.LEAKY_RELU,
    Tanh: source.TANH,
    Sigmoid: source.SIGMOID,
    Softplus: source.SOFTPLUS,
    SiLU: source.SILU,
    GELU: source.GELU,
    ELU: source.ELU,
}
FUSED_ACTIVATIONS = {plain: fused_class(FusedActivation, plain, s) for plain, s in ACTIVATION_SOURCES.items()}


class FusedLog1p(Log1p):
    """Log1p in one launch forward and one backward."""

    kernels: Any

    def forward(self, x: Array) -> Array:
        """y (B, I) from x (B, I)."""
        y, self.x = self._y[: self.check_inputs(x=x)], x
        launch(self.kernels, source.LOG1P, x, self.counts, self.others, y)
        return y

    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy (B, I)."""
        dx = self._dx[: self.check_gradients(dy=dy)]
        launch(self.kernels, source.LOG1P_GRADIENT, self.x, dy, self.counts, dx)
        return dx


class FusedNaNToZero(NaNToZero):
    """NaNToZero with one launch more than its layer in each direction."""

    kernels: Any

    def forward(self, x: Array) -> Array:
        """y from x (B, I)."""
        x_filled, self.x = self._x_filled[: self.check_inputs(x=x)], x
        launch(self.kernels, source.NAN_TO_ZERO, x, x_filled)
        return self.inner.forward(x_filled)

    def backward(self, dy: Array) -> Array:
        """dx (B, I) from dy; writes the gradients of the parameters."""
        dx, dx_filled = self._dx[: self.check_gradients(dy=dy)], self.inner.backward(dy)
        self.check_width(self.input_width, dx=dx_filled)
        launch(self.kernels, source.NAN_TO_ZERO_GRADIENT, self.x, dx_filled, dx)
        return dx


class FusedSequential(Sequential):
    """Sequential in which each `FusedActivation` adds the bias of the layer before it.

    It also writes a column of ones for the layer after it: a `FusedLinear` then needs no sum for its bias.
    """

    kernels: Any

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind each layer, and append ones for the linear layers after activations."""
        super().allocate(buffers)
        append_ones(self.layers, buffers)

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.check_inputs(x=x)
        return forward_chain(self.layers, x)


class FusedConditionalSequential(ConditionalSequential):
    """ConditionalSequential, computed as a `FusedSequential`."""

    kernels: Any

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind each layer, and append ones for the linear layers after activations."""
        super().allocate(buffers)
        append_ones(self.layers, buffers)

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and targets (B, K), or (K·B, O)."""
        self.check_inputs(x=x)
        return forward_chain(self.layers, x, targets)


# A layer that gets more rows than the chain, as after a ConditionalLinear without classes, binds itself, without ones.
def append_ones(layers: Sequence[Layer], buffers: BatchBuffers) -> None:
    """Append a column of ones to the output of each `FusedActivation` of flat rows before a `FusedLinear`."""
    for activation, linear in pairwise(layers):
        if isinstance(activation, FusedActivation) and len(activation.input_shape) == 1 and type(linear) is FusedLinear:
            activation.append_ones(buffers)


def forward_chain(layers: Sequence[Layer], x: Array, targets: Array | None = None) -> Array:
    """Return y of a chain of layers; see `FusedSequential`."""
    before: Any = None
    biased = False  # True if the bias of the layer before is still to be added
    layer: Any
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        if biased:
            x, biased = layer.forward_with_bias(x, before.b), False
        elif isinstance(before, FusedActivation) and before.with_ones is not None:
            x = layer.forward_with_ones(x, before.with_ones)
        elif isinstance(after, FusedActivation) and type(layer) in WITH_BIAS:
            x, biased = layer.matmul(x), True
        else:
            x = layer.forward(x, targets) if isinstance(layer, ConditionalLinear) else layer.forward(x)
        before = layer
    return x
