"""The `Dataset` type: train and test splits of rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchvae.disk import Array
from scratchvae.errors import DataError
from scratchvae.representation import join_lines
from scratchvae.rng import generator
from scratchvae.rows import RowSelection, RowSource
from scratchvae.validation import short_repr

UNLABELLED = -1
TEST_SHARE = 10  # one row of so many is held out
BLOCK_BYTES = 1 << 16  # bytes that are moved at once


class Split(NamedTuple):
    """Rows of data (N, D), and their integer labels (N,) or None; −1 marks a row without a label.

    The rows are an array, or a `RowSource` of those that stay in files.

    Pixels are float32 in [0, 1]. The numbers of a table are float64, unscaled.
    """

    images: Any
    labels: Array | None

    def __repr__(self) -> str:
        return f"<Split: {len(self.images):,} rows of {_columns(self, None)}, {_classes(self)}>"


class Dataset(NamedTuple):
    """A data set with a training split and a test split.

    image_shape  (height, width), or (height, width, 3) in colour, of a row, if rows are images
    test_mask    (N,) True for the rows of the source that are in the test split; None if the source has its own split
    validation   a validation split, if the source has one
    factors      generative factors of the images, if known: arrays (N,) by name, in the order of part("all")
    columns      names of the columns (D,) of a table that has names; without that of the labels
    classes      names of the classes: label k is classes[k]
    files        names of the files of the rows (N,), in the order of part("all"), if each row has its own
    """

    name: str
    train: Split
    test: Split
    image_shape: tuple[int, ...] | None
    test_mask: Array | None = None
    validation: Split | None = None
    factors: dict[str, Array] | None = None
    columns: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None

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


def split_by_mask(name: str, rows: Split, test_mask: Array, image_shape: tuple[int, ...] | None) -> Dataset:
    """Split rows into a test split, where `test_mask` (N,) is True, and a training split."""
    train, test = (
        Split(rows.images[mask], None if rows.labels is None else rows.labels[mask]) for mask in (~test_mask, test_mask)
    )
    return Dataset(name, train, test, image_shape, test_mask)


def hold_out_of(name: str, rows: RowSource, image_shape: tuple[int, ...] | None, seed: int | None = 0) -> Dataset:
    """The split of `hold_out` of rows (N, D) that stay where they are; both parts keep their order."""
    test_mask = held_out_rows(len(rows), None, seed)
    train, test = (Split(RowSelection(rows, np.flatnonzero(mask)), None) for mask in (~test_mask, test_mask))
    return Dataset(name, train, test, image_shape, test_mask)


def hold_out(
    name: str,
    images: Array,
    image_shape: tuple[int, ...] | None,
    labels: Array | None = None,
    seed: int | None = 0,
) -> Dataset:
    """Split rows (N, D) and their labels (N,) or None: a tenth of the rows, chosen by `held_out_rows`, is for testing.

    The training rows are moved to the front of `images`, in place, so that large data is in memory only once.
    """
    test_mask = held_out_rows(len(images), labels, seed)
    test = images[test_mask]
    target, rows = 0, max(1, BLOCK_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), rows):
        block = images[start : start + rows][~test_mask[start : start + rows]]  # a copy
        images[target : target + len(block)] = block
        target += len(block)
    train_labels, test_labels = (None, None) if labels is None else (labels[~test_mask], labels[test_mask])
    return Dataset(name, Split(images[:target], train_labels), Split(test, test_labels), image_shape, test_mask)


def held_out_rows(count: int, labels: Array | None = None, seed: int | None = 0) -> Array:
    """A mask (count,) of the rows to hold out: count // 10 of them, chosen at random by `seed`; None: every tenth.

    With labels (count,), a tenth of each class is chosen, up to rounding, and never the last row of a class.
    """
    mask = np.zeros(count, bool)
    if seed is None:
        mask[TEST_SHARE - 1 :: TEST_SHARE] = True
        return mask
    rng = generator(seed, "held-out rows")
    if labels is None:  # as below, with a single group, and less memory
        rng.random(1)
        mask[rng.permutation(count)[: count // TEST_SHARE]] = True
        return mask
    groups = np.unique(labels, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(groups)
    # Each group gets the whole part of its share. The groups with the largest remainders share what is left; random
    # numbers decide between equal ones.
    chosen = sizes // TEST_SHARE
    left = count // TEST_SHARE - int(chosen.sum())
    remainders = np.where(sizes > 1, sizes % TEST_SHARE, 0) + rng.random(len(sizes))
    chosen[np.argsort(-remainders, kind="stable")[:left]] += 1
    chosen = np.minimum(chosen, sizes - 1)
    if not chosen.any():  # each row has a label of its own
        return held_out_rows(count, None, seed)
    order = rng.permutation(count)
    rows = order[np.argsort(groups[order], kind="stable")]  # group by group, in random order within each
    rank = np.arange(count) - (np.cumsum(sizes) - sizes)[groups[rows]]
    mask[rows[rank < chosen[groups[rows]]]] = True
    return mask


def square(pixels: int) -> tuple[int, int] | None:
    """The (height, width) of square images with this number of pixels, or None."""
    side = round(pixels**0.5)
    return (side, side) if side * side == pixels and side > 1 else None


def _columns(split: Split, image_shape: tuple[int, ...] | None) -> str:
    picture = "" if image_shape is None else f" ({'×'.join(map(str, image_shape))})"
    return f"{split.images.shape[-1]:,} {split.images.dtype} numbers{picture}"


def _classes(*splits: Split) -> str:
    labels = [np.unique(split.labels) for split in splits if split.labels is not None]
    return f"{len(np.unique(np.concatenate(labels)))} classes" if labels else "no labels"


def _joined(splits: list[Split], test_mask: Array | None) -> Split:
    if test_mask is not None and isinstance(splits[0].images, RowSelection):
        return Split(splits[0].images.source, None)

    def join(arrays: list[Array]) -> Array:
        joined = np.concatenate(arrays)
        if test_mask is not None:
            joined[~test_mask], joined[test_mask] = arrays
        return joined

    labels = [split.labels for split in splits if split.labels is not None]
    return Split(join([split.images for split in splits]), join(labels) if len(labels) == len(splits) else None)
