"""The noise that a seed stands for."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.models.settings import whole


def standard_normal(seed: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """ε ~ N(0, I) of that shape, drawn on the host: a seed gives the same draws on every backend.

    Raises ConfigError for a seed that is no whole number of at least 0.
    """
    rng = np.random.default_rng(whole("seed", seed, least=0))
    return rng.standard_normal(shape, dtype.type)
