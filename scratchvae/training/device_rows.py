"""The rows of a training set in the memory of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.training.binarize import Binarizer

SHARE = 4  # the rows are kept on the device if they take at most this part of its free memory


class DeviceRows:
    """Rows (N, D) in the units of the networks, on a device, where each batch is gathered.

    With a binarizer, the thresholds of the binarization are kept instead of the rows. The random bits are drawn on the
    host, so that the pixels are the same as on other backends.

    read         a function that returns the rows with some indices (n,) on the host, valid until its next call
    shape        (N, D)
    batch_size   the largest number of rows of a batch
    """

    def __init__(
        self,
        backend: Backend,
        read: Callable[[Array], Array],
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        batch_size: int,
        binarizer: Binarizer | None,
    ) -> None:
        self.backend, self.binarizer = backend, binarizer
        xp, rows, width = backend.xp, *shape
        self._rows = xp.empty(shape, stored_dtype(dtype, binarizer))
        self._batch = xp.empty((batch_size, width), dtype)
        for start in range(0, rows, batch_size):
            x = read(np.arange(start, min(start + batch_size, rows)))
            backend.copy_from_host(self._rows[start : start + len(x)], binarizer.thresholds(x) if binarizer else x)
        if binarizer:
            self._thresholds = xp.empty((batch_size, width), self._rows.dtype)
            self._bits = HostToDeviceBuffer(backend)

    def gather(self, indices: Array, own: slice = slice(None)) -> Array:
        """The rows with the indices (n,), an array on the device, or the part `own` of them; valid until the next call.

        The random bits of the binarization are drawn for all of them.
        """
        xp: Any = self.backend.xp
        bits = None
        if self.binarizer is not None:
            bits = self.binarizer.bits((len(indices), self._batch.shape[1]))[own]
        indices = indices[own]
        x: Array = self._batch[: len(indices)]
        if bits is None:
            xp.take(self._rows, indices, axis=0, out=x)
            return x
        thresholds = self._thresholds[: len(indices)]
        xp.take(self._rows, indices, axis=0, out=thresholds)
        xp.less(self._bits.to_device(bits), thresholds, out=x)
        return x


def stored_dtype(dtype: np.dtype[Any], binarizer: Binarizer | None) -> np.dtype[Any]:
    """The dtype of what is kept of each number."""
    return np.dtype(np.uint16) if binarizer else dtype


def fits_on_device(backend: Backend, shape: tuple[int, int], dtype: np.dtype[Any], binarizer: Binarizer | None) -> bool:
    """True if rows of this shape are to be kept on the device of the backend."""
    if backend.on_host or (binarizer is not None and binarizer.missing):  # a threshold cannot represent NaN
        return False
    return shape[0] * shape[1] * stored_dtype(dtype, binarizer).itemsize <= backend.free_memory() // SHARE
