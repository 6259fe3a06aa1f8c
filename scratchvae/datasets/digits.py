"""Real handwritten digits, small enough to ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scratchvae.datasets.dataset import Dataset, Split


def load_digits() -> Dataset:
    """1797 handwritten digits of 8×8 pixels, the first 1500 for training and the last 297 for test_mask.

    Each pixel counts the ink in a 4×4 block of a 32×32 scan, 0 to 16; here it is divided by 16. The rows keep the
    order of the source, in which every class comes up equally often all along. Labels are 0 to 9.

    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
    doi:10.24432/C50P49, test part, licence CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). The numbers
    are those that scikit-learn distributes; changed here only by the division.
    """
    with np.load(Path(__file__).with_name("digits.npz")) as arrays:
        images = arrays["images"].astype(np.float32) / 16
        labels = arrays["labels"].astype(np.int64)
    return Dataset("digits", Split(images[:1500], labels[:1500]), Split(images[1500:], labels[1500:]), (8, 8))
