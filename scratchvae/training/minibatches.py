"""Minibatches of the training data in random order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.models import Model
from scratchvae.parallel import WHOLE, Part, whole
from scratchvae.rows import RowReader
from scratchvae.training.device_rows import DeviceRows, fits_on_device
from scratchvae.training.preprocess import Preprocessor

CHUNK_BYTES = 2**22  # bytes of rows of which the mean is computed at once


class MinibatchSource(NamedTuple):
    """The arguments of minibatches: rows (N, D) for a model, shuffled by `rng`, after `preprocess`.

    images   an array, or a `RowSource`
    part     the part of a batch that this process computes, from its number of rows: that of its `ProcessGroup`
    """

    model: Model
    images: Array
    batch_size: int
    rng: np.random.Generator
    preprocess: Preprocessor
    part: Callable[[int], Part] = whole


class Batches:
    """The batches of one epoch after another: what the training loop and its callbacks see of the data.

    Of several processes, each has its own rows of each batch, and the numbers of rows are those of all.

    batch_size  the largest number of rows of a batch
    rows        the number of rows of the epoch; of a stream, those so far
    labels      of all rows, or None
    corrupted   the last batch with noise for denoising training, or None; valid until the next batch
    targets     the one-hot labels of the last batch, or None
    indices     the row indices of the last batch
    part        where its rows are in the batch of all processes
    batch_rows  the number of rows of that
    repeatable  True if `after` can go back
    """

    batch_size: int
    rows: int
    labels: Array | None = None
    corrupted: Array | None = None
    targets: Array | None = None
    indices: Array
    part: Part = WHOLE
    batch_rows: int
    repeatable = True

    def __len__(self) -> int:
        """The number of batches per epoch."""
        raise NotImplementedError

    def after(self, batches: int, epoch: int = 1, epochs_before: int = 0) -> Iterator[Array]:
        """Yield the batches (B, D) of one epoch on the device, without the first `batches` ones.

        epoch           the number of the epoch, counted from 1 as in the history
        epochs_before   the number of epochs of this call of `fit` before it
        """
        raise NotImplementedError


class Minibatches(Batches):
    """All rows of `images` (N, D) in batches of `batch_size`, in a new random order for each epoch.

    The last batch of an epoch has the remaining N mod batch_size rows, if any, so that each row occurs once. Rows are
    gathered into one buffer and copied to the device: a batch is valid until the next one. If the rows take no more
    than a quarter of the device's free memory, they are kept there, unless they are corrupted, augmented, or binarized
    with missing values.

    augments   True if `augment` changes the rows
    """

    def __init__(self, source: MinibatchSource, rows: int | None = None, augments: bool = False) -> None:
        model, images = source.model, source.images
        self.images = images
        self.rows = len(images) if rows is None else rows  # per epoch
        self.batch_size = min(source.batch_size, self.rows)
        self.rng = source.rng
        self.preprocess = source.preprocess
        self._part = source.part
        self._rows = RowReader(images, "images")
        self._batch_buffer, self._corrupted_buffer = (
            HostToDeviceBuffer(model.backend),
            HostToDeviceBuffer(model.backend),
        )
        self._host = np.empty((self.batch_size, images.shape[1]), model.dtype)
        self.scale = model.scale
        same = images.dtype == model.dtype and self.scale.is_identity
        self._gathered = self._host if same else np.empty(self._host.shape, images.dtype)
        self._scaled = None if self.scale.is_identity else np.empty(self._host.shape)
        binarizer, self._device_rows = self.preprocess.binarizer, None
        self._needs_all_rows = augments or self.preprocess.corruptor is not None  # to draw the noise of a batch
        if not self._needs_all_rows and fits_on_device(model.backend, images.shape, model.dtype, binarizer):
            self._device_rows = DeviceRows(
                model.backend, self._read, images.shape, model.dtype, self.batch_size, binarizer
            )

    def __len__(self) -> int:
        """The number of batches per epoch."""
        return count_batches(self.rows, self.batch_size)

    def order(self) -> Array:
        """The row indices of one epoch, each once, in random order."""
        return self.rng.permutation(len(self.images))

    def __iter__(self) -> Iterator[Array]:
        """Yield the batches (B, D) of one epoch, on the device."""
        return self.after(0)

    def after(self, batches: int, epoch: int = 1, epochs_before: int = 0) -> Iterator[Array]:
        """See `Batches.after`. The order is the next one of the generator, whatever the number of the epoch."""
        order = self.order()
        order_on_device = order if self._device_rows is None else self._device_rows.backend.upload(order)
        for start in range(batches * self.batch_size, len(order), self.batch_size):
            batch = slice(start, start + self.batch_size)
            indices = order[batch]
            self.batch_rows, self.part = len(indices), self._part(len(indices))
            own = self.part.rows
            self.indices = indices[own]
            if self._device_rows is not None:
                yield self._device_rows.gather(order_on_device[batch], own)
            elif self._needs_all_rows:
                x, corrupted = self.preprocess(self.augment(self._read(indices), indices))
                if corrupted is not None:
                    self.corrupted = self._corrupted_buffer.to_device(corrupted[own])
                yield self._batch_buffer.to_device(x[own])
            else:
                x, binarizer = self._read(self.indices), self.preprocess.binarizer
                yield self._batch_buffer.to_device(x if binarizer is None else binarizer(x, self.batch_rows, own))

    def _read(self, indices: Array) -> Array:
        """The rows with these indices (n,), in the units of the networks, on the host; valid until the next call."""
        x, gathered = self._host[: len(indices)], self._gathered[: len(indices)]
        self._rows.gather(indices, out=gathered)
        if self._scaled is not None:
            x[...] = self.scale.to_networks(gathered, out=self._scaled[: len(indices)])
        elif gathered.dtype != x.dtype:
            x[...] = gathered
        return x

    def augment(self, x: Array, indices: Array) -> Array:
        """The rows x (B, D) with these indices (B,), unchanged."""
        return x


def count_batches(rows: int, batch_size: int) -> int:
    """The number of batches of up to `batch_size` rows in an epoch of `rows` rows."""
    return -(-rows // batch_size)


def observed_mean(rows: Array) -> Array | None:
    """The mean (D,) of the observed values of rows (N, D), which are those other than NaN, as float64.

    A column without observed values gets the mean of the other columns. None if there are none at all.
    """
    rows = to_numpy(rows)
    total, counts = np.zeros(rows.shape[1]), np.zeros(rows.shape[1], np.int64)
    for part in RowReader(rows, "x").slices(max(1, CHUNK_BYTES * len(rows) // max(1, rows.nbytes))):
        observed = ~np.isnan(rows[part])
        counts += observed.sum(axis=0)
        total += np.sum(rows[part], axis=0, dtype=np.float64, where=observed)
    if not counts.any():
        return None
    mean: Array = total / np.maximum(1, counts)
    mean[counts == 0] = mean[counts > 0].mean()
    return mean
