"""The statically binarized MNIST, on which log-likelihoods are commonly compared."""

from __future__ import annotations

import numpy as np

from scratchvae.datasets.checksums import ArrayChecksum, read_contents
from scratchvae.datasets.dataset import Dataset, Split
from scratchvae.datasets.search_paths import Folder, find_file

FILE = "bmnist_fixed_packbits.npz"
PARTS = {
    "train": ArrayChecksum("uint8", (50000, 98), "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906"),
    "valid": ArrayChecksum("uint8", (10000, 98), "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d"),
    "test": ArrayChecksum("uint8", (10000, 98), "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2"),
}


def load_binarized_mnist(folder: Folder = None) -> Dataset:
    """Binary digits of 28×28 pixels, 0 or 1: 50,000 train, 10,000 validation, 10,000 test rows. No labels.

    Each pixel was drawn once, as 1 with a probability equal to its grey value (R. Salakhutdinov, I. Murray, "On the
    Quantitative Analysis of Deep Belief Networks", ICML 2008). This draw is by H. Larochelle, for "The Neural
    Autoregressive Distribution Estimator" (with I. Murray, AISTATS 2011).

    The file bmnist_fixed_packbits.npz has the arrays train, valid and test, each `numpy.packbits(pixels, axis=1)`.
    `find_file` describes where it is searched. Its contents are verified. Raises DataError.
    """
    packed = read_contents(find_file("binarized-mnist", FILE, folder), PARTS)
    train, validation, test = (Split(np.unpackbits(rows, axis=1).astype(np.float32), None) for rows in packed)
    return Dataset("binarized-mnist", train, test, (28, 28), validation=validation)
