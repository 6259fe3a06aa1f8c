"""The 8×8 handwritten digits that are part of the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scratchvae.datasets.dataset import Dataset, Split


def load_digits() -> Dataset:
    """1797 handwritten digits of 8×8 pixels: the first 1500 for training, the last 297 for testing.

    Each pixel is the number of black pixels in a 4×4 block of a 32×32 scan, divided by 16. The rows have the order of
    the source, in which the classes are evenly mixed. Labels are 0 to 9.

    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
    doi:10.24432/C50P49, test part, licence CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). The numbers are
    those of scikit-learn's copy; the only change is the division.
    """
    with np.load(Path(__file__).with_name("digits.npz")) as arrays:
        images = arrays["images"].astype(np.float32) / 16
        labels = arrays["labels"].astype(np.int64)
    return Dataset("digits", Split(images[:1500], labels[:1500]), Split(images[1500:], labels[1500:]), (8, 8))
