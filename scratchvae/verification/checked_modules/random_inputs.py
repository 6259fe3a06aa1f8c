"""Random shapes, numbers and labels."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.models.labels import one_hot


def random_sizes(rng: np.random.Generator, count: int) -> list[int]:
    """So many sizes from 1 to 6."""
    return [int(size) for size in rng.integers(1, 7, size=count)]


def away_from_zero(x: Array, margin: float = 0.05) -> Array:
    """x, pushed away from a kink at 0."""
    away: Array = x + np.where(x >= 0, margin, -margin)
    return away


def random_one_hot(rng: np.random.Generator, rows: int, classes: int, some: bool) -> Array:
    """One-hot rows (rows, classes), of which `some` may be zeros."""
    return one_hot(rng.integers(-1 if some else 0, classes, rows), np.empty((rows, classes)))
