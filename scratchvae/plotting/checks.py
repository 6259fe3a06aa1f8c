"""Validation of the arguments of all functions that draw."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod
from numbers import Real
from typing import Any

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array
from scratchvae.datasets import Dataset, Split
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.models import Model
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


def check_image_shape(shape: Any, width: int) -> tuple[int, ...]:
    """Return `shape` as (height, width) or (height, width, 3).

    It must have `width` numbers in total, and a third axis 1 or 3 of them. Raises ConfigError.
    """
    if shape is None:
        raise ConfigError(
            "shape=None: expected (height, width) of a picture; plot_table draws rows that are no pictures"
        )
    sides = check_picture_shape("shape", shape)
    if len(sides) not in (2, 3) or prod(sides) != width:
        raise ConfigError(
            f"shape={short_repr(shape)}: expected (height, width) or (height, width, 3) of {width} numbers in all"
        )
    if len(sides) == 3 and sides[2] not in (1, 3):
        raise ConfigError(
            f"shape={short_repr(shape)}: pictures of {sides[2]} channels cannot be drawn; expected 3, red, green and "
            "blue, or 1"
        )
    return sides[:2] if sides[2:] == (1,) else sides


def picture_shape(model: Model, shape: Any = None) -> Shape:
    """Return `shape` or, if that is None, the shape of the model's pictures: None for rows of a table."""
    shape = model.image_shape if shape is None else shape
    return None if shape is None else check_image_shape(shape, model.input_dim)


def column_names(model: Model) -> list[str]:
    """The names of the columns of a model's rows; without names, x0, x1, …"""
    return list(model.schema.columns or (f"x{k}" for k in range(model.input_dim)))


def class_names(model: Any) -> list[str]:
    """The names of the classes of a model; without names, 0, 1, …"""
    return [str(name) for name in model.schema.classes or range(model.classes)]


def rows_of(data: Any) -> tuple[Any, Array | None, Sequence[Any] | None]:
    """The rows, the labels and the names of the classes of a Dataset (its test split), a Split or rows (N, D)."""
    if isinstance(data, Dataset):
        return data.test.images, data.test.labels, data.classes
    if isinstance(data, Split):
        return data.images, data.labels, None
    return data, None, None


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
