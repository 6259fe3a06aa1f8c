"""How far a picture is from what it should be."""

from __future__ import annotations

from math import inf, log10
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.errors import ShapeError
from scratchvae.validation import check_positive


def psnr(images: Any, clean: Any, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio of images (N, D) against what they should be, clean (N, D), in dB: more is better.

    10 log₁₀(peak² / MSE), where `peak` is the range of a pixel and MSE the mean squared error over all pixels of all
    rows: the mean of each row's own ratio would be infinite as soon as a single row is exact. Infinite if all are.
    Raises DTypeError, ShapeError or ConfigError.
    """
    given, wanted = (as_real_array(name, x).astype(np.float64) for name, x in (("images", images), ("clean", clean)))
    if given.shape != wanted.shape or not given.size:
        raise ShapeError(
            f"images of shape {given.shape} and clean ones of shape {wanted.shape}: expected the same, not empty"
        )
    peak = check_positive("peak", peak)
    error = float(np.mean((given - wanted) ** 2))
    return 10 * log10(peak**2 / error) if error else inf
