"""Pictures of simple shapes, drawn from factors that are known, so that disentanglement can be measured.

After dSprites: L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, "dSprites: Disentanglement test_mask Sprites dataset",
2017. Unlike there, shapes of one scale have one area, so that how much is white does not tell the shape.
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
from scratchvae.validation import check_int


def load_sprites() -> Dataset:
    """12,288 pictures of 32×32 pixels in [0, 1], rendered in a second: the grid of all factors' values.

    3 shapes × 4 scales × 16 rotations × 8 x × 8 y: see `factor_grid`, `render_sprites`. A tenth, drawn at random once
    and for all, is for test_mask; part "all" is the grid, its last factor changing fastest. Labels are the shapes.
    """
    factors = factor_grid()
    count = len(factors["shape"])
    test_mask = np.zeros(count, bool)
    test_mask[generator(0, "factors").permutation(count)[: count // 10]] = True
    rows = Split(render_sprites(factors), factors["shape"])
    return split_by_mask("sprites", rows, test_mask, (32, 32))._replace(factors=factors)


def factor_grid(**values: Any) -> dict[str, Array]:
    """Every combination of the values of each factor, as (N,) numbers by name; the last factor changes fastest.

    shape      of SHAPES, 0 to 2; all of them unless they are given
    scale      1/2, 2/3, 5/6, 1 unless given
    rotation   radians, counter-clockwise; 16 even steps of a turn unless given. A square looks the same after a quarter
               of a turn, an ellipse after half of one
    x, y       0 to 1: from left to right, and from top to bottom; each 8 even steps unless given

    Raises ConfigError for another name, or values that are no finite numbers.
    """
    steps = {
        "shape": np.arange(len(SHAPES)),
        "scale": np.linspace(0.5, 1.0, 4),
        "rotation": np.arange(16) * (pi / 8),
        "x": np.linspace(0.0, 1.0, 8),
        "y": np.linspace(0.0, 1.0, 8),
    }
    if not set(values) <= set(FACTORS):
        raise ConfigError(f"factors {', '.join(values)}: expected some of {', '.join(FACTORS)}")
    chosen = {name: factor_values(name, values.get(name, steps[name])) for name in FACTORS}
    grid = np.meshgrid(*chosen.values(), indexing="ij")
    return dict(zip(FACTORS, (axis.reshape(-1) for axis in grid), strict=True))


def draw_factors(count: int, seed: int = 0) -> dict[str, Array]:
    """Independent draws, as (count,) numbers by name, each even over its range; of scale, from 1/2 to 1.

    Raises ConfigError.
    """
    count, rng = check_int("count", count), generator(seed, "factors")
    ranges = {"scale": (0.5, 1.0), "rotation": (0.0, 2 * pi), "x": (0.0, 1.0), "y": (0.0, 1.0)}
    shape = rng.integers(len(SHAPES), size=count)
    return {"shape": shape, **{name: rng.uniform(*ends, count) for name, ends in ranges.items()}}
