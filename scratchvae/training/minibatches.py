"""The data, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.memory import HostToDeviceBuffer, RowReader
from scratchvae.models import Model
from scratchvae.training.preprocess import Preprocessor


class MinibatchSource(NamedTuple):
    """What minibatches are made of: rows (N, D) for a model, in an order that `rng` draws, after `preprocess`."""

    model: Model
    images: Array
    batch_size: int
    rng: np.random.Generator
    preprocess: Preprocessor


class Minibatches:
    """All rows of `images` (N, D) in a new random order each time it is run through, in batches of `batch_size`.

    The last batch has the N mod batch_size rows that are left, if any are: every row is seen once. Rows are gathered
    into one buffer, made once, and brought to the device: each batch is valid until the next.

    corrupted   the last batch with the noise that training takes away, if there is any, valid as long
    targets     the one-hot classes of the last batch, where there are any
    chosen      the numbers of the last batch's rows
    """

    labels: Array | None = None  # of all rows, where there are any
    corrupted: Array | None = None
    targets: Array | None = None
    indices: Array

    def __init__(self, source: MinibatchSource) -> None:
        model, images = source.model, source.images
        self.images = images
        self.rows = len(images)  # in one run through the data
        self.batch_size = min(source.batch_size, self.rows)
        self.rng = source.rng
        self.preprocess = source.preprocess
        self._rows = RowReader(images, "images")
        self._noise_buffer, self._corrupted_buffer = (
            HostToDeviceBuffer(model.backend),
            HostToDeviceBuffer(model.backend),
        )
        self._host = np.empty((self.batch_size, images.shape[1]), model.dtype)
        self._gathered = self._host if images.dtype == model.dtype else np.empty(self._host.shape, images.dtype)

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
            self.indices = indices = order[start : start + self.batch_size]
            x = self._host[: len(indices)]
            gathered = self._gathered[: len(indices)]
            self._rows.gather(indices, out=gathered)
            if gathered.dtype != x.dtype:
                x[...] = gathered
            x, corrupted = self.preprocess(self.augment(x))
            if corrupted is not None:
                self.corrupted = self._corrupted_buffer.to_device(corrupted)
            yield self._noise_buffer.to_device(x)

    def augment(self, x: Array) -> Array:
        """The rows x (B, D) of `images`, as they are."""
        return x
