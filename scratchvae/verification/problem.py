"""Problems: a module of the package at random inputs, together with its independent formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.models import Model
from scratchvae.representation import fields_repr
from scratchvae.validation import check_type
from scratchvae.verification.oracles import Oracle


class GradientProblem(NamedTuple):
    """A forward, its hand-written backward, and the formula of the same function.

    inputs            float64 arrays by name; the gradient is taken with respect to each
    forward(*inputs)  the package's value, computed in the dtype of the inputs
    vjp(dy, *inputs)  the package's gradient of ⟨dy, forward⟩ for each input, by the hand-written backward
    formula(oracle)   the same function of the same inputs, on the oracle's arrays
    """

    inputs: dict[str, Array]
    forward: Callable[..., Any]
    vjp: Callable[..., Sequence[Array]]
    formula: Callable[[Oracle], Callable[..., Any]]

    def __repr__(self) -> str:
        return fields_repr(self)


class StepProblem(NamedTuple):
    """An update rule: an optimizer, gradient clipping or a training step.

    inputs                                    float64 arrays by name
    update(*inputs)                           the package's result, in the dtype of the inputs
    published_update(oracle, dtype, *inputs)  the result of the published rule, in float64, with noise drawn in `dtype`
    """

    inputs: dict[str, Array]
    update: Callable[..., Array]
    published_update: Callable[..., Array]

    def __repr__(self) -> str:
        return fields_repr(self)


Problem = GradientProblem | StepProblem


class VerificationCase(NamedTuple):
    """A module, model, optimizer or training step to verify against independent formulas.

    covers       the classes or functions of the package that it verifies; every public one must be covered
    draw(rng)    a randomly generated problem
    """

    name: str
    covers: tuple[Any, ...]
    draw: Callable[[np.random.Generator], Problem]

    def __repr__(self) -> str:
        return fields_repr(self)


def check_rows(model: Any, x: Any, eps: Any) -> tuple[Array, Array]:
    """Return x (B, D) and eps (B, noise_dim), validated for `model`. Raises the exceptions of the model's methods."""
    model = check_type("model", model, Model, "a model, such as VAE(784, 20)")
    x, eps = model.check_data(x), model.validator.check_rows(eps, "eps", model.noise_dim)
    if len(eps) != len(x):
        raise ShapeError(f"eps has {len(eps)} rows and x has {len(x)}; expected one row of noise for each row of x")
    return x, eps


class PerDtype(dict["np.dtype[Any]", Any]):
    """One copy of a module for each dtype, made on first access."""

    def __init__(self, make: Callable[[np.dtype[Any]], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, dtype: np.dtype[Any]) -> Any:
        self[dtype] = self.make(dtype)
        return self[dtype]


def module_gradient_problem(
    make: Callable[[], Any],
    backward: Callable[[Any, Array], Sequence[Array]],
    formula: Callable[[Oracle], Callable[..., Any]],
    **inputs: Array,
) -> GradientProblem:
    """Make the problem of a module whose forward takes `inputs`.

    The module first processes a batch of twice the size, so that its buffers are larger than the batch under test.
    """

    def make_with_larger_buffers(dtype: np.dtype[Any]) -> Any:
        module = make()
        module.forward(*(np.concatenate([x, x]).astype(dtype) for x in inputs.values()))
        return module

    modules = PerDtype(make_with_larger_buffers)

    def forward(*arrays: Array) -> Any:
        return modules[arrays[0].dtype].forward(*arrays)

    def vjp(dy: Array, *arrays: Array) -> Sequence[Array]:
        forward(*arrays)
        return backward(modules[arrays[0].dtype], dy)

    return GradientProblem(inputs, forward, vjp, formula)


def with_missing_values(problem: GradientProblem, missing: Array) -> GradientProblem:
    """Return `problem` with NaN in x and in the corrupted x, for the package's side only, where `missing` is True."""
    data_positions = [k for k, name in enumerate(problem.inputs) if name in ("x", "corrupted")]

    def insert_nan(arrays: Sequence[Array]) -> list[Array]:
        return [np.where(missing, a.dtype.type(np.nan), a) if k in data_positions else a for k, a in enumerate(arrays)]

    return problem._replace(
        forward=lambda *arrays: problem.forward(*insert_nan(arrays)),
        vjp=lambda dy, *arrays: problem.vjp(dy, *insert_nan(arrays)),
    )
