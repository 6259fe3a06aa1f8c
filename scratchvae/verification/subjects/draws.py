"""Random shapes and numbers."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array


def sizes(rng: np.random.Generator, count: int) -> list[int]:
    """So many sizes from 1 to 6."""
    return [int(size) for size in rng.integers(1, 7, size=count)]


def off_zero(x: Array, margin: float = 0.05) -> Array:
    """x, pushed away from a kink at 0."""
    away: Array = x + np.where(x >= 0, margin, -margin)
    return away
