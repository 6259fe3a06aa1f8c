"""The `Dataset` type: train and test splits of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchvae.disk import Array
from scratchvae.errors import DataError
from scratchvae.representation import join_lines
from scratchvae.validation import short_repr


class Split(NamedTuple):
    """Rows of data (N, D), and their integer labels (N,) or None.

    Pixels are float32 in [0, 1]. The numbers of a table are float64, unscaled.
    """

    images: Array
    labels: Array | None

    def __repr__(self) -> str:
        return f"<Split: {len(self.images):,} rows of {_columns(self, None)}, {_classes(self)}>"


class Dataset(NamedTuple):
    """A data set with a training split and a test split.

    image_shape  (height, width) of a row, if rows are images
    test_mask    (N,) True for the rows of the source that are in the test split; None if the source has its own split
    validation   a validation split, if the source has one
    factors      generative factors of the images, if known: arrays (N,) by name, in the order of part("all")
    """

    name: str
    train: Split
    test: Split
    image_shape: tuple[int, int] | None
    test_mask: Array | None = None
    validation: Split | None = None
    factors: dict[str, Array] | None = None

    def __repr__(self) -> str:
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        rows = [f"{len(part.images):,} {name}" for name, part in parts.items() if part is not None]
        items = [f"{', '.join(rows)} rows of {_columns(self.train, self.image_shape)}", _classes(self.train, self.test)]
        items += [] if self.factors is None else [f"factors {', '.join(self.factors)}"]
        return join_lines(f"<Dataset {short_repr(self.name)}: ", items, ">")

    def part(self, name: str) -> Split:
        """The split "train", "validation" or "test", or all rows: "all".

        "all" has the order of the source or, if the source has its own split, train, validation and test rows in turn.
        Raises DataError.
        """
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        present = {name: split for name, split in splits.items() if split is not None}
        if name == "all":
            return _joined(list(present.values()), self.test_mask)
        if not isinstance(name, str) or name not in present:
            raise DataError(
                f"{self.name} has no part {short_repr(name)}: expected {', '.join(map(repr, present))} or 'all'"
            )
        return present[name]


def split_by_mask(name: str, rows: Split, test_mask: Array, image_shape: tuple[int, int] | None) -> Dataset:
    """Split rows into a test split, where `test_mask` (N,) is True, and a training split."""
    train, test = (
        Split(rows.images[mask], None if rows.labels is None else rows.labels[mask]) for mask in (~test_mask, test_mask)
    )
    return Dataset(name, train, test, image_shape, test_mask)


def hold_out_every_tenth(
    name: str, images: Array, image_shape: tuple[int, int] | None, labels: Array | None = None
) -> Dataset:
    """Split rows (N, D) and their labels (N,) or None: every tenth row, starting with the tenth, is a test row.

    The training rows are moved to the front of `images`, in place, so that large data is in memory only once.
    Raises DataError for fewer than 10 rows.
    """
    if len(images) < 10:
        raise DataError(f"{name} holds {len(images)} rows; expected at least 10, every tenth of which is a test row")
    test_mask = np.zeros(len(images), bool)
    test_mask[9::10] = True
    test = images[test_mask]
    for start in range(10, len(images), 10):
        block = images[start : start + 9]
        target = start - start // 10
        images[target : target + len(block)] = block
    train = images[: len(images) - len(test)]
    train_labels, test_labels = (None, None) if labels is None else (labels[~test_mask], labels[test_mask])
    return Dataset(name, Split(train, train_labels), Split(test, test_labels), image_shape, test_mask)


def square(pixels: int) -> tuple[int, int] | None:
    """The (height, width) of square images with this number of pixels, or None."""
    side = round(pixels**0.5)
    return (side, side) if side * side == pixels and side > 1 else None


def _columns(split: Split, image_shape: tuple[int, int] | None) -> str:
    picture = "" if image_shape is None else f" ({image_shape[0]}×{image_shape[1]})"
    return f"{split.images.shape[-1]:,} {split.images.dtype} numbers{picture}"


def _classes(*splits: Split) -> str:
    labels = [np.unique(split.labels) for split in splits if split.labels is not None]
    return f"{len(np.unique(np.concatenate(labels)))} classes" if labels else "no labels"


def _joined(splits: list[Split], test_mask: Array | None) -> Split:
    def join(arrays: list[Array]) -> Array:
        joined = np.concatenate(arrays)
        if test_mask is not None:
            joined[~test_mask], joined[test_mask] = arrays
        return joined

    labels = [split.labels for split in splits if split.labels is not None]
    return Split(join([split.images for split in splits]), join(labels) if len(labels) == len(splits) else None)
