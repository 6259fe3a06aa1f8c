"""Omniglot: handwritten characters of 50 alphabets."""

from __future__ import annotations

import numpy as np

from scratchvae.datasets.checksums import ArrayChecksum, read_contents
from scratchvae.datasets.dataset import Dataset, Split
from scratchvae.datasets.search_paths import Folder, find_file
from scratchvae.disk import Array

BACKGROUND = ArrayChecksum(
    "bool", (964, 20, 105, 105), "9121d28f81874a5939b6e932f85c56f0c63db652bfdbd0fb391f6d5eeec01f0f"
)
EVALUATION = ArrayChecksum(
    "bool", (659, 20, 105, 105), "ebe4b0f06a588946ccb62c6e8d9e0eede457e4242f1bfca1309a1f946313b72e"
)


def load_omniglot(folder: Folder = None) -> Dataset:
    """Handwritten characters of 28×28 pixels, 1 for ink: 19,280 for training, 13,180 of other alphabets for testing.

    20 persons drew each of 964 characters of 30 alphabets, and of 659 characters of 20 other alphabets. Labels are the
    characters: 0 to 963 in the training split, 964 to 1622 in the test split, which has no character of the former.
    A pixel is the fraction of its area that is ink: see `shrink`. The images and the split differ from those of the
    28×28 version on which log-likelihoods have been published.

    B. Lake, R. Salakhutdinov, J. Tenenbaum, "Human-level concept learning through probabilistic program induction",
    Science 350, 2015; MIT licence. The files images_background.npz and images_evaluation.npz have an array images
    (characters, 20, 105, 105) bool each, False for ink. `find_file` describes where they are searched. Their contents
    are verified. Raises DataError.
    """
    splits, characters = [], 0
    for part, content in (("background", BACKGROUND), ("evaluation", EVALUATION)):
        (paper,) = read_contents(find_file("omniglot", f"images_{part}.npz", folder), {"images": content})
        images = np.concatenate([shrink(~drawings) for drawings in paper]).reshape(-1, 784)
        labels = np.repeat(np.arange(characters, characters + len(paper)), paper.shape[1])
        splits.append(Split(images, labels))
        characters += len(paper)
    train, test = splits
    return Dataset("omniglot", train, test, (28, 28))


# 105 = 28 · 3¾: divide each pixel into 4×4 parts; a pixel of the smaller image then consists of 15×15 parts, and
#   small_ij = Σ_kl W_ik ink_kl W_jl / 225,   W_ik = |[15 i, 15 (i + 1)) ∩ [4 k, 4 (k + 1))|
# The sums are integers that float32 represents exactly, so that no fraction is above 1.
def shrink(ink: Array) -> Array:
    """Images (N, 105, 105) bool as (N, 28, 28) float32: the fraction of each pixel's area, 3¾×3¾, that is ink."""
    small, large = 15 * np.arange(28)[:, None], 4 * np.arange(105)
    W = np.maximum(0, np.minimum(small + 15, large + 4) - np.maximum(small, large)).astype(np.float32)
    shares: Array = W @ ink.astype(np.float32) @ W.T / np.float32(225)
    return shares
