"""What a data set is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchvae.disk import Array
from scratchvae.errors import DataError


class Split(NamedTuple):
    """Rows of pixels, images (N, D) float32 in [0, 1], and their labels (N,), if there are any."""

    images: Array
    labels: Array | None


class Dataset(NamedTuple):
    """A training part, a test part, and the (height, width) that makes a row a picture, if one does.

    `testing` (N,) marks the rows of the source that went into the test part, where we cut it ourselves; it is None for
    a set that comes cut.
    """

    name: str
    train: Split
    test: Split
    image_shape: tuple[int, int] | None
    testing: Array | None = None

    def part(self, name: str) -> Split:
        """The part "train", "test", or "all": every row, in the order of the source, train before test if it comes cut.

        Raises DataError.
        """
        if name in ("train", "test"):
            return self.train if name == "train" else self.test
        if name != "all":
            raise DataError(f"no part {name!r}: expected 'train', 'test' or 'all'")
        images = np.concatenate([self.train.images, self.test.images])
        if self.testing is not None:
            images[~self.testing], images[self.testing] = self.train.images, self.test.images
        if self.train.labels is None or self.test.labels is None:
            return Split(images, None)
        return Split(images, np.concatenate([self.train.labels, self.test.labels]))


def hold_out_a_tenth(name: str, images: Array, image_shape: tuple[int, int] | None) -> Dataset:
    """Rows (N, D) cut in two, without labels: every tenth row, counted from the tenth, is for testing.

    The others move up in `images` itself, which is used up, so that large data is in memory once.
    Raises DataError for fewer than 10 rows.
    """
    if len(images) < 10:
        raise DataError(f"{name} holds {len(images)} rows; expected at least 10, of which a tenth is kept for testing")
    testing = np.zeros(len(images), bool)
    testing[9::10] = True
    test = images[testing]
    for start in range(10, len(images), 10):
        nine = images[start : start + 9]
        moved = start - start // 10
        images[moved : moved + len(nine)] = nine
    train = images[: len(images) - len(test)]
    return Dataset(name, Split(train, None), Split(test, None), image_shape, testing)
