"""The peak signal-to-noise ratio."""

from __future__ import annotations

from math import inf, log10
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.errors import RangeError, ShapeError
from scratchvae.validation import check_positive, suggest_arguments


@suggest_arguments
def psnr(images: Any, clean: Any, peak: float = 1.0) -> float:
    """Compute the peak signal-to-noise ratio of images (N, D) relative to clean (N, D), in dB; higher is better.

    10 log₁₀(peak² / MSE), where `peak` is the range of a pixel and MSE is the mean squared error over all pixels of all
    rows. (The mean of the ratios of the rows would be infinite if a single row were exact.) Infinite if all rows are
    exact. Pixels that are NaN in clean are unknown, and not counted. Raises DTypeError, ShapeError, ConfigError or, for
    other pixels that are not finite, RangeError.
    """
    images, clean = as_real_array("images", images), as_real_array("clean", clean)
    if images.shape != clean.shape or not images.size:
        raise ShapeError(
            f"images has shape {images.shape} and clean has shape {clean.shape}: expected the same shape, not empty"
        )
    peak = check_positive("peak", peak)
    known = ~np.isnan(clean)
    if not known.any():
        raise RangeError("clean holds only NaN; expected some known pixels")
    with np.errstate(over="ignore"):  # a long double may be too large for float64
        images, clean = images[known].astype(np.float64), clean[known].astype(np.float64)
    for name, x in (("images", images), ("clean", clean)):
        if not np.isfinite(x).all():
            raise RangeError(f"{name} holds NaN or infinite pixels where clean is known; expected finite numbers")
    half_difference = images / 2 - clean / 2  # the difference itself may overflow
    largest = float(np.abs(half_difference).max())
    if not largest:
        return inf
    # MSE = (2 · largest)² · mean((half_difference / largest)²), where the last factor is in [1/n, 1]
    ratio = float(np.mean((half_difference / largest) ** 2))
    return 20 * (log10(peak) - log10(2) - log10(largest)) - 10 * log10(ratio)
