"""The public functions `check` and `check_gradient`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError, ShapeError
from scratchvae.gradcheck import checks, containers, frameworks
from scratchvae.gradcheck.autodiff import MIN_SCALE_RATIO, compare_arrays
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.gradcheck.function import LONG_DOUBLE, SINGLE, UserFunction
from scratchvae.gradcheck.gradient_check import DirectionalDerivative, GradientCheck, worst_by_name, worst_result
from scratchvae.gradcheck.report import WRONG, Argument, Report
from scratchvae.gradcheck.tolerance import AUTODIFF, FINITE_DIFFERENCES, FINITE_DIFFERENCES_FLOAT32
from scratchvae.validation import (
    check_bool,
    check_choice,
    check_int,
    check_positive,
    check_seed,
    shorten,
    suggest_arguments,
)

LARGE, SMALL = (
    2.0**900,
    2.0**-300,
)  # above LARGE, a sum of outputs might overflow; SMALL × such an output is large still
PRECISIONS = ("long double", "double")
STREAM = (
    6479  # dy must differ from inputs that a user draws with the same seed: a layer norm has no gradient for dy = x
)


@suggest_arguments
def check(
    f: Any,
    vjp: Any,
    *inputs: Any,
    directions: int = 3,
    coordinates: bool = False,
    seed: int = 0,
    step: float = 0.1,
    tolerance: float | None = None,
    names: Sequence[str] | None = None,
    precision: str = "long double",
    against: str | None = None,
    reference: Callable[..., Any] | None = None,
) -> Report:
    """Compare a hand-written vector-Jacobian product `vjp` with finite differences of `f` at `inputs`.

    f(*inputs)        returns y: an array or a number, or a tuple, list or dict of them, nested; y may be a buffer that
                      the next call overwrites
    vjp(dy, *inputs)  returns ∂⟨dy, y⟩/∂input for each input, in the structure and shapes of that input; for a single
                      input, the gradient itself. dy has the structure of y

    Inputs are arrays of float64 or float32, from NumPy, PyTorch or JAX, and tuples, lists and dicts of them, nested.
    Integers, booleans, strings and None among them are passed on: for an input without real numbers, vjp returns None
    or nothing at all. Outputs that are not real numbers have None in dy.

    f is called at the inputs just before each vjp. A layer whose forward caches values for its backward is therefore
    checked by check(layer.forward, lambda dy, x: layer.backward(dy), x) with respect to x, and by `check_layer` with
    respect to its parameters too. A `torch.autograd.Function` or a `jax.custom_vjp` has its own vjp:
    check(MyFunction, x, W).

    For a random dy, and for a random direction u of length 1 for each input, the check compares ⟨dy, J u⟩ by finite
    differences with ⟨vjp(dy), u⟩. The relative error is their difference over ‖vjp(dy)‖/√n, the expected size of
    ⟨vjp(dy), u⟩ for n coordinates, or over ⟨dy, J u⟩ if that is larger. dy is drawn from N(0, 1) regardless of the
    size of y, and made smaller only where ⟨dy, y⟩ might overflow. Of several outputs, each is also checked alone.
    Within one array, errors in small numbers are invisible beside large ones: check such outputs or inputs separately.

    directions    number of random pairs of dy and u
    coordinates   also check along every coordinate of every input; there the error is relative to the derivative along
                  that coordinate, unless rounding hides it
    seed          seed of dy and u
    step          first step of the differences, relative to the root mean square of the input, or to 1 where that is 0
                  or so small that rounding hides the slope; it is halved as long as that reduces the estimated error
    tolerance     largest relative error at which a gradient agrees; by default 1e-9, 1e-4 if an input is float32, and
                  `against` a library 1e-12, or 1e-4
    names         names of the inputs; by default the parameter names of f
    precision     "long double": f is evaluated in long double if that is wider than double on this platform and f
                  returns it; "double" is faster. float32 inputs are evaluated in the widest type that f takes
    against       "torch", "jax" or "autograd": compare with the derivative of that library instead, of f itself if it
                  is written for that library, or of `reference`; the error of an array is then
                  ‖vjp(dy) − expected‖ / ‖expected‖
    reference     with `against`: the same function as f, written for that library; its value is compared too

    A gradient that disagrees is traced to a single coordinate by bisection. It is "wrong" only if finite differences of
    more than one step size along that coordinate say so. The verdict is "kink" where the slope of f jumps, "unresolved"
    where rounding or kinks nearby hide whether the two agree, and "not finite" where a gradient is NaN or infinite.
    None of these passes.

    Raises DTypeError for inputs without real numbers, or if f does not return real numbers; RangeError if f is not
    finite, or differs between two calls; ShapeError for gradients of the wrong shape, number or structure; ConfigError
    for invalid settings and libraries that are not installed.
    """
    check_int("directions", directions)
    check_positive("step", step)
    if tolerance is not None:
        check_positive("tolerance", tolerance)
    check_seed(seed)
    check_bool("coordinates", coordinates)
    check_choice("precision", precision, PRECISIONS)
    if against is not None:
        frameworks.check_installed(check_choice("against", against, frameworks.AUTODIFF_LIBRARIES))
    if reference is not None and against is None:
        raise ConfigError("reference has no effect without against: set against to its library, such as 'torch'")
    f = frameworks.function_class(f)
    library = frameworks.library_of_function(f)
    if library is not None and vjp is not None and not callable(vjp):
        inputs, vjp = (vjp, *inputs), None
    names = checks.check_names(f.forward if library == frameworks.TORCH else f, names, len(inputs))
    notes: dict[str, None] = {}  # an ordered set
    if not inputs:
        raise ConfigError("no inputs were given; pass the arrays to check at, after the two functions")
    if library == frameworks.TORCH:
        checks.check_call("forward", f.forward, frameworks.forward_arguments(f, names))
        f = frameworks.watched_apply(f, names, notes)
    else:
        checks.check_call("f", f, names)
    vjp_name = "gradient" if isinstance(vjp, _OfOneNumber) else "vjp"
    if vjp is not None or library is None:
        checks.check_call(vjp_name, vjp, ("dy", *names))
    if against is None:
        function = UserFunction(f, inputs, names, library)
        return _with_finite_differences(
            function,
            _Gradients(function, vjp, library, notes, vjp_name),
            directions,
            coordinates,
            seed,
            step,
            tolerance,
            precision,
        )
    if reference is not None:
        checks.check_call("reference", reference, names)
    if reference is None and library is not None:
        raise ConfigError("a function with its own backward is compared with another one: pass it as reference")
    function = UserFunction(f if reference else _on_numpy(f, against), inputs, names, library)
    reference_library = None if against == frameworks.AUTOGRAD else against
    expected = UserFunction(reference or f, inputs, names, reference_library)
    gradients = _Gradients(function, vjp, library, notes, vjp_name)
    return _with_autodiff(gradients, expected, against, reference is not None, directions, seed, tolerance)


class _Gradients:
    """The gradients of a user's vjp, with what is noticed on the way."""

    def __init__(
        self, function: UserFunction, vjp: Any, library: str | None, notes: dict[str, None], vjp_name: str = "vjp"
    ) -> None:
        self.function, self.user_vjp, self.library, self.notes, self.vjp_name = function, vjp, library, notes, vjp_name

    def forward(self) -> Array:
        """f at the inputs, in a new array."""
        with self._watching("f") as arrays:
            return np.array(self.function(*arrays))

    def vjp(self, dy: Array) -> list[Array]:
        """The gradients, after a call of f at the inputs, since a layer caches values in its forward."""
        self.forward()
        with self._watching(self.vjp_name) as arrays:
            if self.user_vjp is None:
                assert self.library is not None
                return self.function.autodiff(self.library, dy, arrays)
            computed = self.function.vjp(self.user_vjp, dy, arrays, self.vjp_name)
            if self.function.changes_dy:
                self.notes[f"note: {self.vjp_name} changes dy in place: it overwrites the gradient of its caller"] = (
                    None
                )
            return computed

    def repeatable_vjp(self, dy: Array) -> list[Array]:
        """The gradients. Raises RangeError if a second call returns others."""
        gradients = self.vjp(dy)
        for name, gradient, repeated in zip(self.function.names, gradients, self.vjp(dy), strict=True):
            hint = "it must not accumulate gradients or draw noise"
            checks.check_repeatable(gradient, repeated, f"{self.vjp_name} for {name}", hint)
        return gradients

    def note_if_constant(self, dy: Array) -> None:
        """Note that the gradients are the same for twice this dy, to which they are proportional."""
        once, twice = self.vjp(dy), self.vjp(2 * dy)
        if any(g.any() for g in once) and all(np.array_equal(a, b) for a, b in zip(once, twice, strict=True)):
            self.notes[
                f"note: {self.vjp_name} does not depend on dy; check_gradient is for the gradient of a function that "
                "returns one number"
            ] = None

    @contextmanager
    def _watching(self, name: str) -> Iterator[list[Array]]:
        """Yield copies of the points, and note afterwards which of them have been changed in place."""
        points = self.function.given_points
        copies = [x.copy() for x in points]
        yield copies
        for input_name, x, copy in zip(self.function.names, points, copies, strict=True):
            if not np.array_equal(x, copy):
                self.notes[f"note: {name} changes {input_name} in place: it overwrites the array of its caller"] = None


def _with_finite_differences(
    function: UserFunction,
    gradients: _Gradients,
    directions: int,
    coordinates: bool,
    seed: int,
    step: float,
    tolerance: float | None,
    precision: str,
) -> Report:
    y = gradients.forward()
    checks.check_finite(y, function.split(y))
    hint = "it must not draw noise or update a state: make noise an input"
    checks.check_repeatable(y, gradients.forward(), "f", hint)
    if tolerance is None:
        tolerance = FINITE_DIFFERENCES_FLOAT32 if SINGLE in function.dtypes else FINITE_DIFFERENCES
    f, dtype, computes_in = function.widest(precision)
    limits = np.finfo(computes_in)
    numeric = DirectionalDerivative(
        f, function.points, dtype, float(limits.eps), float(limits.smallest_subnormal), step
    )
    results: list[list[Argument]] = [[] for _ in function.names]
    rng = np.random.default_rng([seed, STREAM])
    for number, dy in enumerate(_draws_of_dy(function, y, directions, rng)):
        numeric.set_dy(dy)
        computed = gradients.repeatable_vjp(dy) if number == 0 else gradients.vjp(dy)
        for k, (name, gradient) in enumerate(zip(function.names, computed, strict=True)):
            gradient_check = GradientCheck(name, numeric, k, gradient, tolerance)
            results[k].append(gradient_check.along_random_direction(rng))
            if coordinates and number == 0:
                results[k].extend(gradient_check.along_every_axis())
    arguments = tuple(map(worst_result, results))
    if any(argument.verdict == WRONG for argument in arguments):
        gradients.note_if_constant(dy)
    return Report(
        arguments=arguments,
        tolerance=tolerance,
        seed=seed,
        directions=directions,
        precision="single" if computes_in == SINGLE else "long double" if dtype == LONG_DOUBLE else "double",
        notes=tuple(gradients.notes),
    )


def _draws_of_dy(function: UserFunction, y: Array, directions: int, rng: np.random.Generator) -> list[Array]:
    """Draw dy for each direction and, if there are several outputs, one that is 0 for all but each of them."""
    scale = SMALL if float(np.abs(y).max(initial=0.0)) > LARGE else 1.0

    def draw() -> Array:
        dy = np.asarray(rng.standard_normal(y.shape)) * scale
        parts = zip(function.split(dy), function.output_dtypes(), strict=True)
        rounded = [part.astype(dtype).astype(np.float64) for part, dtype in parts]
        return np.concatenate([np.ravel(part) for part in rounded]).reshape(y.shape)

    draws = [draw() for _ in range(directions)]
    for k in range(function.output_count if function.output_count > 1 else 0):
        draws.append(draw())
        for other, part in enumerate(function.split(draws[-1])):
            part *= other == k
    return draws


def _with_autodiff(
    gradients: _Gradients,
    expected: UserFunction,
    library: str,
    compare_values: bool,
    directions: int,
    seed: int,
    tolerance: float | None,
) -> Report:
    function = gradients.function
    function_name = "reference" if compare_values else "f"
    with _written_for(library, function_name):
        expected_y = np.array(expected(*expected.points))
    checks.check_finite(expected_y, expected.split(expected_y))
    y = gradients.forward()
    if y.shape != expected_y.shape:
        raise ShapeError(f"f returned shape {y.shape} and reference {expected_y.shape}; expected the same function")
    single = SINGLE in function.dtypes or SINGLE in function.output_dtypes()
    tolerance = tolerance or AUTODIFF["float32" if single else "float64"]
    results: list[Argument] = []
    for number, dy in enumerate(_draws_of_dy(function, y, directions, np.random.default_rng([seed, STREAM]))):
        computed = gradients.repeatable_vjp(dy) if number == 0 else gradients.vjp(dy)
        with _written_for(library, function_name):
            wanted = expected.autodiff(library, dy, expected.points)
        actual, expected_gradients = (dict(zip(function.names, g, strict=True)) for g in (computed, wanted))
        results += compare_arrays(actual, expected_gradients, dy, tolerance, library)
        if compare_values and number == 0:
            value, expected_value = {"value of f": y}, {"value of f": expected_y}
            results += compare_arrays(value, expected_value, dy, tolerance, library, "f", MIN_SCALE_RATIO)
    return Report(
        arguments=worst_by_name(results),
        tolerance=tolerance,
        seed=seed,
        directions=directions,
        precision="single" if single else "double",
        notes=tuple(gradients.notes),
        source=library,
    )


@contextmanager
def _written_for(library: str, function_name: str) -> Iterator[None]:
    """Raise ConfigError if a function fails that should be written for the library."""
    try:
        yield
    except Exception as error:
        raise ConfigError(
            f"{function_name} fails on arrays of {library} ({shorten(error, 70)}): pass the same function, written for "
            f"{library}, as reference"
        ) from error


def _on_numpy(f: Callable[..., Any], library: str) -> Callable[..., Any]:
    """Return f, written for another library, as a function of NumPy arrays too; of its own arrays it stays as it is."""
    target = frameworks.NUMPY if library == frameworks.AUTOGRAD else library

    def on_numpy(*inputs: Any) -> Any:
        def convert(leaf: Any) -> Any:
            return frameworks.from_numpy(leaf, target) if frameworks.library_of(leaf) == frameworks.NUMPY else leaf

        def convert_back(leaf: Any) -> Any:
            return frameworks.to_numpy(leaf) if frameworks.library_of(leaf) else leaf

        has_own = any(frameworks.library_of(leaf) == target for _, leaf in containers.leaves(list(inputs), ""))
        with frameworks.in_float64([target]):
            y = f(*containers.rebuild(list(inputs), convert))
            return y if has_own else containers.rebuild(y, convert_back)

    return on_numpy


class _OfOneNumber:
    """The vjp of a function that returns one number, from its gradient."""

    def __init__(self, gradient: Callable[..., Any]) -> None:
        self.gradient = gradient

    def __call__(self, dy: Any, *inputs: Any) -> Any:
        def scaled(leaf: Any) -> Any:
            real = isinstance(leaf, float) or (
                frameworks.library_of(leaf) and frameworks.to_numpy(leaf).dtype.kind == "f"
            )
            return dy * leaf if real else leaf

        return containers.rebuild(self.gradient(*inputs), scaled)


def check_gradient(f: Callable[..., Any], gradient: Callable[..., Any], *inputs: Any, **settings: Any) -> Report:
    """Check the gradient of an f that returns one number: gradient(*inputs) is ∂f/∂input for each input.

    The settings and the exceptions are those of `check`; also raises ShapeError if f returns more than one number.
    """
    names = checks.check_names(f, settings.pop("names", None), len(inputs))
    checks.check_call("f", f, names)
    checks.check_call("gradient", gradient, names)

    def scalar(*arguments: Any) -> Any:
        y = f(*arguments)
        shape = None if containers.is_container(y) else np.shape(frameworks.to_numpy(y))
        if shape != ():
            kind = f"a {type(y).__name__}" if shape is None else f"shape {shape}"
            raise ShapeError(f"f returned {kind}; expected one number: for arrays, use check with a vjp")
        return y

    return check(scalar, _OfOneNumber(gradient), *inputs, names=names, **settings)
