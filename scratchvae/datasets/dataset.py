"""What a data set is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchvae.disk import Array
from scratchvae.errors import DataError
from scratchvae.representation import join_lines
from scratchvae.validation import short_repr


class Split(NamedTuple):
    """Rows of data (N, D), and their labels (N,), whole numbers, if there are any.

    Pixels are float32 in [0, 1]; the rows of a table are float64, as they are.
    """

    images: Array
    labels: Array | None

    def __repr__(self) -> str:
        return f"<Split: {len(self.images):,} rows of {_columns(self, None)}, {_classes(self)}>"


class Dataset(NamedTuple):
    """A training part, a test part, and the (height, width) that makes a row a picture, if one does.

    test_mask    (N,) marks the rows of the source that went into the test part; None for a set that comes split
    validation   a third part, of a set that comes with one
    factors      what the pictures were drawn from, where known: (N,) numbers by name, in the order of part "all"
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
        """The part "train", "validation", "test", or "all": every row, in the order of the source if we cut it.

        All rows of a set that comes cut are those of train, validation and test, one after the other.
        Raises DataError.
        """
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        held = {name: part for name, part in parts.items() if part is not None}
        if name == "all":
            return _joined(list(held.values()), self.test_mask)
        if not isinstance(name, str) or name not in held:
            raise DataError(
                f"{self.name} has no part {short_repr(name)}: expected {', '.join(map(repr, held))} or 'all'"
            )
        return held[name]


def split_by_mask(name: str, rows: Split, test_mask: Array, image_shape: tuple[int, int] | None) -> Dataset:
    """Rows in two: those that `test_mask` (N,) marks, and the others, on which to train."""
    train, test = (
        Split(rows.images[some], None if rows.labels is None else rows.labels[some]) for some in (~test_mask, test_mask)
    )
    return Dataset(name, train, test, image_shape, test_mask)


def hold_out_every_tenth(
    name: str, images: Array, image_shape: tuple[int, int] | None, labels: Array | None = None
) -> Dataset:
    """Rows (N, D) and their labels (N,), if any, cut in two: every tenth row, counted from the tenth, is for test_mask.

    The others move up in `images` itself, which is used up, so that large data is in memory once.
    Raises DataError for fewer than 10 rows.
    """
    if len(images) < 10:
        raise DataError(
            f"{name} holds {len(images)} rows; expected at least 10, every tenth of which is a test row"
        )
    test_mask = np.zeros(len(images), bool)
    test_mask[9::10] = True
    test = images[test_mask]
    for start in range(10, len(images), 10):
        nine = images[start : start + 9]
        moved = start - start // 10
        images[moved : moved + len(nine)] = nine
    train = images[: len(images) - len(test)]
    of_train, of_test = (None, None) if labels is None else (labels[~test_mask], labels[test_mask])
    return Dataset(name, Split(train, of_train), Split(test, of_test), image_shape, test_mask)


def square(pixels: int) -> tuple[int, int] | None:
    """The (height, width) of rows of so many pixels, if they fill a square."""
    side = round(pixels**0.5)
    return (side, side) if side * side == pixels and side > 1 else None


def _columns(split: Split, image_shape: tuple[int, int] | None) -> str:
    picture = "" if image_shape is None else f" ({image_shape[0]}×{image_shape[1]})"
    return f"{split.images.shape[-1]:,} {split.images.dtype} numbers{picture}"


def _classes(*splits: Split) -> str:
    labels = [np.unique(split.labels) for split in splits if split.labels is not None]
    return f"{len(np.unique(np.concatenate(labels)))} classes" if labels else "no labels"


def _joined(parts: list[Split], test_mask: Array | None) -> Split:
    def join(arrays: list[Array]) -> Array:
        whole = np.concatenate(arrays)
        if test_mask is not None:
            whole[~test_mask], whole[test_mask] = arrays
        return whole

    labels = [part.labels for part in parts if part.labels is not None]
    return Split(join([part.images for part in parts]), join(labels) if len(labels) == len(parts) else None)
