"""Random shapes, numbers and labels."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.models.labels import one_hot


def random_sizes(rng: np.random.Generator, count: int) -> list[int]:
    """Return `count` random sizes from 1 to 6."""
    return [int(size) for size in rng.integers(1, 7, size=count)]


def away_from_zero(x: Array, margin: float = 0.05) -> Array:
    """Return x, moved away from a kink at 0 by `margin`."""
    moved: Array = x + np.where(x >= 0, margin, -margin)
    return moved


def random_one_hot(rng: np.random.Generator, rows: int, classes: int, unlabelled: bool) -> Array:
    """Return random one-hot rows (rows, classes); with `unlabelled`, some may be all zeros."""
    return one_hot(rng.integers(-1 if unlabelled else 0, classes, rows), np.empty((rows, classes)))
