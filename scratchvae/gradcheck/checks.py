"""What f, its vjp and their inputs must be, looked at before anything is concluded from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.validation import short_repr

WIDE = np.dtype(np.longdouble)
DOUBLE = np.dtype(np.float64)
WIDER = bool(np.finfo(WIDE).eps < np.finfo(DOUBLE).eps)
NO_GRADIENT = "what has no gradient, such as labels, belongs inside: lambda x: f(x, labels)"
REPEATS_TO = 1e-12  # of two calls' largest value: threads may sum in another order, noise is larger


def check_names(f: Callable[..., Any], names: Any, count: int) -> tuple[str, ...]:
    """A name for each input: as given, or f's own names for them, or their numbers. Raises ConfigError."""
    if names is not None:
        given = tuple(names) if isinstance(names, tuple | list) else ()
        if len(given) != count or not all(isinstance(name, str) and name.strip() for name in given):
            raise ConfigError(f"names={short_repr(names)}: expected a tuple of {count} strings, one for each input")
        if len(set(given)) != count:
            raise ConfigError(f"names={names!r}: expected a different name for each input")
        return given
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a callable without a signature, such as a NumPy ufunc
        parameters = []
    own = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return tuple(own[:count]) if len(own) >= count else tuple(f"input {k}" for k in range(count))


def check_call(name: str, function: Callable[..., Any], arguments: Sequence[str]) -> None:
    """Raises ConfigError if `function` is none, or cannot be called with so many arguments."""
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
            f"{name} is called as {call}, and cannot be: {error}; wrap it, as in lambda {', '.join(arguments)}: …"
        ) from None


def check_inputs(inputs: Sequence[Any], names: tuple[str, ...]) -> tuple[Array, ...]:
    """The inputs as float64 arrays. Raises ConfigError, DTypeError or RangeError."""
    if not inputs:
        raise ConfigError("no inputs were given; pass the arrays to check at after the two functions")
    arrays = []
    for name, x in zip(names, inputs, strict=True):
        if isinstance(x, float):
            x = np.asarray(x)
        if type(x) is not np.ndarray:
            raise DTypeError(
                f"{name} is of type {type(x).__qualname__}; expected a NumPy array of float64: convert it with "
                "numpy.array(x, 'float64'); pass several arrays one by one"
            )
        if x.dtype != DOUBLE:
            raise DTypeError(
                f"{name} has dtype {x.dtype}; expected float64, whose precision finite differences need: convert it "
                f"with .astype('float64'){'' if x.dtype.kind == 'f' else '; ' + NO_GRADIENT}"
            )
        if not np.isfinite(x).all():
            raise RangeError(f"{name} holds NaN or infinite values, where f has no derivative; choose another point")
        arrays.append(x)
    return tuple(arrays)


def check_output(y: Any, finite: bool = True) -> Array:
    """What f returned, as one array of real numbers, finite if so asked. Raises DTypeError or RangeError."""
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
            f"f returned {_kind(array)}; expected real numbers: let it compute in floating point and return that"
        )
    if finite and not np.isfinite(array).all():
        where = [int(k) for k in np.argwhere(~np.isfinite(array))[0]]
        place = f" (output {where})" if where else ""
        raise RangeError(f"f is {array[tuple(where)]} at the inputs{place}; choose a point where it has a derivative")
    return array


def check_gradients(
    gradients: Any, inputs: tuple[Array, ...], names: tuple[str, ...], whose: str = "vjp"
) -> list[Array]:
    """Copies of what vjp returned, one gradient for each input and of its shape. Raises DTypeError or ShapeError.

    Copies, for a unit's gradients are its own until its next forward, and finite differences call that.
    """
    if isinstance(gradients, np.ndarray | float) or (len(inputs) == 1 and hasattr(gradients, "__array__")):
        gradients = (gradients,)
    if not isinstance(gradients, tuple | list):
        given = "None" if gradients is None else f"a {type(gradients).__qualname__}"
        raise ShapeError(f"{whose} returned {given}; expected a tuple with a gradient for each of {', '.join(names)}")
    if len(gradients) != len(inputs):
        raise ShapeError(
            f"{whose} returned {len(gradients)} gradient{'s' if len(gradients) > 1 else ''} in a tuple; expected "
            f"{len(inputs)}: one for each of {', '.join(names)}"
        )
    copies = []
    for name, x, gradient in zip(names, inputs, gradients, strict=True):
        try:
            copy = np.array(gradient)
        except ValueError:
            raise DTypeError(f"{whose} returned rows of unequal length for {name}; expected an array") from None
        if copy.dtype.kind != "f":
            hint = f": {NO_GRADIENT}" if gradient is None else ""
            raise DTypeError(f"{whose} returned {_kind(copy)} for {name}; expected an array of real numbers{hint}")
        if copy.shape != x.shape:
            raise ShapeError(f"{whose} returned shape {copy.shape} for {name}; expected {x.shape}, that of the input")
        copies.append(copy)
    return copies


def _kind(array: Array) -> str:
    return "None" if array.dtype == object and array.item(0) is None else f"dtype {array.dtype}"


def check_repeatable(first: Array, second: Array, what: str, mend: str) -> None:
    """Raises RangeError unless `what` gave the same in two calls at the same inputs."""
    if first.shape == second.shape and np.array_equal(first, second, equal_nan=True):
        return
    if first.shape != second.shape or np.abs(first - second).max(initial=0) > REPEATS_TO * np.abs(first).max(initial=0):
        raise RangeError(f"{what} gave two different values for the same inputs; {mend}")


def widest(f: Callable[..., Any], inputs: tuple[Array, ...]) -> np.dtype[Any]:
    """Long double if this platform's is wider than double and f computes in it, else float64."""
    if not WIDER:
        return DOUBLE
    try:
        y = f(*(x.astype(WIDE) for x in inputs))
    except Exception:  # f is not ours: in float64 it works, and the report names the precision
        return DOUBLE
    return WIDE if getattr(y, "dtype", None) == WIDE else DOUBLE
