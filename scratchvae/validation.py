"""Checks of settings: each returns the checked value, or raises ConfigError with what was given and expected."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from math import inf, nan
from numbers import Integral, Real
from typing import Any, TypeVar

from scratchvae.errors import ConfigError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
MAX_COUNT = 2**40  # rows, steps, sizes: more than any machine can store or train
MAX_WIDTH = 8 * MAX_COUNT  # of a layer, which may put out several numbers for each latent dimension
MAX_SEED = 2**128 - 1  # NumPy's generators use 128 bits of a seed
MAX_REPR = 60  # characters of a value in an error message
MAX_MESSAGE = 200  # characters of an error message that lists choices


def shorten(text: Any, limit: int = MAX_REPR) -> str:
    """Return `text` on one line of at most `limit` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def join_choices(choices: Sequence[str], limit: int) -> str:
    """Return the choices between commas, the last ones as "…" if that takes more than `limit` characters."""
    listed = ", ".join(choices)
    if len(listed) <= limit:
        return listed
    return ", ".join([*listed[: max(0, limit - 2)].split(", ")[:-1], "…"])


def short_repr(value: Any) -> str:
    """Return `repr(value)` on one line of at most 60 characters, for an error message."""
    try:
        text = repr(value)
    except Exception:  # an int of more than 4300 digits, or a user's own __repr__
        text = f"<{type(value).__qualname__} that cannot be printed>"
    return shorten(text)


def nearest(name: Any, known: Iterable[str]) -> str | None:
    """The most similar of the `known` names, ignoring case; None if none is similar.

    Names are also similar if one consists of the initials of the other, as lr and learning_rate, or if one is a word
    that only the other contains, as decay and weight_decay.
    """
    from difflib import get_close_matches

    if not isinstance(name, str) or not name.strip():
        return None
    names = {_fold(candidate): candidate for candidate in known}
    folded = _fold(name[:MAX_REPR])
    close = [candidate for candidate in names if folded in (candidate, _initials(candidate))]
    close += [candidate for candidate in names if candidate == _initials(folded)]
    close += get_close_matches(folded, names, 1)
    containing = [candidate for candidate in names if folded in candidate.split("_")]
    close += containing if len(containing) == 1 else []
    return names[close[0]] if close else None


def suggestion(name: Any, known: Iterable[str]) -> str:
    """The question "; did you mean …?" with the nearest of the `known` names; "" if none is similar."""
    near = nearest(name, known)
    return "" if near is None else f"; did you mean {near!r}?"


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def _initials(name: str) -> str:
    words = name.split("_")
    return "".join(word[:1] for word in words) if len(words) > 1 else name


def suggest_arguments(method: F) -> F:
    """Decorate a method: a keyword argument that it does not have raises ConfigError with the nearest one that it has.

    For `__init__`, the arguments of the subclasses' `__init__` are suggested as well.
    """
    code = method.__code__
    accepted = frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name in kwargs.keys() - accepted:
            owner = type(self).__name__ if method.__name__ == "__init__" else f"{type(self).__name__}.{method.__name__}"
            near = nearest(name, _arguments_of(type(self), method.__name__))
            hint = f"see help({owner})" if near is None else f"did you mean {near}?"
            raise ConfigError(f"{shorten(owner, 40)} has no argument {shorten(name, 40)}: {shorten(hint, 90)}")
        return method(self, *args, **kwargs)

    return call  # type: ignore[return-value]


def _arguments_of(kind: type, method: str) -> list[str]:
    """The named arguments of a method, in `kind` and its bases."""
    import inspect

    methods = [vars(base)[method] for base in kind.__mro__ if base is not object and method in vars(base)]
    parameters = [parameter for function in methods for parameter in inspect.signature(function).parameters.values()]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter.name for parameter in parameters if parameter.kind in named and parameter.name != "self"]


def check_int(name: str, value: Any, minimum: int = 1, maximum: int = MAX_COUNT) -> int:
    """Return `value` as an int. Raises ConfigError unless it is a whole number from `minimum` to `maximum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise ConfigError(f"{name}={short_repr(value)}: expected a whole number of at least {minimum}")
    if int(value) > maximum:
        raise ConfigError(f"{name}={short_repr(value)}: expected a whole number of at most {maximum}")
    return int(value)


def check_seed(value: Any, name: str = "seed") -> int:
    """Return `value` as a seed of random numbers. Raises ConfigError unless it is a whole number from 0."""
    return check_int(name, value, minimum=0, maximum=MAX_SEED)


def check_ints(name: str, values: Any) -> tuple[int, ...]:
    """Return `values` as a tuple of ints. Raises ConfigError unless it is a sequence of positive whole numbers."""
    if isinstance(values, str | bytes | range) or not isinstance(values, Sequence):
        raise ConfigError(
            f"{name}={short_repr(values)}: expected a tuple of whole numbers, such as (512,) or (500, 500)"
        )
    return tuple(check_int(f"{name}[{index}]", value) for index, value in enumerate(values))


def check_float(name: str, value: Any, minimum: float = 0.0) -> float:
    """Return `value` as a float. Raises ConfigError unless it is a finite number of at least `minimum`."""
    try:
        number = nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        number = inf
    if not minimum <= number < inf or number == -inf:
        bound = "" if minimum == -inf else f" of at least {minimum:g}"
        raise ConfigError(f"{name}={short_repr(value)}: expected a finite number{bound}")
    return number


def check_positive(name: str, value: Any) -> float:
    """Return `value` as a float. Raises ConfigError unless it is a positive finite number."""
    if check_float(name, value) == 0:
        raise ConfigError(f"{name}={short_repr(value)}: expected a positive number, such as 1e-3")
    return float(value)


def check_fraction(name: str, value: Any) -> float:
    """Return `value` as a float. Raises ConfigError unless it is in [0, 1)."""
    if not check_float(name, value) < 1:
        raise ConfigError(f"{name}={short_repr(value)}: expected a number from 0 up to, not including, 1")
    return float(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value`. Raises ConfigError unless it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        text, hint = f"{name}={short_repr(value)} is unknown; choose one of ", suggestion(value, choices)
        raise ConfigError(text + join_choices(choices, MAX_MESSAGE - len(text) - len(hint)) + hint)
    return value


def check_bool(name: str, value: Any) -> bool:
    """Return `value`. Raises ConfigError unless it is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={short_repr(value)}: expected True or False")
    return value


def check_path(name: str, value: Any, example: str) -> str:
    """Return `value` as a str. Raises ConfigError unless it is a str or an `os.PathLike` with a str path."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise ConfigError(f"{name}={short_repr(value)}: expected a path, such as {example!r}")
    return path


def check_type(name: str, value: Any, kind: type[T] | tuple[type[T], ...], expected: str) -> T:
    """Return `value`. Raises ConfigError unless it is an instance of `kind`, described as `expected` in the message."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name}={short_repr(value)}: expected {expected}")
    return value


def check_callable(name: str, value: Any, expected: str) -> Callable[..., Any]:
    """Return `value`. Raises ConfigError unless it is callable and not a class, since calling a class constructs."""
    if not callable(value) or isinstance(value, type):
        raise ConfigError(f"{name}={short_repr(value)}: expected {expected}")
    return value  # type: ignore[no-any-return]
