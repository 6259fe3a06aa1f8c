"""Validation of the arguments of all functions that draw."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod
from numbers import Real
from typing import Any

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.validation import check_picture_shape, short_repr

Shape = tuple[int, ...] | None
ValueRange = tuple[float, float]  # the values drawn as black and as white


def check_images(name: str, images: Any, like: Array | None = None) -> Array:
    """Return `images` as real numbers (N, D), not empty, in the shape of `like`. Raises DTypeError or ShapeError.

    NaN is allowed and drawn as missing; infinities are allowed and drawn as black or white.
    """
    rows = as_real_array(name, images)
    if rows.ndim != 2 or not rows.size:
        hint = f"; flatten each with {name}.reshape(len({name}), -1)" if rows.ndim > 2 else ""
        raise ShapeError(f"{name} has shape {rows.shape}; expected (N, D), one image per row, not empty{hint}")
    if like is not None and rows.shape != like.shape:
        raise ShapeError(f"{name} has shape {rows.shape}; expected {like.shape}, like the others")
    return rows


def check_image_shape(shape: Any, width: int) -> Shape:
    """Return `shape` as (height, width) or (height, width, 3), or None for rows that are not images.

    The shape must have `width` numbers in total, and a third axis 1 or 3 of them. Raises ConfigError.
    """
    if shape is None:
        return None
    sides = check_picture_shape("shape", shape)
    if len(sides) not in (2, 3) or prod(sides) != width:
        raise ConfigError(
            f"shape={short_repr(shape)}: expected (height, width) or (height, width, 3) of {width} numbers in all, or "
            "None"
        )
    if len(sides) == 3 and sides[2] not in (1, 3):
        raise ConfigError(
            f"shape={short_repr(shape)}: pictures of {sides[2]} channels cannot be drawn; expected 3, red, green and "
            "blue, or 1"
        )
    return sides[:2] if sides[2:] == (1,) else sides


def check_value_range(value_range: Any) -> ValueRange:
    """Return `value_range` as two finite numbers in ascending order. Raises ConfigError."""
    ends = value_range if isinstance(value_range, tuple | list) and len(value_range) == 2 else (1.0, 0.0)
    if not all(isinstance(end, Real) and isfinite(end) for end in ends) or ends[0] > ends[1]:
        raise ConfigError(
            f"value_range={short_repr(value_range)}: expected two numbers, the values of black and white, "
            "such as (0.0, 1.0)"
        )
    return float(ends[0]), float(ends[1])


def check_names(name: str, names: Any, count: int) -> list[str]:
    """Return `names` as a list of `count` strings. Raises ConfigError."""
    texts = list(names) if isinstance(names, Sequence) and not isinstance(names, str | bytes) else []
    if len(texts) != count or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{name}={short_repr(names)}: expected a name for each of the {count}")
    return texts
