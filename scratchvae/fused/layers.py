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
    """Linear that reads a column of ones from the output of the activation before it, in one launch each way."""

    kernels: Any
    with_ones: Array | None = None  # [x, 1] (rows, I + 1), whose first I columns are the output of the activation
    x_with_ones: Array | None = None  # of the last forward

    def forward_with_ones(self, x: Array) -> Array:
        """y (B, O) from x (B, I), which is the output of the activation before."""
        if getattr(self, "_stacked_from", None) is not self.W:  # the parameters are others than before
            self._stacked_from = self.W
            self._stacked = _stacked(self.xp, self.W, self.b), _stacked(self.xp, self.dW, self.db)
        if self.with_ones is None or self._stacked[0] is None or self._stacked[1] is None:
            return self.forward(x)
        rows = self.check_inputs(x=x)
        y, self.x, self.x_with_ones = self._y[:rows], x, self.with_ones[:rows]
        self.xp.matmul(self.x_with_ones, self._stacked[0], out=y)
        return y

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
            self.xp.matmul(self.x_with_ones.T, dy, out=self._stacked[1])


WITH_BIAS: Any = (
    Linear,
    FusedLinear,
    FusedConv2d,
    FusedConvTranspose2d,
)  # they have a method `matmul`, without the bias b


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

    def append_ones(self, buffers: BatchBuffers) -> Array:
        """Allocate y once more, with a column of ones after its last; return both, (rows, I + 1)."""
        with_ones = buffers.matrix(self.input_width + 1)
        with_ones[:, self.input_width :].fill(1.0)
        self._y = self._outputs[0] = with_ones[:, : self.input_width]
        return with_ones

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

    def fill(self, x: Array, rows: int) -> Array:
        """x̃ (B, I)."""
        x_filled = self._x_filled[:rows]
        launch(self.kernels, source.NAN_TO_ZERO, x, x_filled)
        return x_filled

    def mask_gradient(self, dx_filled: Array, dx: Array) -> None:
        """Write dx̃ into dx (B, I) where x is observed, else 0."""
        launch(self.kernels, source.NAN_TO_ZERO_GRADIENT, self.x, dx_filled, dx)


class FusedSequential(Sequential):
    """Sequential in which each `FusedActivation` adds the bias of the layer before it.

    It also writes a column of ones for the layer after it: a `FusedLinear` then needs no sum for its bias.
    """

    kernels: Any

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind each layer, and join activations to the linear layers after them."""
        super().allocate(buffers)
        join_activations(self.layers, buffers)

    def forward(self, x: Array) -> Array:
        """y (B, O) from x (B, I)."""
        self.check_inputs(x=x)
        return forward_chain(self.layers, x)


class FusedConditionalSequential(ConditionalSequential):
    """ConditionalSequential, computed as a `FusedSequential`."""

    kernels: Any

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind each layer, and join activations to the linear layers after them."""
        super().allocate(buffers)
        join_activations(self.layers, buffers)

    def forward(self, x: Array, targets: Array | None = None) -> Array:
        """y (B, O) from x (B, I) and targets (B, K), or (K·B, O)."""
        self.check_inputs(x=x)
        return forward_chain(self.layers, x, targets)


def join_activations(layers: Sequence[Layer], buffers: BatchBuffers) -> None:
    """Give each `FusedLinear` after a `FusedActivation` a column of ones beside its input."""
    for activation, linear in pairwise(layers):
        if isinstance(activation, FusedActivation) and type(linear) is FusedLinear:
            linear.with_ones = activation.append_ones(buffers)


def forward_chain(layers: Sequence[Layer], x: Array, targets: Array | None = None) -> Array:
    """Return y of a chain of layers; see `FusedSequential`."""
    before: Any = None
    biased = False  # True if the bias of the layer before is still to be added
    layer: Any
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        if biased:
            x, biased = layer.forward_with_bias(x, before.b), False
        elif isinstance(before, FusedActivation) and type(layer) is FusedLinear:
            x = layer.forward_with_ones(x)
        elif isinstance(after, FusedActivation) and type(layer) in WITH_BIAS:
            x, biased = layer.matmul(x), True
        else:
            x = layer.forward(x, targets) if isinstance(layer, ConditionalLinear) else layer.forward(x)
        before = layer
    return x
