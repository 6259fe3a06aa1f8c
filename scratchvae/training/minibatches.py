"""The data, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.memory import Landing, Rows
from scratchvae.training.binarize import Binarizer
from scratchvae.training.corruption import Corruptor


class Minibatches:
    """All rows of `images` (N, D) in a new random order each time it is run through, in batches of `batch_size`.

    The last batch has the N mod batch_size rows that are left, if any are: every row is seen once. Rows are gathered
    into one buffer, made once, and brought to the device: what is given out is a loan until the next batch.

    corrupted   the last batch with the noise of `corruptor`, if there is one, on the same loan
    targets     what the model is told of the last batch, where it is told anything
    chosen      the numbers of the last batch's rows
    """

    labels: Array | None = None  # of all rows, where there are any
    corrupted: Array | None = None
    targets: Array | None = None
    chosen: Array

    def __init__(
        self,
        images: Array,
        batch_size: int,
        rng: np.random.Generator,
        binarizer: Binarizer | None,
        backend: Backend,
        dtype: np.dtype[Any],
        corruptor: Corruptor | None = None,
    ) -> None:
        self.images = images
        self.rows = len(images)  # in one run through the data
        self.batch_size = min(batch_size, self.rows)
        self.rng = rng
        self.binarizer = binarizer
        self.corruptor = corruptor
        self._rows = Rows(images, "images")
        self._landing, self._landing_corrupted = Landing(backend), Landing(backend)
        self._host = np.empty((self.batch_size, images.shape[1]), dtype)
        self._gathered = self._host if images.dtype == dtype else np.empty(self._host.shape, images.dtype)

    def __len__(self) -> int:
        """The number of batches in one run through the data."""
        return -(-self.rows // self.batch_size)

    def order(self) -> Array:
        """The numbers of the rows of one run, each once."""
        return self.rng.permutation(len(self.images))

    def __iter__(self) -> Iterator[Array]:
        """Batches (B, D) on the device."""
        return self.after(0)

    def after(self, passed: int) -> Iterator[Array]:
        """Those that are left of a run once the first `passed` were given out."""
        order = self.order()
        for start in range(passed * self.batch_size, len(order), self.batch_size):
            self.chosen = chosen = order[start : start + self.batch_size]
            x = self._host[: len(chosen)]
            gathered = self._gathered[: len(chosen)]
            self._rows.gather(chosen, out=gathered)
            if gathered.dtype != x.dtype:
                x[...] = gathered
            x = self.drawn(x)
            if self.corruptor:
                self.corrupted = self._landing_corrupted.bring(self.corruptor(x))
            yield self._landing.bring(x)

    def drawn(self, x: Array) -> Array:
        """What is given out for the rows x (B, D) of `images`."""
        return self.binarizer(x) if self.binarizer else x
