"""Settings that are looked at before anything is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from math import inf, nan
from numbers import Integral, Real
from typing import Any, TypeVar

from scratchvae.errors import ConfigError

T = TypeVar("T")
LARGEST = 2**40  # of what is counted: no machine holds as many rows, and no training takes as many steps
WIDEST = 8 * LARGEST  # of what a layer is made for: a few numbers for each latent dimension
LARGEST_SEED = 2**128 - 1  # as many bits as NumPy's generators keep of one


def short_repr(value: Any) -> str:
    """What was given, as Python writes it, in a few words of one line."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a number of more than 4300 digits, or another's own __repr__
        text = f"<{type(value).__qualname__} too long to print>"
    return text if len(text) <= 60 else f"{text[:59]}…"


def check_int(name: str, value: Any, least: int = 1, most: int = LARGEST) -> int:
    """`value` as an int, if it is a whole number from `least` to `most`; raises ConfigError otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ConfigError(f"{name}={short_repr(value)}: expected a whole number of at least {least}")
    if int(value) > most:
        raise ConfigError(f"{name}={short_repr(value)}: expected a whole number of at most {most}")
    return int(value)


def check_seed(value: Any, name: str = "seed") -> int:
    """`value` as the seed of random numbers, a whole number from 0; raises ConfigError otherwise."""
    return check_int(name, value, least=0, most=LARGEST_SEED)


def check_ints(name: str, values: Any) -> tuple[int, ...]:
    """`values` as a tuple of positive ints; raises ConfigError otherwise."""
    if isinstance(values, str | bytes | range) or not isinstance(values, Sequence):
        raise ConfigError(
            f"{name}={short_repr(values)}: expected a tuple of whole numbers, such as (512,) or (500, 500)"
        )
    return tuple(check_int(f"{name}[{k}]", value) for k, value in enumerate(values))


def check_float(name: str, value: Any, least: float = 0.0) -> float:
    """`value` as a float, if it is a finite number of at least `least`; raises ConfigError otherwise."""
    try:
        number = nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        number = inf
    if not least <= number < inf or number == -inf:
        bound = "" if least == -inf else f" of at least {least:g}"
        raise ConfigError(f"{name}={short_repr(value)}: expected a finite number{bound}")
    return number


def check_positive(name: str, value: Any) -> float:
    """`value` as a float, if it is a positive finite number; raises ConfigError otherwise."""
    if check_float(name, value) == 0:
        raise ConfigError(f"{name}={short_repr(value)}: expected a positive number, such as 1e-3")
    return float(value)


def check_fraction(name: str, value: Any) -> float:
    """`value` as a float, if it is in [0, 1); raises ConfigError otherwise."""
    if not check_float(name, value) < 1:
        raise ConfigError(f"{name}={short_repr(value)}: expected a number from 0 up to, not including, 1")
    return float(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """`value`, if it is one of the choices; raises ConfigError otherwise."""
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{name}={short_repr(value)} is unknown; choose one of {', '.join(choices)}")
    return value


def check_bool(name: str, value: Any) -> bool:
    """`value`, if it is True or False; raises ConfigError otherwise."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={short_repr(value)}: expected True or False")
    return value


def check_path(name: str, value: Any, example: str) -> str:
    """`value` as a str, if it is a path, a str or what `os.PathLike` says is one; raises ConfigError otherwise."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise ConfigError(f"{name}={short_repr(value)}: expected a path, such as {example!r}")
    return path


def check_type(name: str, value: Any, kind: type[T] | tuple[type[T], ...], what: str) -> T:
    """`value`, if it is an instance of `kind`, which is `what` was expected; raises ConfigError otherwise."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name}={short_repr(value)}: expected {what}")
    return value


def check_callable(name: str, value: Any, what: str) -> Callable[..., Any]:
    """`value`, if it can be called and is no class, whose call would make an object; raises ConfigError otherwise."""
    if not callable(value) or isinstance(value, type):
        raise ConfigError(f"{name}={short_repr(value)}: expected {what}")
    return value  # type: ignore[no-any-return]
