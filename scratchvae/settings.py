"""Settings that are looked at before anything is made."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from numbers import Integral, Real
from typing import Any

from scratchvae.errors import ConfigError


def whole(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int, if it is a whole number of at least `least`; raises ConfigError otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ConfigError(f"{name}={value!r}: expected a whole number of at least {least}")
    return int(value)


def wholes(name: str, values: Any) -> tuple[int, ...]:
    """`values` as a tuple of positive ints; raises ConfigError otherwise."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ConfigError(f"{name}={values!r}: expected a tuple of whole numbers, such as (512,) or (500, 500)")
    return tuple(whole(name, value) for value in values)


def real(name: str, value: Any, least: float = 0.0) -> float:
    """`value` as a float, if it is a finite number of at least `least`; raises ConfigError otherwise."""
    try:
        number = nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        number = inf
    if not least <= number < inf:
        raise ConfigError(f"{name}={value!r}: expected a finite number of at least {least:g}")
    return number


def positive(name: str, value: Any) -> float:
    """`value` as a float, if it is a positive finite number; raises ConfigError otherwise."""
    if real(name, value) == 0:
        raise ConfigError(f"{name}={value!r}: expected a positive number, such as 1e-3")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """`value` as a float, if it is in [0, 1); raises ConfigError otherwise."""
    if not real(name, value) < 1:
        raise ConfigError(f"{name}={value!r}: expected a number from 0 up to, not including, 1")
    return float(value)


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """`value`, if it is one of the choices; raises ConfigError otherwise."""
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{name}={value!r} is unknown; choose one of {', '.join(choices)}")
    return value


def truth(name: str, value: Any) -> bool:
    """`value`, if it is True or False; raises ConfigError otherwise."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value!r}: expected True or False")
    return value
