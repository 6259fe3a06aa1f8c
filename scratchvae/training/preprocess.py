"""Preprocessing of rows before a step: dynamic binarization, and corruption for denoising."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import Model
from scratchvae.training.binarize import Binarizer
from scratchvae.training.corruption import Corruption, Corruptor


class Preprocessor:
    """Binarizes rows if `binarize`, then makes a corrupted copy of them if `corrupt` is not None.

    `pixels` is the random generator of the binarization, `noise` that of the corruption.
    """

    def __init__(
        self,
        model: Model,
        binarize: bool,
        corrupt: Corruption | None,
        pixels: np.random.Generator,
        noise: np.random.Generator,
    ) -> None:
        self.binarizer = Binarizer(pixels, model.dtype, model.config["missing"]) if binarize else None
        self.corruptor = None if corrupt is None else Corruptor(corrupt, noise, model.dtype, model.support)

    def __call__(self, x: Array) -> tuple[Array, Array | None]:
        """The rows (n, D), binarized or x itself, and a corrupted copy or None. Both are valid until the next call."""
        if self.binarizer:
            x = self.binarizer(to_numpy(x))
        return x, self.corruptor(to_numpy(x)) if self.corruptor else None
