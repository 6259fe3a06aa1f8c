"""Shapes as signed distances, and pictures of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.disk import Array
from scratchvae.errors import ConfigError, DTypeError
from scratchvae.validation import check_bool, check_ints, short_repr

FACTORS = ("shape", "scale", "rotation", "x", "y")
SHAPES = ("square", "ellipse", "heart")
SIDE = 0.35  # of the square of scale 1, in lengths of the picture's shorter side
REACH = 0.8  # how far from its centre any shape of area 1 extends, at most
PIXELS_AT_ONCE = 2**16  # few enough for a processor's cache


# A shape is where its signed distance d, in pixels and negative inside, is ≤ 0. An edge at distance d from a pixel's
# centre leaves the part ½ − d of the pixel inside, were the edge along the pixel's sides: clip(½ − d, 0, 1).
def render_sprites(
    factors: Mapping[str, Any], image_shape: tuple[int, int] = (32, 32), antialias: bool = True
) -> Array:
    """White shapes on black, (N, height · width) float32: in [0, 1] if antialiased, else 0 and 1.

    factors       numbers or (N,) arrays by name, as `factor_grid` or `draw_factors` give them; a number is for all rows
    image_shape   (height, width); lengths go by the shorter of them

    The area is (0.35 · scale · shorter side)². Up to scale 1, with x and y in [0, 1], no shape is cut by the border.
    The same factors give the same picture, whatever else is drawn. Raises ConfigError.
    """
    height, width = _height_and_width(image_shape)
    check_bool("antialias", antialias)
    shape, scale, rotation, x, y = _columns(factors)
    shorter = min(height, width)
    margin = REACH * SIDE * shorter
    unit = scale * (SIDE * shorter)
    across = margin + x * (width - 2 * margin)
    down = margin + y * (height - 2 * margin)
    images = np.empty((len(shape), height, width), np.float32)
    at_once = max(1, PIXELS_AT_ONCE // (height * width))
    for number, distance in enumerate(DISTANCES):
        rows = np.flatnonzero(shape == number)
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            place = [column[some, None, None] for column in (unit, rotation, across, down)]
            d = _distance(distance, height, width, *place)
            images[some] = np.clip(0.5 - d, 0.0, 1.0) if antialias else d <= 0.0
    return images.reshape(len(images), -1)


# A pixel's centre p, seen from the shape's, is turned back by the rotation θ and measured in units of the shape:
#   u =  cos θ · right + sin θ · up        right = column + ½ − across
#   v = −sin θ · right + cos θ · up        up = down − row − ½
def _distance(
    distance: Callable[[Array, Array], Array], height: int, width: int, unit: Any, rotation: Any, across: Any, down: Any
) -> Array:
    right = (np.arange(width) + 0.5 - across) / unit
    up = (down - 0.5 - np.arange(height)[:, None]) / unit
    cosine, sine = np.cos(rotation), np.sin(rotation)
    d: Array = unit * distance(cosine * right + sine * up, cosine * up - sine * right)
    return d


# The square |u|, |v| ≤ ½. Off its corners the distance is to the longer edges: a corner stays sharp.
def _square(u: Array, v: Array, side: float = 1.0) -> Array:
    d: Array = np.maximum(np.abs(u), np.abs(v)) - side / 2
    return d


# The ellipse F = (u/a)² + (v/b)² − 1 ≤ 0 with a = 2b and area π a b = 1. Near its edge, to first order,
#   d = F / |∇F|,   ∇F = 2 (u/a², v/b²)
def _ellipse(u: Array, v: Array) -> Array:
    a, b = sqrt(2 / pi), sqrt(1 / (2 * pi))
    F = (u / a) ** 2 + (v / b) ** 2 - 1
    slope = 2 * np.hypot(u / a**2, v / b**2)
    d: Array = F / np.maximum(slope, 1e-9)  # in the very centre, where it is 0, F leads far inside
    return d


# The heart: a square on its corner, of side s, and discs of radius s/2 on its two upper sides; the nearest part counts.
#   area   s² + π s²/4 = 1
#   its centre of area lies c above the square's centre:   c = 2 · (π s²/8) · (s/2 + 4(s/2)/(3π)) / √2
def _heart(u: Array, v: Array) -> Array:
    s = 1 / sqrt(1 + pi / 4)
    c = (pi * s**2 / 4) * s * (0.5 + 2 / (3 * pi)) / sqrt(2)
    p, q = (u + v + c) / sqrt(2), (v + c - u) / sqrt(2)  # along the sides of the square
    discs = np.minimum(np.hypot(p - s / 2, q), np.hypot(p, q - s / 2)) - s / 2
    return np.minimum(_square(p, q, s), discs)


DISTANCES = (_square, _ellipse, _heart)


def factor_values(name: str, given: Any) -> Array:
    """The values (N,) of a factor, a number being one of them. Raises ConfigError."""
    try:
        values = np.atleast_1d(as_real_array(name, given))
    except DTypeError:
        raise ConfigError(f"factor {name}={short_repr(given)}: expected a number or an array (N,) of numbers") from None
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ConfigError(f"factor {name}={short_repr(given)}: expected a finite number, or an array (N,) of such")
    return values


def _height_and_width(image_shape: Any) -> tuple[int, int]:
    sides = check_ints("image_shape", image_shape)
    if len(sides) != 2:
        raise ConfigError(f"image_shape={short_repr(image_shape)}: expected (height, width)")
    return sides[0], sides[1]


def _columns(factors: Mapping[str, Any]) -> list[Array]:
    if not isinstance(factors, Mapping) or set(factors) != set(FACTORS):
        raise ConfigError(f"factors={short_repr(factors)}: expected numbers by name, for each of {', '.join(FACTORS)}")
    columns = [factor_values(name, factors[name]).astype(np.float64) for name in FACTORS]
    try:
        columns = list(np.broadcast_arrays(*columns))
    except ValueError as error:
        raise ConfigError(f"factors of different lengths: {error}; expected as many numbers of each, or one") from None
    if not np.isin(columns[0], range(len(SHAPES))).all():
        raise ConfigError(f"factor shape: expected 0 to {len(SHAPES) - 1}, for {', '.join(SHAPES)}")
    if not (columns[1] > 0).all():
        raise ConfigError("factor scale: expected positive numbers, 1 for the largest that is never cut by the border")
    return columns
