"""Rendering of simple shapes from signed distances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.disk import Array
from scratchvae.errors import ConfigError, DTypeError
from scratchvae.validation import check_bool, check_height_and_width, short_repr, suggest_arguments

FACTORS = ("shape", "scale", "rotation", "x", "y")
SHAPES = ("square", "ellipse", "heart")
SIDE = 0.35  # side of the square of scale 1, relative to the shorter side of the image
REACH = 0.8  # maximum distance from the centre to the edge of a shape of area 1
CHUNK_PIXELS = 2**16  # fits into a processor's cache


# A shape is the set of points with signed distance d ≤ 0, in pixels. If the edge is parallel to the sides of a pixel,
# at a distance d from its centre, the fraction ½ − d of the pixel is inside: clip(½ − d, 0, 1).
@suggest_arguments
def render_sprites(
    factors: Mapping[str, Any], image_shape: tuple[int, int] = (32, 32), antialias: bool = True
) -> Array:
    """Render white shapes on black, (N, height · width) float32: in [0, 1] if antialiased, else 0 and 1.

    factors       numbers or arrays (N,) by name, as from `factor_grid` or `draw_factors`; a number is for all rows
    image_shape   (height, width); lengths are relative to the shorter of the two

    The area of a shape is (0.35 · scale · shorter side)². For scales up to 1, and x and y in [0, 1], no shape is
    clipped by the border. An image depends only on its own factors, not on the other rows. Raises ConfigError.
    """
    height, width = check_height_and_width("image_shape", image_shape)
    check_bool("antialias", antialias)
    shape, scale, rotation, x, y = _columns(factors)
    shorter = min(height, width)
    margin = REACH * SIDE * shorter
    unit = scale * (SIDE * shorter)
    across = margin + x * (width - 2 * margin)
    down = margin + y * (height - 2 * margin)
    images = np.empty((len(shape), height, width), np.float32)
    chunk_rows = max(1, CHUNK_PIXELS // (height * width))
    for number, distance in enumerate(DISTANCES):
        rows = np.flatnonzero(shape == number)
        for start in range(0, len(rows), chunk_rows):
            chunk = rows[start : start + chunk_rows]
            placement = [column[chunk, None, None] for column in (unit, rotation, across, down)]
            d = _distance(distance, height, width, *placement)
            images[chunk] = np.clip(0.5 - d, 0.0, 1.0) if antialias else d <= 0.0
    return images.reshape(len(images), height * width)


# The coordinates (u, v) of a pixel's centre relative to the shape: rotated back by θ, in units of the shape.
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


# The square |u|, |v| ≤ ½. Outside the corners, the distance to the lines of the edges is used: corners stay sharp.
def _square(u: Array, v: Array, side: float = 1.0) -> Array:
    d: Array = np.maximum(np.abs(u), np.abs(v)) - side / 2
    return d


# The ellipse F = (u/a)² + (v/b)² − 1 ≤ 0 with a = 2b and area π a b = 1. Near its edge, to first order,
#   d = F / |∇F|,   ∇F = 2 (u/a², v/b²)
def _ellipse(u: Array, v: Array) -> Array:
    a, b = sqrt(2 / pi), sqrt(1 / (2 * pi))
    F = (u / a) ** 2 + (v / b) ** 2 - 1
    gradient_norm = 2 * np.hypot(u / a**2, v / b**2)
    d: Array = F / np.maximum(gradient_norm, 1e-9)  # 0 at the centre, where d becomes a large negative number
    return d


# The heart: the union of a square of side s standing on a corner, and discs of radius s/2 on its two upper sides.
#   area   s² + π s²/4 = 1
#   the centroid is c above the centre of the square:   c = 2 · (π s²/8) · (s/2 + 4(s/2)/(3π)) / √2
def _heart(u: Array, v: Array) -> Array:
    s = 1 / sqrt(1 + pi / 4)
    c = (pi * s**2 / 4) * s * (0.5 + 2 / (3 * pi)) / sqrt(2)
    p, q = (u + v + c) / sqrt(2), (v + c - u) / sqrt(2)  # coordinates along the sides of the square
    discs = np.minimum(np.hypot(p - s / 2, q), np.hypot(p, q - s / 2)) - s / 2
    return np.minimum(_square(p, q, s), discs)


DISTANCES = (_square, _ellipse, _heart)


def factor_values(name: str, values: Any) -> Array:
    """The values (N,) of a factor; a number becomes (1,). Raises ConfigError."""
    try:
        array = np.atleast_1d(as_real_array(name, values))
    except DTypeError:
        raise ConfigError(
            f"factor {name}={short_repr(values)}: expected a number or an array (N,) of numbers"
        ) from None
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ConfigError(f"factor {name}={short_repr(values)}: expected a finite number, or an array (N,) of such")
    return array


def _columns(factors: Mapping[str, Any]) -> list[Array]:
    if not isinstance(factors, Mapping) or set(factors) != set(FACTORS):
        raise ConfigError(f"factors={short_repr(factors)}: expected numbers by name, for each of {', '.join(FACTORS)}")
    columns = [factor_values(name, factors[name]).astype(np.float64) for name in FACTORS]
    try:
        columns = list(np.broadcast_arrays(*columns))
    except ValueError as error:
        raise ConfigError(
            f"factors have different lengths: {error}; expected equal lengths, or single numbers"
        ) from None
    if not np.isin(columns[0], range(len(SHAPES))).all():
        raise ConfigError(f"factor shape: expected 0 to {len(SHAPES) - 1}, for {', '.join(SHAPES)}")
    if not (columns[1] > 0).all():
        raise ConfigError("factor scale: expected positive numbers, at most 1 for shapes that the border does not clip")
    return columns
