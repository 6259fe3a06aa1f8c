"""Images of simple shapes with known generative factors, for measures of disentanglement.

Based on dSprites: L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, "dSprites: Disentanglement testing Sprites
dataset", 2017. Unlike there, all shapes of the same scale have the same area, so that the area does not reveal the
shape.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from scratchvae.datasets.dataset import Dataset, Split, split_by_mask
from scratchvae.datasets.shapes import FACTORS, SHAPES, factor_values, render_sprites
from scratchvae.disk import Array
from scratchvae.errors import ConfigError
from scratchvae.rng import generator
from scratchvae.validation import check_int, suggest_arguments


def load_sprites() -> Dataset:
    """12,288 images of 32×32 pixels in [0, 1], rendered in about a second: one for each combination of factors.

    3 shapes × 4 scales × 16 rotations × 8 x × 8 y: see `factor_grid` and `render_sprites`. A fixed random tenth is for
    testing. part("all") is in grid order, where the last factor changes fastest. Labels are the shapes.
    """
    factors = factor_grid()
    count = len(factors["shape"])
    test_mask = np.zeros(count, bool)
    test_mask[generator(0, "factors").permutation(count)[: count // 10]] = True
    rows = Split(render_sprites(factors), factors["shape"])
    return split_by_mask("sprites", rows, test_mask, (32, 32))._replace(factors=factors)


def factor_grid(**values: Any) -> dict[str, Array]:
    """All combinations of the values of the factors, as arrays (N,) by name; the last factor changes fastest.

    shape      indices into SHAPES, 0 to 2; default: all
    scale      default: 1/2, 2/3, 5/6, 1
    rotation   radians, counter-clockwise; default: 16 even steps of a full turn. A square looks the same after a
               quarter turn, an ellipse after half a turn
    x, y       0 to 1, from left to right and from top to bottom; default: 8 even steps each

    Raises ConfigError for another name, or values that are not finite numbers.
    """
    defaults = {
        "shape": np.arange(len(SHAPES)),
        "scale": np.linspace(0.5, 1.0, 4),
        "rotation": np.arange(16) * (pi / 8),
        "x": np.linspace(0.0, 1.0, 8),
        "y": np.linspace(0.0, 1.0, 8),
    }
    if not set(values) <= set(FACTORS):
        raise ConfigError(f"factors {', '.join(values)}: expected some of {', '.join(FACTORS)}")
    axes = [factor_values(name, values.get(name, defaults[name])) for name in FACTORS]
    grid = np.meshgrid(*axes, indexing="ij")
    return dict(zip(FACTORS, (axis.reshape(-1) for axis in grid), strict=True))


@suggest_arguments
def draw_factors(count: int, seed: int = 0) -> dict[str, Array]:
    """Independent uniform draws of the factors, as arrays (count,) by name; scale is from 1/2 to 1.

    Raises ConfigError.
    """
    count, rng = check_int("count", count), generator(seed, "factors")
    ranges = {"scale": (0.5, 1.0), "rotation": (0.0, 2 * pi), "x": (0.0, 1.0), "y": (0.0, 1.0)}
    shape = rng.integers(len(SHAPES), size=count)
    return {"shape": shape, **{name: rng.uniform(*ends, count) for name, ends in ranges.items()}}
