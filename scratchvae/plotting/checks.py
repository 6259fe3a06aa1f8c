"""What is to be drawn, and how, looked at before a figure is made."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod
from numbers import Real
from typing import Any

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.validation import check_ints, short_repr

Shape = tuple[int, ...] | None
Span = tuple[float, float]  # the number that is drawn black, and the one that is drawn white


def check_pictures(name: str, images: Any, like: Array | None = None) -> Array:
    """`images` as rows (N, D) of real numbers, not empty, as many and as wide as `like`. Raises DTypeError, ShapeError.

    NaN and infinite numbers are let in: they are drawn as missing, and as the ends of the value_range.
    """
    rows = as_real_array(name, images)
    if rows.ndim != 2 or not rows.size:
        mend = f"; flatten each with {name}.reshape(len({name}), -1)" if rows.ndim > 2 else ""
        raise ShapeError(f"{name} has shape {rows.shape}; expected (N, D), a row a picture, not empty{mend}")
    if like is not None and rows.shape != like.shape:
        raise ShapeError(f"{name} has shape {rows.shape}; expected {like.shape}, as the others have")
    return rows


def check_image_shape(shape: Any, width: int) -> Shape:
    """`shape` as (height, width), or None, if rows of that width are such pictures. Raises ConfigError."""
    if shape is None:
        return None
    sides = check_ints("shape", shape)
    if len(sides) != 2 or prod(sides) != width:
        raise ConfigError(f"shape={short_repr(shape)}: expected (height, width) with {width} pixels in all, or None")
    return sides


def check_value_range(value_range: Any) -> Span:
    """`value_range` as two finite numbers. Raises ConfigError."""
    ends = value_range if isinstance(value_range, tuple | list) and len(value_range) == 2 else (1.0, 0.0)
    if not all(isinstance(end, Real) and isfinite(end) for end in ends) or ends[0] > ends[1]:
        raise ConfigError(
            f"value_range={short_repr(value_range)}: expected two numbers, that of black and that of white, "
            "such as (0.0, 1.0)"
        )
    return float(ends[0]), float(ends[1])


def check_names(name: str, names: Any, count: int) -> list[str]:
    """`names` as so many texts. Raises ConfigError."""
    given = list(names) if isinstance(names, Sequence) and not isinstance(names, str | bytes) else []
    if len(given) != count or not all(isinstance(text, str) for text in given):
        raise ConfigError(f"{name}={short_repr(names)}: expected a name for each of the {count}")
    return given
