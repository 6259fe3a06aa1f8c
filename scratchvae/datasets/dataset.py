"""What a data set is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchvae.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]


class Split(NamedTuple):
    """Rows of pixels, images (N, D) float32 in [0, 1], and their labels (N,), if there are any."""

    images: Array
    labels: Array | None


class Dataset(NamedTuple):
    """A training part, a test part, and the (height, width) that makes a row a picture, if one does."""

    name: str
    train: Split
    test: Split
    image_shape: tuple[int, int] | None


def hold_out_a_tenth(name: str, images: Array, image_shape: tuple[int, int] | None) -> Dataset:
    """Rows (N, D) cut in two, without labels: every tenth row, counted from the tenth, is for testing.

    Raises DataError for fewer than 10 rows.
    """
    if len(images) < 10:
        raise DataError(f"{name} holds {len(images)} rows; expected at least 10, of which a tenth is kept for testing")
    testing = np.zeros(len(images), bool)
    testing[9::10] = True
    return Dataset(name, Split(images[~testing], None), Split(images[testing], None), image_shape)
