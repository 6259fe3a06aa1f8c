"""Characters of many alphabets, a few of each."""

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
    """Handwritten characters of 28×28 pixels, ink 1 and paper 0: 19,280 to train on, 13,180 of other alphabets to test.

    20 persons drew each of 964 characters of 30 alphabets, and of 659 characters of 20 further ones. A label is the
    number of a character: 0 to 963 in the training part, 964 to 1622 in the test part, which has none of the former.
    A pixel is the share of ink on its area: see `shrink`. These are not the pixels of the 28×28 version on which
    log-likelihoods have been published, nor its parts.

    B. Lake, R. Salakhutdinov, J. Tenenbaum, "Human-level concept learning through probabilistic program induction",
    Science 350, 2015; MIT licence. The files images_background.npz and images_evaluation.npz, each with an array images
    (characters, 20, 105, 105) bool that is False where there is ink, are looked for as `find_file` says, and
    their content is checked. Raises DataError.
    """
    splits, characters = [], 0
    for part, content in (("background", BACKGROUND), ("evaluation", EVALUATION)):
        (paper,) = read_contents(find_file("omniglot", f"images_{part}.npz", folder), {"images": content})
        images = np.concatenate([shrink(~twenty) for twenty in paper]).reshape(-1, 784)
        labels = np.repeat(np.arange(characters, characters + len(paper)), paper.shape[1])
        splits.append(Split(images, labels))
        characters += len(paper)
    train, test = splits
    return Dataset("omniglot", train, test, (28, 28))


# 105 = 28 · 3¾: with every pixel cut into 4×4 parts, a pixel of the smaller picture is made of 15×15 of them, and
#   small_ij = Σ_kl W_ik ink_kl W_jl / 225,   W_ik = |[15 i, 15 (i + 1)) ∩ [4 k, 4 (k + 1))|
# The sums are whole numbers that float32 holds, so that no share of ink is above 1.
def shrink(ink: Array) -> Array:
    """Pictures (N, 105, 105) bool as (N, 28, 28) float32: the share of each pixel's area, 3¾×3¾, that is ink."""
    small, large = 15 * np.arange(28)[:, None], 4 * np.arange(105)
    W = np.maximum(0, np.minimum(small + 15, large + 4) - np.maximum(small, large)).astype(np.float32)
    shares: Array = W @ ink.astype(np.float32) @ W.T / np.float32(225)
    return shares
