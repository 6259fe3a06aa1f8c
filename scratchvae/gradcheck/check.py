"""The check itself."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.gradcheck.finite_difference import Array, directional_derivative


class Report(NamedTuple):
    """The largest relative error of each input's gradient, over all directions tried."""

    errors: tuple[float, ...]

    @property
    def worst(self) -> float:
        """The largest of all."""
        return max(self.errors)


def check(
    f: Callable[..., Any],
    vjp: Callable[..., Any],
    *inputs: Array,
    directions: int = 2,
    seed: int = 0,
    step: float = 6e-3,
) -> Report:
    """Hold `vjp` against finite differences of `f` at `inputs`.

    f(*inputs)        an array y, or a number
    vjp(dy, *inputs)  one gradient for each input, of its shape: ∂⟨dy, y⟩/∂input

    For a random dy, and for each input a random direction u of length 1, ⟨dy, J u⟩ by finite differences is compared
    with ⟨vjp(dy), u⟩. The relative error is their difference over ‖vjp(dy)‖/√n, the size of ⟨vjp(dy), u⟩ to be
    expected, n being the number of coordinates, or over ⟨dy, J u⟩ if that is larger. f should have no kink within
    `step` of the inputs. An input without coordinates has error 0. Raises DTypeError for inputs that are not float64,
    ShapeError for gradients of other shapes, RangeError for NaN, ConfigError for no directions.
    """
    if directions < 1:
        raise ConfigError(f"directions={directions}: expected at least 1")
    for k, x in enumerate(inputs):
        if x.dtype != np.float64:
            raise DTypeError(f"input {k} has dtype {x.dtype}; expected float64: finite differences need its precision")
    rng = np.random.default_rng(seed)
    worst = [0.0] * len(inputs)
    for _ in range(directions):
        dy = rng.standard_normal(np.shape(f(*inputs)))
        # a unit's gradients are its own until its next forward, which the finite differences call: keep copies
        gradients = [np.array(gradient) for gradient in vjp(dy.copy(), *inputs)]
        for k, (x, gradient) in enumerate(zip(inputs, gradients, strict=True)):
            if gradient.shape != x.shape:
                raise ShapeError(f"the gradient of input {k} has shape {gradient.shape}; expected {x.shape}")
            if not x.size:
                continue
            u = np.asarray(rng.standard_normal(x.shape))
            u = u / np.linalg.norm(u)

            def along(x_k: Array, k: int = k, dy: Array = dy) -> float:
                return float(np.vdot(dy, f(*inputs[:k], x_k, *inputs[k + 1 :])))

            numeric = directional_derivative(along, x, u, step)
            analytic = float(np.vdot(gradient, u))
            expected = max(float(np.linalg.norm(gradient)) / sqrt(x.size), abs(numeric))
            if not np.isfinite(numeric + analytic):
                raise RangeError(f"input {k}: the derivative is {numeric} by finite differences and {analytic} by vjp")
            worst[k] = max(worst[k], abs(numeric - analytic) / expected if expected else 0.0)
    return Report(tuple(worst))
