"""Checked layers: dx and the gradient of every parameter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from scratchvae import layers
from scratchvae.backend import Array
from scratchvae.models.network import ACTIVATIONS, mlp, network
from scratchvae.models.parts import modules_in
from scratchvae.verification import formulas
from scratchvae.verification.cases.random_inputs import away_from_zero, random_sizes
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import (
    GradientProblem,
    VerificationCase,
    module_gradient_problem,
    with_missing_values,
)

SMOOTH = ("tanh", "sigmoid", "softplus", "silu", "gelu")


def _checked_activation(name: str) -> VerificationCase:
    activation = ACTIVATIONS[name]

    def draw(rng: np.random.Generator) -> GradientProblem:
        return module_gradient_problem(
            activation,
            lambda layer, dy: [layer.backward(dy)],
            lambda oracle: getattr(oracle, name),
            x=away_from_zero(rng.standard_normal(random_sizes(rng, 2))),
        )

    return VerificationCase(activation.__name__, (activation,), draw)


class _WithParameters(layers.Layer):
    """A layer that takes its parameters as inputs, like x."""

    def __init__(self, layer: layers.Layer) -> None:
        self.layer = layer

    def forward(self, x: Array, *parameters: Array) -> Array:
        """Return y from x and all parameters of the layer, in order."""
        if x.dtype != next((array.dtype for array in self._arrays()), None):
            self.layer.forward(x)  # allocates the parameters
        for array, parameter in zip(self._arrays(), parameters, strict=True):
            array[...] = parameter[: len(array)]
        return self.layer.forward(x)

    def gradients(self, dy: Array) -> list[Array]:
        """Return dx, and the gradients of all parameters, in order."""
        return [self.layer.backward(dy), *self._arrays("d")]

    def _arrays(self, prefix: str = "") -> list[Array]:
        own = ((module, name) for _, module in modules_in(self.layer, "") for name in module.own_parameters())
        return [getattr(module, f"{prefix}{name}") for module, name in own]


def _problem(
    make: Callable[[], layers.Layer],
    formula: Callable[..., Any],
    x: Array,
    parameters: dict[str, Array],
) -> GradientProblem:
    """Make the problem of a layer: formula(oracle, x, *parameters) is its output."""
    return module_gradient_problem(
        lambda: _WithParameters(make()),
        lambda layer, dy: layer.gradients(dy),
        lambda oracle: partial(formula, oracle),
        x=x,
        **parameters,
    )


def _checked_network(name: str, covers: tuple[type, ...], depth: int) -> VerificationCase:
    def draw(rng: np.random.Generator) -> GradientProblem:
        batch, *widths = random_sizes(rng, depth + 2)
        activation = str(rng.choice(SMOOTH))
        shapes = network(mlp(widths, ACTIVATIONS[activation])).parameter_shapes()

        def formula(oracle: Oracle, x: Any, *weights: Any) -> Any:
            params = {f"net.{name}": weight for name, weight in zip(shapes, weights, strict=True)}
            return formulas.mlp(oracle, params, "net", x, activation)

        return _problem(
            lambda: network(mlp(widths, ACTIVATIONS[activation])),
            formula,
            rng.standard_normal((batch, widths[0])),
            {name: rng.standard_normal(shape) for name, shape in shapes.items()},
        )

    return VerificationCase(name, covers, draw)


def _nan_to_zero(rng: np.random.Generator) -> GradientProblem:
    shape = random_sizes(rng, 2)
    missing = rng.random(shape) < 0.5
    problem = module_gradient_problem(
        lambda: layers.NaNToZero(layers.Tanh()),
        lambda layer, dy: [layer.backward(dy)],
        lambda oracle: lambda x: oracle.tanh(x * oracle.constant(1.0 - missing)),
        x=rng.standard_normal(shape),
    )
    return with_missing_values(problem, missing)


def _repeat(rng: np.random.Generator) -> GradientProblem:
    rows, width, times = random_sizes(rng, 3)
    return module_gradient_problem(
        lambda: layers.Repeat(times),
        lambda repeat, dy: [repeat.backward(dy)],
        lambda oracle: lambda x: (x[:, None] + oracle.constant(np.zeros((1, times, 1)))).reshape(-1, width),
        x=rng.standard_normal((rows, width)),
    )


def _random_picture(rng: np.random.Generator, smallest: int = 1) -> tuple[int, int, int, int]:
    """Return B, H, W and C, with pictures of at least `smallest` pixels in height and width."""
    batch, height, width, channels = random_sizes(rng, 4)
    return batch, height + smallest - 1, width + smallest - 1, min(channels, 3)


def _random_window(rng: np.random.Generator) -> tuple[int, int, int]:
    """Return a kernel size, a stride and a padding."""
    size, stride = (int(number) for number in rng.integers(1, 5, 2))
    return size, stride, int(rng.integers(size))


def _conv2d(rng: np.random.Generator) -> GradientProblem:
    size, stride, padding = _random_window(rng)
    batch, height, width, inputs = _random_picture(rng, max(1, size - 2 * padding))
    outputs = int(rng.integers(1, 4))

    def formula(oracle: Oracle, x: Any, W: Any, b: Any) -> Any:
        y = oracle.convolve(x.reshape(batch, height, width, inputs), W, stride, padding) + b
        return y.reshape(batch, -1)

    return _problem(
        lambda: layers.Sequential(
            layers.Reshape(height, width, inputs), layers.Conv2d(inputs, outputs, size, stride, padding)
        ),
        formula,
        rng.standard_normal((batch, height * width * inputs)),
        {"W": rng.standard_normal((size, size, inputs, outputs)), "b": rng.standard_normal(outputs)},
    )


def _conv_transpose2d(rng: np.random.Generator) -> GradientProblem:
    size, stride, padding = _random_window(rng)
    batch, height, width, inputs = _random_picture(rng, 1 + max(0, -(-(2 * padding + 1 - size) // stride)))
    outputs, more = int(rng.integers(1, 4)), (int(rng.integers(stride)), int(rng.integers(stride)))

    def formula(oracle: Oracle, x: Any, W: Any, b: Any) -> Any:
        y = oracle.convolve_transpose(x.reshape(batch, height, width, inputs), W, stride, padding, more) + b
        return y.reshape(batch, -1)

    return _problem(
        lambda: layers.Sequential(
            layers.Reshape(height, width, inputs),
            layers.ConvTranspose2d(inputs, outputs, size, stride, padding, more if more[0] != more[1] else more[0]),
        ),
        formula,
        rng.standard_normal((batch, height * width * inputs)),
        {"W": rng.standard_normal((size, size, outputs, inputs)), "b": rng.standard_normal(outputs)},
    )


def _upsample(rng: np.random.Generator) -> GradientProblem:
    batch, height, width, channels = _random_picture(rng)
    scale = int(rng.integers(1, 4))
    ones = np.ones((1, 1, scale, 1, scale, 1))
    return _problem(
        lambda: layers.Sequential(layers.Reshape(height, width, channels), layers.Upsample(scale)),
        lambda oracle, x: (x.reshape(batch, height, 1, width, 1, channels) * oracle.constant(ones)).reshape(batch, -1),
        rng.standard_normal((batch, height * width * channels)),
        {},
    )


def _split_channels(rng: np.random.Generator) -> GradientProblem:
    batch, height, width, channels = _random_picture(rng)
    groups = int(rng.integers(1, 4))

    shape = height, width, groups * channels
    return _problem(
        lambda: layers.Sequential(layers.Reshape(*shape), layers.SplitChannels(groups)),
        lambda oracle, x: formulas.split_channels(oracle, x.reshape(batch, *shape), groups),
        rng.standard_normal((batch, height * width * groups * channels)),
        {},
    )


def _layer_norm(rng: np.random.Generator) -> GradientProblem:
    batch, height, width, channels = _random_picture(rng)
    size, eps = channels + 2, float(rng.choice([1e-5, 0.1]))  # two numbers are normalized to ±1, whatever they are

    def formula(oracle: Oracle, x: Any, gain: Any, bias: Any) -> Any:
        return oracle.layer_norm(x.reshape(-1, size), gain, bias, eps).reshape(batch, -1)

    return _problem(
        lambda: layers.Sequential(layers.Reshape(height, width, size), layers.LayerNorm(size, eps)),
        formula,
        rng.standard_normal((batch, height * width * size)),
        {"gain": rng.standard_normal(size), "bias": rng.standard_normal(size)},
    )


def _gated(rng: np.random.Generator) -> GradientProblem:
    batch, height, width, channels = _random_picture(rng)

    def formula(oracle: Oracle, x: Any) -> Any:
        pixels = x.reshape(-1, 2 * channels)
        return (pixels[:, :channels] * oracle.sigmoid(pixels[:, channels:])).reshape(batch, -1)

    return _problem(
        lambda: layers.Sequential(layers.Reshape(height, width, 2 * channels), layers.Gated()),
        formula,
        rng.standard_normal((batch, height * width * 2 * channels)),
        {},
    )


def _residual(rng: np.random.Generator) -> GradientProblem:
    batch, width = random_sizes(rng, 2)
    return _problem(
        lambda: layers.Residual(layers.Sequential(layers.Linear(width, width), layers.Tanh())),
        lambda oracle, x, W, b: x + oracle.tanh(oracle.affine(x, W, b)),
        rng.standard_normal((batch, width)),
        {"W": rng.standard_normal((width, width)), "b": rng.standard_normal(width)},
    )


def _elu(rng: np.random.Generator) -> GradientProblem:
    alpha = float(rng.choice([0.3, 1.0, 2.0]))
    return _problem(
        lambda: layers.ELU(alpha),
        lambda oracle, x: oracle.relu(x) - alpha * oracle.relu(-oracle.elu(x)),
        away_from_zero(rng.standard_normal(random_sizes(rng, 2))),
        {},
    )


def _flatten(rng: np.random.Generator) -> GradientProblem:
    batch, height, width, channels = _random_picture(rng)
    return _problem(
        lambda: layers.Sequential(layers.Reshape(height, width, channels), layers.Flatten()),
        lambda oracle, x: 1.0 * x,
        rng.standard_normal((batch, height * width * channels)),
        {},
    )


def _log1p(rng: np.random.Generator) -> GradientProblem:
    batch, width = random_sizes(rng, 2)
    start = int(rng.integers(width))
    counts = np.arange(width) >= start * (some := bool(rng.integers(2)))
    return module_gradient_problem(
        lambda: layers.Log1p(((start, width),) if some else None),
        lambda layer, dy: [layer.backward(dy)],
        lambda oracle: (
            lambda x: oracle.log(1.0 + x * oracle.constant(1.0 * counts)) + x * oracle.constant(1.0 - counts)
        ),
        x=np.where(counts, rng.poisson(3.0, (batch, width)), rng.standard_normal((batch, width))),
    )


LAYERS = (
    _checked_network("Linear", (layers.Linear,), 1),
    *map(_checked_activation, ACTIVATIONS),
    VerificationCase("ELU, alpha", (layers.ELU,), _elu),
    VerificationCase("Log1p", (layers.Log1p,), _log1p),
    VerificationCase("Gated", (layers.Gated,), _gated),
    VerificationCase("LayerNorm", (layers.LayerNorm,), _layer_norm),
    _checked_network("Sequential", (layers.Sequential,), 3),
    VerificationCase("Residual", (layers.Residual,), _residual),
    VerificationCase("Conv2d", (layers.Conv2d,), _conv2d),
    VerificationCase("ConvTranspose2d", (layers.ConvTranspose2d,), _conv_transpose2d),
    VerificationCase("Upsample", (layers.Upsample,), _upsample),
    VerificationCase("SplitChannels", (layers.SplitChannels,), _split_channels),
    VerificationCase("Reshape", (layers.Reshape, layers.Flatten), _flatten),
    VerificationCase("NaNToZero", (layers.NaNToZero,), _nan_to_zero),
    VerificationCase("Repeat", (layers.Repeat,), _repeat),
)
