"""One piece of the package at random inputs, beside the formula that it should be."""

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
    """A forward and its backward.

    inputs            float64, by name: what the gradient is taken with respect to
    forward(*inputs)  our value, computed in the inputs' dtype
    vjp(dy, *inputs)  our gradient of ⟨dy, forward⟩ for each input, through the hand-written backward
    formula(oracle)   the same function of the same inputs, over the oracle's arrays
    """

    inputs: dict[str, Array]
    forward: Callable[..., Any]
    vjp: Callable[..., Sequence[Array]]
    formula: Callable[[Oracle], Callable[..., Any]]

    def __repr__(self) -> str:
        return fields_repr(self)


class StepProblem(NamedTuple):
    """Something that moves numbers by a rule: an optimizer, a step of training.

    inputs                             float64, by name
    ours(*inputs)                      where our code arrives, in the inputs' dtype
    published(oracle, dtype, *inputs)  where the published rule arrives, in float64, from noise drawn in `dtype`
    """

    inputs: dict[str, Array]
    ours: Callable[..., Array]
    published: Callable[..., Array]

    def __repr__(self) -> str:
        return fields_repr(self)


Problem = GradientProblem | StepProblem


class CheckedModule(NamedTuple):
    """A piece of the package that is checked: `covers` its classes or functions, `draw` makes a random problem."""

    name: str
    covers: tuple[Any, ...]
    draw: Callable[[np.random.Generator], Problem]


def check_rows(model: Any, x: Any, eps: Any) -> tuple[Array, Array]:
    """x (B, D) and eps (B, noise_dim), once `model` is known to be one, and to take them. Raises as its methods do."""
    model = check_type("model", model, Model, "a model, such as VAE(784, 20)")
    x, eps = model.check_data(x), model.validator.check_rows(eps, "eps", model.noise_dim)
    if len(eps) != len(x):
        raise ShapeError(f"eps has {len(eps)} rows and x has {len(x)}; expected one row of noise for each row of x")
    return x, eps


class PerDtype(dict["np.dtype[Any]", Any]):
    """One copy of a piece for each dtype that it is asked to compute in."""

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
    """The problem of a module whose forward takes the inputs; a batch twice as tall has passed through it before."""

    def used(dtype: np.dtype[Any]) -> Any:
        module = make()
        module.forward(*(np.concatenate([x, x]).astype(dtype) for x in inputs.values()))
        return module

    modules = PerDtype(used)

    def forward(*arrays: Array) -> Any:
        return modules[arrays[0].dtype].forward(*arrays)

    def vjp(dy: Array, *arrays: Array) -> Sequence[Array]:
        forward(*arrays)
        return backward(modules[arrays[0].dtype], dy)

    return GradientProblem(inputs, forward, vjp, formula)


def with_missing_values(problem: GradientProblem, hidden: Array) -> GradientProblem:
    """`problem`, whose x, and corrupted x, have NaN wherever `hidden` is True when our code is given them."""
    at = [k for k, name in enumerate(problem.inputs) if name in ("x", "corrupted")]

    def hide(arrays: Sequence[Array]) -> list[Array]:
        return [np.where(hidden, a.dtype.type(np.nan), a) if k in at else a for k, a in enumerate(arrays)]

    return problem._replace(
        forward=lambda *arrays: problem.forward(*hide(arrays)),
        vjp=lambda dy, *arrays: problem.vjp(dy, *hide(arrays)),
    )
