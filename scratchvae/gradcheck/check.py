"""The public functions `check` and `check_gradient`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchvae.errors import ShapeError
from scratchvae.gradcheck import checks
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.gradcheck.gradient_check import DirectionalDerivative, GradientCheck, worst_result
from scratchvae.gradcheck.report import Argument, Report
from scratchvae.gradcheck.tolerance import FINITE_DIFFERENCES
from scratchvae.validation import check_bool, check_int, check_positive, check_seed, suggest_arguments

LARGE, SMALL = (
    2.0**900,
    2.0**-300,
)  # above LARGE, a sum of outputs might overflow; SMALL × such an output is large still


@suggest_arguments
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
    """Compare a hand-written vector-Jacobian product `vjp` with finite differences of `f` at `inputs`, float64 arrays.

    f(*inputs)        returns an array y, or a number; y may be a buffer that the next call overwrites
    vjp(dy, *inputs)  returns ∂⟨dy, y⟩/∂input for each input, in the shape of that input; for a single input, the
                      array itself

    f is called at the inputs just before each vjp. A layer whose forward caches values for its backward is therefore
    checked by check(layer.forward, lambda dy, x: layer.backward(dy), x).

    For a random dy, and for a random direction u of length 1 for each input, the check compares ⟨dy, J u⟩ by finite
    differences with ⟨vjp(dy), u⟩. The relative error is their difference over ‖vjp(dy)‖/√n, the expected size of
    ⟨vjp(dy), u⟩ for n coordinates, or over ⟨dy, J u⟩ if that is larger. dy is drawn from N(0, 1) regardless of the
    size of y, and made smaller only where ⟨dy, y⟩ might overflow. Check outputs of very different sizes separately, and
    likewise coordinates of one input: errors in the small ones are invisible beside the large ones.

    directions    number of random pairs of dy and u
    coordinates   also check along every coordinate of every input; there the error is relative to the derivative along
                  that coordinate, unless rounding hides it
    seed          seed of dy and u
    step          first step of the differences, relative to the root mean square of the input, or to 1 where that is 0
                  or so small that rounding hides the slope; it is halved as long as that reduces the estimated error
    tolerance     largest relative error at which a gradient agrees
    names         names of the inputs; by default the parameter names of f

    f is evaluated in long double if that is wider than double on this platform and f returns it. A gradient that
    disagrees is traced to a single coordinate by bisection. The verdict is "kink" where the slope of f jumps,
    "unresolved" where rounding hides whether the two agree, and "not finite" where a gradient is NaN or infinite. None
    of these passes.

    Raises DTypeError for inputs that are not float64, or if f does not return real numbers; RangeError if f is not
    finite, or differs between two calls; ShapeError for gradients of the wrong shape or number; ConfigError for invalid
    settings.
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
    notes: dict[str, None] = {}  # an ordered set

    def call(function_name: str, function: Callable[..., Any], *leading: Array) -> Any:
        copies = [x.copy() for x in points]
        result = function(*leading, *copies)
        for name, x, copy in zip(names, points, copies, strict=True):
            if not np.array_equal(x, copy):
                notes[f"note: {function_name} changes {name} in place: it overwrites the array of its caller"] = None
        return result

    def forward() -> Array:
        return np.array(checks.check_output(call("f", f)))

    # Finite differences call f at shifted inputs, so a layer must cache the values of these inputs again.
    def backward(dy: Array) -> list[Array]:
        forward()
        return checks.check_gradients(call("vjp", vjp, dy.copy()), points, names)

    y = forward()
    checks.check_repeatable(y, forward(), "f", "it must not draw noise or update a state: make noise an input")
    dtype = checks.widest_dtype(f, points)
    long_double = checks.LONG_DOUBLE_IS_WIDER and dtype == checks.LONG_DOUBLE
    precision = np.finfo(dtype if long_double else y.dtype)
    eps, smallest = float(precision.eps), float(precision.smallest_subnormal)
    dy_scale = SMALL if float(np.abs(y).max(initial=0.0)) > LARGE else 1.0
    rng = np.random.default_rng(seed)
    results: list[list[Argument]] = [[] for _ in points]
    for direction in range(directions):
        dy = np.asarray(rng.standard_normal(y.shape)) * dy_scale
        gradients = backward(dy)
        if direction == 0:
            for name, gradient, repeated in zip(names, gradients, backward(dy), strict=True):
                checks.check_repeatable(
                    gradient, repeated, f"vjp for {name}", "it must not accumulate gradients or draw noise"
                )
        numeric = DirectionalDerivative(f, points, dy, dtype, eps, smallest, step)
        for k, (name, gradient) in enumerate(zip(names, gradients, strict=True)):
            gradient_check = GradientCheck(name, numeric, k, gradient, tolerance)
            results[k].append(gradient_check.along_random_direction(rng))
            if coordinates and direction == 0:
                results[k].extend(gradient_check.along_every_axis())
    return Report(tuple(map(worst_result, results)), tolerance, seed, directions, long_double, tuple(notes))


def check_gradient(f: Callable[..., Any], gradient: Callable[..., Any], *inputs: Any, **settings: Any) -> Report:
    """Check the gradient of an f that returns one number: gradient(*inputs) is ∂f/∂input for each input.

    The settings and the exceptions are those of `check`; also raises ShapeError if f returns more than one number.
    """
    names = checks.check_names(f, settings.pop("names", None), len(inputs))
    points = checks.check_inputs(inputs, names)
    checks.check_call("f", f, names)
    checks.check_call("gradient", gradient, names)

    def scalar(*shifted: Array) -> Any:
        y = checks.check_output(f(*shifted), finite=False)
        if np.shape(y):
            raise ShapeError(f"f returned shape {np.shape(y)}; expected one number: for arrays, use check with a vjp")
        return y

    def vjp(dy: Array, *shifted: Array) -> list[Array]:
        return [dy * g for g in checks.check_gradients(gradient(*shifted), points, names, "gradient")]

    return check(scalar, vjp, *points, names=names, **settings)
