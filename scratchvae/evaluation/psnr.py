"""The peak signal-to-noise ratio."""

from __future__ import annotations

from math import inf, log10
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.errors import ShapeError
from scratchvae.validation import check_positive, suggest_arguments


@suggest_arguments
def psnr(images: Any, clean: Any, peak: float = 1.0) -> float:
    """Compute the peak signal-to-noise ratio of images (N, D) relative to clean (N, D), in dB; higher is better.

    10 log₁₀(peak² / MSE), where `peak` is the range of a pixel and MSE is the mean squared error over all pixels of all
    rows. (The mean of the ratios of the rows would be infinite if a single row were exact.) Infinite if all rows are
    exact. Raises DTypeError, ShapeError or ConfigError.
    """
    images, clean = (as_real_array(name, x).astype(np.float64) for name, x in (("images", images), ("clean", clean)))
    if images.shape != clean.shape or not images.size:
        raise ShapeError(
            f"images has shape {images.shape} and clean has shape {clean.shape}: expected the same shape, not empty"
        )
    peak = check_positive("peak", peak)
    mse = float(np.mean((images - clean) ** 2))
    return 10 * log10(peak**2 / mse) if mse else inf
