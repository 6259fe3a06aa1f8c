"""What is done to rows before a step: binarisation, and the noise that a denoising model takes away."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import Model
from scratchvae.training.binarize import Binarizer
from scratchvae.training.corruption import Corruption, Corruptor


class Preprocessor:
    """Binarises rows, if that is asked for, and makes a corrupted copy of them, if that is.

    `pixels` and `noise` are the generators that each draws from.
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
        """The rows (n, D) and their corrupted copy, made on the host and valid until the next call; x where it is x."""
        if self.binarizer:
            x = self.binarizer(to_numpy(x))
        return x, self.corruptor(to_numpy(x)) if self.corruptor else None
