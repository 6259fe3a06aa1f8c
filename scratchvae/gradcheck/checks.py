"""Validation of f, its vjp, their inputs and their results."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError, RangeError
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.validation import short_repr

# × the precision of the dtype: threads may sum in a different order, which changes a result by less than noise does
REPEATABILITY_FACTOR = 2.0**12


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
    if positional[:1] == ["ctx"]:  # the forward of a torch.autograd.Function
        del positional[0]
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


def check_finite(y: Array, outputs: Sequence[Array]) -> None:
    """Raise RangeError if a value of f is NaN or infinite; y is all outputs in one array."""
    if np.isfinite(y).all():
        return
    for number, array in enumerate(outputs):
        if not np.isfinite(array).all():
            index = [int(k) for k in np.argwhere(~np.isfinite(array))[0]]
            where = f"output {index}" if index else ""
            where = f"{where or 'the number'} of array {number}" if len(outputs) > 1 else where
            position = f" ({where})" if where else ""
            raise RangeError(
                f"f is {array[tuple(index)]} at the inputs{position}; choose a point where it has a derivative"
            )


def check_repeatable(first: Array, second: Array, function_name: str, hint: str) -> None:
    """Raise RangeError if the results of two calls at the same inputs differ."""
    if first.shape == second.shape and np.array_equal(first, second, equal_nan=True):
        return
    allowed = REPEATABILITY_FACTOR * np.finfo(first.dtype).eps * np.abs(first).max(initial=0)
    with np.errstate(over="ignore", invalid="ignore"):
        differ = first.shape != second.shape or np.abs(first - second).max(initial=0) > allowed
    if differ:
        raise RangeError(f"{function_name} returned two different values for the same inputs; {hint}")


def check_methods(name: str, part: Any, methods: Sequence[str], expected: str) -> None:
    """Raise ConfigError unless `part` is an object, not a class, with these methods."""
    missing = [method for method in methods if not callable(getattr(part, method, None))]
    if missing or isinstance(part, type):
        lacking = "is a class" if isinstance(part, type) else f"has no {' and no '.join(missing)}"
        raise ConfigError(f"{name}={short_repr(part)} {lacking}; expected {expected}")
