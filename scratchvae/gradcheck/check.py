"""The check itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchvae.errors import ShapeError
from scratchvae.gradcheck import checks
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.gradcheck.gradient_check import DirectionalDerivative, GradientCheck, worst_coordinate
from scratchvae.gradcheck.report import Argument, Report
from scratchvae.gradcheck.tolerance import FINITE_DIFFERENCES
from scratchvae.validation import check_bool, check_int, check_positive, check_seed


def check(
    f: Callable[..., Any],
    vjp: Callable[..., Any],
    *inputs: Any,
    directions: int = 3,
    coordinates: bool = False,
    seed: int = 0,
    step: float = 0.1,
    tolerance: float = FINITE_DIFFERENCES,
    names: Sequence[str] | None = None,
) -> Report:
    """Hold a hand-written `vjp` against finite differences of `f` at `inputs`, float64 arrays.

    f(*inputs)        an array y, or a number; it may be a loan that the next call overwrites
    vjp(dy, *inputs)  one gradient for each input, of its shape: ∂⟨dy, y⟩/∂input; of a single input, the array itself

    f is called at the inputs just before each vjp, so a layer that keeps what its backward needs is checked by
    check(layer.forward, lambda dy, x: layer.backward(dy), x).

    For a random dy, and for each input a random direction u of length 1, ⟨dy, J u⟩ by finite differences is compared
    with ⟨vjp(dy), u⟩. The relative error is their difference over ‖vjp(dy)‖/√n, the size of ⟨vjp(dy), u⟩ to be
    expected, n being the number of coordinates, or over ⟨dy, J u⟩ if that is larger. dy is drawn from N(0, 1) whatever
    the size of y: outputs of very different sizes, and numbers of very different sizes in one input, are better
    checked apart, since the small are lost beside the large.

    directions    how many pairs of dy and u
    coordinates   look along every coordinate of every input besides; there the error is relative to the coordinate's
                  own derivative, unless that is lost in rounding
    seed          of dy and u
    step          where the differences begin, over the input's root mean square; they halve it as long as that helps
    tolerance     the relative error at which a gradient still agrees
    names         what to call the inputs; without it, as f does

    f is evaluated in long double if the platform's is wider than double and f returns it. A gradient that is found
    wrong is followed down to one coordinate. Where f has a kink, its slope a jump, the verdict is "kink"; where
    rounding hides whether the two agree, "unresolved"; where a gradient is NaN or infinite, "not finite": none of
    them passes.

    Raises DTypeError for inputs that are not float64, or if f returns something else than real numbers; RangeError
    where f is not finite, or differs from call to call; ShapeError for gradients of other shapes or another number
    of them; ConfigError for settings that make no sense.
    """
    check_int("directions", directions)
    check_positive("step", step)
    check_positive("tolerance", tolerance)
    check_seed(seed)
    check_bool("coordinates", coordinates)
    names = checks.check_names(f, names, len(inputs))
    points = checks.check_inputs(inputs, names)
    checks.check_call("f", f, names)
    checks.check_call("vjp", vjp, ("dy", *names))
    changed: dict[str, None] = {}  # what is written into, in the order of being seen

    def call(name: str, function: Callable[..., Any], *first: Array) -> Any:
        copies = [x.copy() for x in points]
        result = function(*first, *copies)
        for of, x, copy in zip(names, points, copies, strict=True):
            if not np.array_equal(x, copy):
                changed[f"note: {name} changes {of} in place: whoever passed it finds other numbers there"] = None
        return result

    def forward() -> Array:
        return np.array(checks.check_output(call("f", f)))

    # a layer that keeps in forward what its backward needs has kept it of these inputs, not of moved ones
    def backward(dy: Array) -> list[Array]:
        forward()
        return checks.check_gradients(call("vjp", vjp, dy.copy()), points, names)

    first = forward()
    checks.check_repeatable(
        first, forward(), "f", "it must not draw noise or change what it keeps: make noise an input"
    )
    dtype = checks.widest(f, points)
    long_double = checks.WIDER and dtype == checks.WIDE
    eps = float(np.finfo(dtype if long_double else first.dtype).eps)
    rng = np.random.default_rng(seed)
    found: list[list[Argument]] = [[] for _ in points]
    for turn in range(directions):
        dy = np.asarray(rng.standard_normal(first.shape))
        gradients = backward(dy)
        if not turn:
            for name, gradient, again in zip(names, gradients, backward(dy), strict=True):
                checks.check_repeatable(gradient, again, f"vjp for {name}", "it must not add up or draw noise")
        lines = DirectionalDerivative(f, points, dy, dtype, eps, step)
        for k, (name, gradient) in enumerate(zip(names, gradients, strict=True)):
            trial = GradientCheck(name, lines, k, gradient, tolerance)
            found[k].append(trial.random(rng))
            if coordinates and not turn:
                found[k].extend(trial.every_coordinate())
    return Report(tuple(map(worst_coordinate, found)), tolerance, seed, directions, long_double, tuple(changed))


def check_gradient(f: Callable[..., Any], gradient: Callable[..., Any], *inputs: Any, **settings: Any) -> Report:
    """As `check`, for an f that returns one number: gradient(*inputs) is ∂f/∂input for each input.

    Raises as `check`, and ShapeError if f returns more than one number.
    """
    names = checks.check_names(f, settings.pop("names", None), len(inputs))
    points = checks.check_inputs(inputs, names)
    checks.check_call("f", f, names)
    checks.check_call("gradient", gradient, names)

    def scalar(*moved: Array) -> Any:
        y = checks.check_output(f(*moved), finite=False)
        if np.shape(y):
            raise ShapeError(f"f returned shape {np.shape(y)}; expected one number: for arrays, use check with a vjp")
        return y

    def vjp(dy: Array, *moved: Array) -> list[Array]:
        return [dy * g for g in checks.check_gradients(gradient(*moved), points, names, "gradient")]

    return check(scalar, vjp, *points, names=names, **settings)
