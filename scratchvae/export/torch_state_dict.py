"""The weights of a model in the layout of the equivalent modules of PyTorch.

torch.nn has pictures as (B, C, H, W), and flattens them in that order; in this package a row has the channels last. So
the rows or columns of a Linear layer beside pictures are permuted: those of W after a convolution, those of W and b
before a `Reshape`. For each layer, `order` has the places of torch's numbers in a row of this package, torch_row =
row[order]; None stands for the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.export.parts import layer_class, linear_weights, model_of
from scratchvae.layers import (
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Gated,
    Layer,
    LayerNorm,
    Linear,
    MaskedLinear,
    NaNToZero,
    Residual,
    Sequential,
    SplitChannels,
    Upsample,
)
from scratchvae.memory import Shape
from scratchvae.validation import suggest_arguments

Order = Any  # (width,) integers; None: the order of this package
OF_PICTURES = (Conv2d, ConvTranspose2d, Upsample, SplitChannels)


class Step(NamedTuple):
    """A layer with its name, its class, and the shapes of its input and its output."""

    name: str
    layer: Any
    kind: type[Any]
    input_shape: Shape
    output_shape: Shape


@suggest_arguments
def to_torch_state_dict(model: Any) -> dict[str, Array]:
    """The weights of the networks of a model, or of an `Encoder`, as a state dict: NumPy arrays by name.

        state = {name: torch.from_numpy(array) for name, array in to_torch_state_dict(vae).items()}
        networks = torch.nn.ModuleDict({"encoder": torch.nn.Sequential(…), "decoder": torch.nn.Sequential(…)})
        networks.load_state_dict(state)

    Each `Sequential` here is a torch.nn.Sequential of as many modules, which have the same places and names:

    here                    torch.nn                                    shapes in the state dict
    Linear(I, O)            Linear(I, O)                                weight (O, I), bias (O,)
    MaskedLinear            Linear(I, O)                                the same, 0 where the mask is
    Conv2d(I, O, k, s, p)   Conv2d(I, O, k, s, p)                       weight (O, I, k, k), bias (O,)
    ConvTranspose2d         ConvTranspose2d, the same arguments         weight (I, O, k, k), bias (O,)
    LayerNorm(D)            LayerNorm(D), after Linear layers           weight and bias (D,)
    ConditionalLinear       Linear(I + K, O) of [x, one-hot class]      weight (O, I + K), bias 0
    Reshape(H, W, C)        Unflatten(1, (C, H, W))
    Flatten(), Gated()      Flatten(), GLU(dim=1)
    Upsample(s)             Upsample(scale_factor=s)
    SplitChannels           Identity(): the channels are in groups
    activations             those of the same names

    Of pictures, a LayerNorm is over the channels, and a Residual(f) adds f(x) to x: torch.nn has no module for these.
    Write one that has the parameters weight and bias, or a child named "layer". Log1p, the first layer of an encoder of
    counts, is torch.log1p in the columns of counts.

    Pictures go in and come out as (B, C, H, W) where the first or the last layer is one of pictures; rows stay rows.
    The encoder reads `model.scaled(x)`, with 0 for missing values, and gives [μ, log σ²]; the decoder gives the
    parameters of the likelihood, such as logits. Parameters of other parts, as "likelihood.logvar", are not included.

    The arrays are copies. Raises ConfigError for layers of your own.
    """
    model = model_of(model)
    shapes = {"encoder": model.row_shape, "decoder": (model.latent_dim,), "classifier": model.row_shape}
    with model.locks.read_lock():
        return {
            name: array
            for part, shape in shapes.items()
            if part in model.parts
            for name, array in _network(model.parts[part], part, shape)
        }


def _network(network: Layer, part: str, shape: Shape) -> Iterator[tuple[str, Array]]:
    steps = list(_steps(network, part, shape))
    end = steps[-1].output_shape if steps else shape
    last = _channels_first(end) if part == "decoder" and len(end) == 3 else _same(end)
    first = _same(shape) if part == "decoder" else _needed(steps, last)
    order, state = _convert(steps, first, last)
    if part != "decoder" and not np.array_equal(order, _same(end)):
        raise _misplaced(steps[-1])
    yield from state.items()


def _steps(layer: Layer, name: str, shape: Shape) -> Iterator[Step]:
    """The layers of a network, one after the other, without the containers."""
    kind = layer_class(layer, name)
    inner: Any = layer
    if kind is NaNToZero:
        yield from _steps(inner.inner, name, shape)
    elif kind is Sequential or kind is ConditionalSequential:
        for k, child in enumerate(inner.layers):
            yield from _steps(child, f"{name}.{k}", shape)
            shape = child.output_shape(shape)
    else:
        yield Step(name, layer, kind, shape, layer.output_shape(shape))


def _same(shape: Shape) -> Array:
    return np.arange(prod(shape))


def _channels_first(shape: Shape) -> Array:
    """The order of pictures (H, W, C) as (C, H, W)."""
    height, width, channels = (*shape, 1)[:3]
    return np.arange(prod(shape)).reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)


def _needed(steps: Sequence[Step], last: Array) -> Array:
    """The order that the first of the steps needs its input in; `last` is that of the output of all steps."""
    if not steps:
        return last
    step, rest = steps[0], steps[1:]
    if step.kind in OF_PICTURES or (step.kind in (Gated, LayerNorm) and len(step.input_shape) == 3):
        return _channels_first(step.input_shape)
    if step.kind in (Linear, MaskedLinear, ConditionalLinear):  # it takes any order
        return _same(step.input_shape)
    after = _needed(rest, last)
    if step.kind is Gated:
        return np.concatenate([after, after + len(after)])
    if step.kind is Residual:
        inner = list(_steps(step.layer.layer, f"{step.name}.layer", step.input_shape))
        first = next((s for s in inner if s.kind in (*OF_PICTURES, Linear, MaskedLinear, Gated, LayerNorm)), None)
        return _channels_first(step.input_shape) if first is not None and first.kind in OF_PICTURES else after
    return after


def _convert(steps: Sequence[Step], order: Array, last: Array) -> tuple[Array, dict[str, Array]]:
    """The order of the output, and the state of the steps, for an input in this `order`."""
    state: dict[str, Array] = {}
    for k, step in enumerate(steps):
        order, parameters = _convert_step(step, order, _needed(steps[k + 1 :], last))
        state |= {f"{step.name}.{name}".removeprefix("."): _copy(array) for name, array in parameters.items()}
    return order, state


def _convert_step(step: Step, order: Array, after: Array) -> tuple[Array, dict[str, Array]]:
    """The order of the output, and the parameters, of one layer; `after` is the order that the next one needs."""
    layer, kind, pictures = step.layer, step.kind, len(step.input_shape) == 3
    of_pictures = kind in OF_PICTURES or (pictures and kind in (Gated, LayerNorm))
    if of_pictures and not np.array_equal(order, _channels_first(step.input_shape)):
        raise _misplaced(step)
    if kind is Linear or kind is MaskedLinear:
        W, b = to_numpy(linear_weights(layer)), to_numpy(layer.b)
        return after, {"weight": W[order][:, after].T, "bias": b[after]}
    if kind is ConditionalLinear:
        W = np.concatenate([to_numpy(layer.W)[order], to_numpy(layer.V)])[:, after]
        return after, {"weight": W.T, "bias": np.zeros(layer.outputs, W.dtype)}
    if kind is Conv2d or kind is ConvTranspose2d:  # W (k, k, I, O), or (k, k, O, I): the last axis comes first
        weight = to_numpy(layer.W).transpose(3, 2, 0, 1)
        return _channels_first(step.output_shape), {"weight": weight, "bias": to_numpy(layer.b)}
    if kind is LayerNorm:
        places = slice(None) if pictures else order
        return order, {"weight": to_numpy(layer.gain)[places], "bias": to_numpy(layer.bias)[places]}
    if kind is Upsample or (kind is Gated and pictures):
        return _channels_first(step.output_shape), {}
    if kind is Gated:
        half = order[: len(order) // 2]
        if not np.array_equal(order, np.concatenate([half, half + len(half)])):
            raise _misplaced(step)
        return half, {}
    if kind is SplitChannels:  # torch's channel k C + c is number c of group k
        height, width, channels = step.input_shape
        groups = np.arange(len(order)).reshape(layer.groups, height, width, channels // layer.groups)
        return groups.transpose(0, 3, 1, 2).reshape(-1), {}
    if kind is Residual:
        inner = list(_steps(layer.layer, "layer", step.input_shape))
        output, state = _convert(inner, order, order)
        if not np.array_equal(output, order):
            raise _misplaced(step)
        return order, state
    return order, {}


def _copy(array: Array) -> Array:
    """A contiguous copy: `to_numpy` may return a view of the model's weights."""
    return np.array(array, order="C")


def _misplaced(step: Step) -> ConfigError:
    return ConfigError(
        f"{step.name} is a {step.kind.__name__} between numbers in the order of pictures and of rows, which torch has "
        "in another order; put a Linear layer there, or use sv.export.onnx"
    )
