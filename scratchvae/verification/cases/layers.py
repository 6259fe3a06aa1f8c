"""Checked layers: dx and the gradient of every parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae import layers
from scratchvae.backend import Array
from scratchvae.models.network import ACTIVATIONS, mlp
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


class _Network(layers.Sequential):
    """A network that takes its parameters as inputs, like x."""

    def forward(self, x: Array, *params: Array) -> Array:
        """Return y from x and from W and b of each layer, in order."""
        super().forward(x)  # the first call allocates the parameters
        for array, param in zip(self._arrays("W", "b"), params, strict=True):
            array[...] = param[: len(array)]
        return super().forward(x)

    def gradients(self, dy: Array) -> list[Array]:
        """Return dx, and dW and db of each layer, in order."""
        return [self.backward(dy), *self._arrays("dW", "db")]

    def _arrays(self, *names: str) -> list[Array]:
        linear_layers = [layer for layer in self.layers if isinstance(layer, layers.Linear)]
        return [getattr(layer, name) for layer in linear_layers for name in names]


def _checked_network(name: str, covers: tuple[type, ...], depth: int) -> VerificationCase:
    def draw(rng: np.random.Generator) -> GradientProblem:
        batch, *widths = random_sizes(rng, depth + 2)
        activation = str(rng.choice(SMOOTH))
        shapes = mlp(tuple(widths), activation).parameter_shapes()

        def formula(oracle: Oracle) -> Any:
            def f(x: Any, *weights: Any) -> Any:
                params = {f"net.{name}": weight for name, weight in zip(shapes, weights, strict=True)}
                return formulas.mlp(oracle, params, "net", x, activation)

            return f

        return module_gradient_problem(
            lambda: _Network(*mlp(tuple(widths), activation).layers),
            lambda network, dy: network.gradients(dy),
            formula,
            x=rng.standard_normal((batch, widths[0])),
            **{name: rng.standard_normal(shape) for name, shape in shapes.items()},
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


LAYERS = (
    _checked_network("Linear", (layers.Linear,), 1),
    *map(_checked_activation, ACTIVATIONS),
    _checked_network("Sequential", (layers.Sequential,), 3),
    VerificationCase("NaNToZero", (layers.NaNToZero,), _nan_to_zero),
    VerificationCase("Repeat", (layers.Repeat,), _repeat),
)
