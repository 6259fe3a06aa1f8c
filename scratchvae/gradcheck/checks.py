"""Validation of f, its vjp, their inputs and their results."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.validation import short_repr

LONG_DOUBLE = np.dtype(np.longdouble)
DOUBLE = np.dtype(np.float64)
LONG_DOUBLE_IS_WIDER = bool(np.finfo(LONG_DOUBLE).eps < np.finfo(DOUBLE).eps)
NO_GRADIENT_HINT = "bind inputs without a gradient, such as labels, in f: lambda x: f(x, labels)"
# Relative to the largest value: threads may sum in a different order, which changes a result by less than noise does.
REPEATABILITY_TOLERANCE = 1e-12


def check_names(f: Callable[..., Any], names: Any, count: int) -> tuple[str, ...]:
    """Return a name for each input: `names`, the parameter names of f, or "input 0" and so on. Raises ConfigError."""
    if names is not None:
        given_names = tuple(names) if isinstance(names, tuple | list) else ()
        if len(given_names) != count or not all(isinstance(name, str) and name.strip() for name in given_names):
            raise ConfigError(f"names={short_repr(names)}: expected a tuple of {count} strings, one for each input")
        if len(set(given_names)) != count:
            raise ConfigError(f"names={names!r}: expected a different name for each input")
        return given_names
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a callable without a signature, such as a NumPy ufunc
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return tuple(positional[:count]) if len(positional) >= count else tuple(f"input {k}" for k in range(count))


def check_call(name: str, function: Callable[..., Any], arguments: Sequence[str]) -> None:
    """Raise ConfigError if `function` is not callable, or does not accept these positional arguments."""
    if not callable(function):
        raise ConfigError(f"{name}={short_repr(function)}: expected a function of {', '.join(arguments)}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        call = f"{name}({', '.join(arguments)})"
        raise ConfigError(
            f"{name} cannot be called as {call}: {error}; wrap it, as in lambda {', '.join(arguments)}: …"
        ) from None


def check_inputs(inputs: Sequence[Any], names: tuple[str, ...]) -> tuple[Array, ...]:
    """Return the inputs as float64 arrays. Raises ConfigError, DTypeError or RangeError."""
    if not inputs:
        raise ConfigError("no inputs were given; pass the arrays to check at, after the two functions")
    arrays = []
    for name, x in zip(names, inputs, strict=True):
        if isinstance(x, float):
            x = np.asarray(x)
        if type(x) is not np.ndarray:
            raise DTypeError(
                f"{name} is of type {type(x).__qualname__}; expected a NumPy array of float64: convert it with "
                "numpy.array(x, 'float64'); pass several arrays as separate arguments"
            )
        if x.dtype != DOUBLE:
            raise DTypeError(
                f"{name} has dtype {x.dtype}; expected float64, whose precision finite differences need: convert it "
                f"with .astype('float64'){'' if x.dtype.kind == 'f' else '; ' + NO_GRADIENT_HINT}"
            )
        if not np.isfinite(x).all():
            raise RangeError(f"{name} contains NaN or infinite values, where f has no derivative; choose another point")
        arrays.append(x)
    return tuple(arrays)


def check_output(y: Any, finite: bool = True) -> Array:
    """Return the result of f as one array of real numbers, by default finite. Raises DTypeError or RangeError."""
    if isinstance(y, tuple | list | dict | set) or y is None:
        raise DTypeError(
            f"f returned {'None' if y is None else f'a {type(y).__qualname__}'}; expected one array or number: check "
            "outputs one at a time, or join them with numpy.concatenate"
        )
    try:
        array = np.asarray(y)
    except ValueError:
        raise DTypeError("f returned rows of unequal length; expected one array or number") from None
    if array.dtype.kind != "f":
        raise DTypeError(
            f"f returned {_kind(array)}; expected real numbers: compute in floating point and return the result"
        )
    if finite and not np.isfinite(array).all():
        index = [int(k) for k in np.argwhere(~np.isfinite(array))[0]]
        position = f" (output {index})" if index else ""
        raise RangeError(
            f"f is {array[tuple(index)]} at the inputs{position}; choose a point where it has a derivative"
        )
    return array


def check_gradients(
    gradients: Any, inputs: tuple[Array, ...], names: tuple[str, ...], function_name: str = "vjp"
) -> list[Array]:
    """Return copies of the gradients, one for each input, in its shape. Raises DTypeError or ShapeError.

    They are copied because a layer may reuse their memory in its next forward, which finite differences call.
    """
    if isinstance(gradients, np.ndarray | float) or (len(inputs) == 1 and hasattr(gradients, "__array__")):
        gradients = (gradients,)
    if not isinstance(gradients, tuple | list):
        kind = "None" if gradients is None else f"a {type(gradients).__qualname__}"
        raise ShapeError(
            f"{function_name} returned {kind}; expected a tuple with a gradient for each of {', '.join(names)}"
        )
    if len(gradients) != len(inputs):
        raise ShapeError(
            f"{function_name} returned {len(gradients)} gradient{'s' if len(gradients) > 1 else ''} in a tuple; "
            f"expected {len(inputs)}: one for each of {', '.join(names)}"
        )
    copies = []
    for name, x, gradient in zip(names, inputs, gradients, strict=True):
        try:
            copy = np.array(gradient)
        except ValueError:
            raise DTypeError(f"{function_name} returned rows of unequal length for {name}; expected an array") from None
        if copy.dtype.kind != "f":
            hint = f": {NO_GRADIENT_HINT}" if gradient is None else ""
            raise DTypeError(
                f"{function_name} returned {_kind(copy)} for {name}; expected an array of real numbers{hint}"
            )
        if copy.shape != x.shape:
            raise ShapeError(
                f"{function_name} returned shape {copy.shape} for {name}; expected {x.shape}, the shape of the input"
            )
        copies.append(copy)
    return copies


def _kind(array: Array) -> str:
    return "None" if array.dtype == object and array.item(0) is None else f"dtype {array.dtype}"


def check_repeatable(first: Array, second: Array, function_name: str, hint: str) -> None:
    """Raise RangeError if the results of two calls at the same inputs differ."""
    if first.shape == second.shape and np.array_equal(first, second, equal_nan=True):
        return
    allowed = REPEATABILITY_TOLERANCE * np.abs(first).max(initial=0)
    with np.errstate(over="ignore", invalid="ignore"):
        differ = first.shape != second.shape or np.abs(first - second).max(initial=0) > allowed
    if differ:
        raise RangeError(f"{function_name} returned two different values for the same inputs; {hint}")


def widest_dtype(f: Callable[..., Any], inputs: tuple[Array, ...]) -> np.dtype[Any]:
    """Return long double if it is wider than double on this platform and f computes in it, else float64."""
    if not LONG_DOUBLE_IS_WIDER:
        return DOUBLE
    try:
        y = f(*(x.astype(LONG_DOUBLE) for x in inputs))
    except Exception:  # a user's f may raise anything; it works in float64, and the report states the precision
        return DOUBLE
    return LONG_DOUBLE if getattr(y, "dtype", None) == LONG_DOUBLE else DOUBLE
