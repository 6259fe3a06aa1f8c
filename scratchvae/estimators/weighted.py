"""Rows with weights: a row of weight 2 counts as the row twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from scratchvae.arrays import Array
from scratchvae.rows import RowSelection, RowSource

MAX_REPETITION = 20  # whole numbers repeat rows, unless there are more than 20 N rows then


class WeightedRows(NamedTuple):
    """Rows (N, D), an array or a `RowSource`, and their weights (N,), positive numbers; None: all are 1."""

    rows: Array
    weights: Array | None

    @classmethod
    def make(cls, rows: Array, weights: Array | None) -> WeightedRows:
        """Repeat rows by weights that are whole numbers, if these are not large; leave out rows of weight 0."""
        if weights is None:
            return cls(rows, None)
        if (weights % 1 == 0).all() and weights.sum() <= MAX_REPETITION * len(rows):
            return cls(_select(rows, np.repeat(np.arange(len(rows)), weights.astype(np.int64))), None)
        return cls(rows, weights).take(np.flatnonzero(weights))

    def take(self, indices: Array) -> WeightedRows:
        """The rows of these indices."""
        return WeightedRows(_select(self.rows, indices), None if self.weights is None else self.weights[indices])

    def draw(self, rng: np.random.Generator) -> Array:
        """N rows, of which each is one of these in proportion to its weight."""
        return self.rows if self.weights is None else _select(self.rows, _draw_indices(self.weights, rng))

    def epochs(self, seed: int, batch_size: int) -> Callable[[int], Iterator[Array]]:
        """A function from the number of an epoch to its batches, of rows drawn anew. There must be weights."""
        assert self.weights is not None
        weights = self.weights

        def batches(epoch: int) -> Iterator[Array]:
            rng = np.random.default_rng([seed, epoch])
            drawn = rng.permutation(_draw_indices(weights, rng))
            for start in range(0, len(drawn), batch_size):
                yield self.rows[drawn[start : start + batch_size]]

        return batches


# Row n occupies an interval of length N w_n/Σw on the line from 0 to N. Of the N points u, u + 1, …, u uniform on
# [0, 1), so many fall into it on average, and one more or less at most.
def _draw_indices(weights: Array, rng: np.random.Generator) -> Array:
    """The indices of N rows, in proportion to their weights (N,) (systematic resampling)."""
    edges = np.cumsum(weights)
    points = (np.arange(len(edges)) + rng.random()) * (edges[-1] / len(edges))
    indices: Array = np.searchsorted(edges, points, side="right").clip(max=len(edges) - 1)
    return indices


def _select(rows: Array, indices: Array) -> Array:
    return RowSelection(rows, indices, "X") if isinstance(rows, RowSource) else rows[indices]
