"""Every layer as nodes of an ONNX graph.

Pictures are rows with the channels last in this package, and (B, C, H, W) in ONNX. They are transposed before the first
convolution and after the last one: layers that work on each number alone keep the order that they are given.

onnxruntime has Conv, ConvTranspose and Erf for float32 alone. In float64, a convolution is the product of its windows,
which Gather copies, with the kernel; and GELU is a quotient of polynomials, as in `scratchvae.kernels.normal`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, prod, sqrt
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.export.onnx_graph import Graph, Value
from scratchvae.export.parts import check_conditional, layer_class, linear_weights
from scratchvae.kernels.normal import MILLS_P, MILLS_Q
from scratchvae.layers import (
    ELU,
    GELU,
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Gated,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    Log1p,
    MaskedLinear,
    NaNToZero,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    SplitChannels,
    Tanh,
    Upsample,
)
from scratchvae.layers.patches import picture_shape


def add_layer(graph: Graph, layer: Layer, x: Value, name: str, classes: str | None = None) -> Value:
    """Add a layer of this name, and the layers inside it; `classes` is the tensor of classes (B,), if it reads them.

    Raises ConfigError for a layer that is not of this package.
    """
    kind = layer_class(layer, name)
    inner: Any = layer
    if kind is Sequential or kind is ConditionalSequential:
        for k, child in enumerate(inner.layers):
            x = add_layer(graph, child, x, f"{name}.{k}", classes if kind is ConditionalSequential else None)
        return x
    if kind is NaNToZero:
        is_missing = graph.add("IsNaN", x.tensor)
        return add_layer(
            graph, inner.inner, x._replace(tensor=graph.add("Where", is_missing, graph.number(0.0), x.tensor)), name
        )
    if kind is Residual:
        y = add_layer(graph, inner.layer, x, f"{name}.layer")
        return Value(graph.add("Add", graph.rows(x), graph.rows(y)), x.shape)
    if kind is ConditionalLinear:
        check_conditional(inner, name, classes)
        return _conditional_linear(graph, inner, x, name, str(classes))
    if kind in ELEMENTWISE:
        return x._replace(tensor=ELEMENTWISE[kind](graph, x.tensor, layer))
    return WRITERS[kind](graph, layer, x, name)


# --- rows


def _linear(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    parameters = (("W", linear_weights(layer)), ("b", layer.b))
    W, b = (graph.parameter(to_numpy(array), f"{name}.{p}") for p, array in parameters)
    return Value(graph.add("Gemm", graph.rows(x), W, b), (layer.outputs,))


def _conditional_linear(graph: Graph, layer: ConditionalLinear, x: Value, name: str, classes: str) -> Value:
    W, V = (graph.parameter(to_numpy(array), f"{name}.{p}") for p, array in (("W", layer.W), ("V", layer.V)))
    y = graph.add("Add", graph.add("MatMul", graph.rows(x), W), graph.add("Gather", V, classes, axis=0))
    return Value(y, (layer.outputs,))


def _layer_norm(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    groups = graph.reshape(graph.rows(x), prod(x.shape) // layer.size, layer.size)
    error = graph.add("Sub", groups, graph.add("ReduceMean", groups, axes=[-1]))
    variance = graph.add("ReduceMean", graph.add("Mul", error, error), axes=[-1])
    std = graph.add("Sqrt", graph.add("Add", variance, graph.number(layer.eps)))
    gain, bias = (graph.parameter(to_numpy(getattr(layer, p)), f"{name}.{p}") for p in ("gain", "bias"))
    y = graph.add("Add", graph.add("Mul", graph.add("Div", error, std), gain), bias)
    return Value(graph.reshape(y, prod(x.shape)), x.shape)


def _gated(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    half = x.shape[-1] // 2
    groups = graph.reshape(graph.rows(x), prod(x.shape) // (2 * half), 2 * half)
    h, g = (graph.columns(groups, start, start + half) for start in (0, half))
    y = graph.add("Mul", h, graph.add("Sigmoid", g))
    return Value(graph.reshape(y, prod(x.shape) // 2), layer.output_shape(x.shape))


def _reshape(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    return Value(graph.rows(x), layer.output_shape(x.shape))


# --- pictures


def _conv2d(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    picture = picture_shape("Conv2d", x.shape, layer.in_channels)
    W, b = to_numpy(layer.W), graph.parameter(to_numpy(layer.b), f"{name}.b")
    k, s, p, shape = layer.kernel_size, layer.stride, layer.padding, layer.output_shape(x.shape)
    if graph.dtype == np.float64:
        down, across = (_conv_pixels(*sizes, k, s, p) for sizes in zip(picture[:2], shape[:2], strict=True))
        return _window_product(graph, x, picture, down, across, W.reshape(-1, layer.out_channels), b, name)
    kernel = graph.parameter(W.transpose(3, 2, 0, 1), f"{name}.W")
    y = graph.add("Conv", graph.pictures(x, picture), kernel, b, strides=[s, s], pads=[p] * 4)
    return Value(y, shape, channels_first=True)


def _conv_transpose2d(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    picture = picture_shape("ConvTranspose2d", x.shape, layer.in_channels)
    W, b = to_numpy(layer.W), graph.parameter(to_numpy(layer.b), f"{name}.b")
    k, s, p, shape = layer.kernel_size, layer.stride, layer.padding, layer.output_shape(x.shape)
    if graph.dtype == np.float64:
        down, across = (_transpose_pixels(*sizes, k, s, p) for sizes in zip(picture[:2], shape[:2], strict=True))
        matrix = W.transpose(0, 1, 3, 2).reshape(-1, layer.out_channels)
        return _window_product(graph, x, picture, down, across, matrix, b, name)
    r = layer.output_padding
    kernel = graph.parameter(W.transpose(3, 2, 0, 1), f"{name}.W")
    y = graph.add(
        *("ConvTranspose", graph.pictures(x, picture), kernel, b),
        strides=[s, s],
        pads=[p] * 4,
        output_padding=[r, r] if isinstance(r, int) else list(r),
    )
    return Value(y, shape, channels_first=True)


# y[i] = Σ_a x[s i + a − p] W[a]: the pixel at place i and offset a; outside the picture it is −1.
def _conv_pixels(size: int, places: int, k: int, s: int, p: int) -> Array:
    pixels = s * np.arange(places)[:, None] + np.arange(k) - p
    return np.where((pixels >= 0) & (pixels < size), pixels, -1)


# y[s j + a − p] += x[j] W[a], hence y[i] = Σ_a x[(i + p − a) / s] W[a], over the a for which that is a pixel.
def _transpose_pixels(size: int, places: int, k: int, s: int, p: int) -> Array:
    quotients, remainders = np.divmod(np.arange(places)[:, None] + p - np.arange(k), s)
    return np.where((remainders == 0) & (quotients >= 0) & (quotients < size), quotients, -1)


def _window_product(
    graph: Graph,
    x: Value,
    picture: tuple[int, ...],
    down: Array,
    across: Array,
    kernel: Array,
    b: str,
    name: str,
) -> Value:
    """The product of the windows with `kernel` (k·k·I, O): their pixels are (P, k) `down` and (Q, k) `across`."""
    (height, width, channels), (P, k), Q, outputs = picture, down.shape, len(across), kernel.shape[1]
    rows, columns = down[:, None, :, None], across[None, :, None, :]
    pixels = np.where((rows >= 0) & (columns >= 0), rows * width + columns, height * width)  # (P, Q, k, k)
    padding = graph.constant(np.array([0, 0, 0, 0, 1, 0]))  # one pixel of zeros after the last
    padded = graph.add("Pad", graph.reshape(graph.rows(x), height * width, channels), padding)
    windows = graph.add("Gather", padded, graph.constant(pixels.reshape(-1)), axis=1)
    matrix = graph.reshape(windows, P * Q, k * k * channels)
    y = graph.add("Add", graph.add("MatMul", matrix, graph.parameter(kernel, f"{name}.W")), b)
    return Value(graph.reshape(y, P * Q * outputs), (P, Q, outputs))


def _upsample(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    height, width, channels = (*x.shape, 1)[:3]
    rows, columns = (np.arange(size).repeat(layer.scale) for size in (height, width))
    pixels = (rows[:, None] * width + columns).reshape(-1)
    before = graph.reshape(graph.rows(x), height * width, channels)
    y = graph.add("Gather", before, graph.constant(pixels), axis=1)
    return Value(graph.reshape(y, len(pixels) * channels), layer.output_shape(x.shape))


def _split_channels(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    height, width, channels = x.shape
    grouped = graph.reshape(graph.rows(x), height * width, layer.groups, channels // layer.groups)
    y = graph.reshape(graph.add("Transpose", grouped, perm=[0, 2, 1, 3]), prod(x.shape))
    return Value(y, layer.output_shape(x.shape))


# --- single numbers


def _log1p(graph: Graph, x: str, layer: Any) -> str:
    counts, others = (to_numpy(row) for row in (layer.counts, layer.others))
    size = graph.add("Mul", graph.add("Abs", x), graph.constant(counts))
    logarithm = graph.add("Mul", graph.add("Sign", x), graph.add("Log", graph.add("Add", size, graph.number(1.0))))
    return graph.add("Add", logarithm, graph.add("Mul", x, graph.constant(others)))


def _elu(graph: Graph, x: str, layer: Any) -> str:
    exponential = graph.add("Sub", graph.add("Exp", graph.add("Min", x, graph.number(0.0))), graph.number(1.0))
    return graph.add("Add", graph.add("Relu", x), graph.add("Mul", exponential, graph.number(layer.alpha)))


def _softplus(graph: Graph, x: str, layer: Any) -> str:
    exponential = graph.add("Exp", graph.add("Neg", graph.add("Abs", x)))
    return graph.add("Add", graph.add("Relu", x), graph.add("Log", graph.add("Add", exponential, graph.number(1.0))))


def _leaky_relu(graph: Graph, x: str, layer: Any) -> str:
    return graph.add("Max", x, graph.add("Mul", x, graph.number(layer.slope)))


def _gelu(graph: Graph, x: str, layer: Any) -> str:
    return graph.add("Mul", x, _normal_cdf(graph, x))


def _normal_cdf(graph: Graph, x: str) -> str:
    if graph.dtype == np.float32:
        erf = graph.add("Erf", graph.add("Mul", x, graph.number(1.0 / sqrt(2.0))))
        return graph.add("Mul", graph.add("Add", erf, graph.number(1.0)), graph.number(0.5))
    a = graph.add("Min", graph.add("Abs", x), graph.number(40.0))
    density = graph.add("Exp", graph.add("Mul", graph.add("Mul", a, a), graph.number(-0.5)))
    density = graph.add("Mul", density, graph.number(1.0 / sqrt(2.0 * pi)))
    ratio = graph.add("Div", add_polynomial(graph, MILLS_P, a), add_polynomial(graph, MILLS_Q, a))
    step = graph.cast(graph.add("GreaterOrEqual", x, graph.number(0.0)), graph.dtype)
    return graph.add("Abs", graph.add("Sub", graph.add("Mul", density, ratio), step))


def add_polynomial(graph: Graph, coefficients: tuple[float, ...], x: str) -> str:
    """Σ_k c_k xᵏ; the coefficient of the highest power comes first."""
    y = graph.number(coefficients[0])
    for c in coefficients[1:]:
        y = graph.add("Add", graph.add("Mul", y, x), graph.number(c))
    return y


ELEMENTWISE: dict[type[Any], Callable[[Graph, str, Any], str]] = {
    ReLU: lambda graph, x, layer: graph.add("Relu", x),
    LeakyReLU: _leaky_relu,
    ELU: _elu,
    GELU: _gelu,
    Log1p: _log1p,
    Sigmoid: lambda graph, x, layer: graph.add("Sigmoid", x),
    SiLU: lambda graph, x, layer: graph.add("Mul", x, graph.add("Sigmoid", x)),
    Softplus: _softplus,
    Tanh: lambda graph, x, layer: graph.add("Tanh", x),
}
WRITERS: dict[type[Any], Callable[[Graph, Any, Value, str], Value]] = {
    Linear: _linear,
    MaskedLinear: _linear,
    LayerNorm: _layer_norm,
    Gated: _gated,
    Reshape: _reshape,
    Flatten: _reshape,
    Conv2d: _conv2d,
    ConvTranspose2d: _conv_transpose2d,
    Upsample: _upsample,
    SplitChannels: _split_channels,
}
