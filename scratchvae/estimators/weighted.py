"""Rows with weights: a row of weight 2 counts as the row twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from scratchvae.arrays import Array

MAX_REPETITION = 20  # whole numbers repeat rows, unless there are more than 20 N rows then


class WeightedRows(NamedTuple):
    """Rows (N, D) and their weights (N,), positive numbers; None: all are 1."""

    rows: Array
    weights: Array | None

    @classmethod
    def make(cls, rows: Array, weights: Array | None) -> WeightedRows:
        """Repeat rows by weights that are whole numbers, if these are not large; leave out rows of weight 0."""
        if weights is None:
            return cls(rows, None)
        if (weights % 1 == 0).all() and weights.sum() <= MAX_REPETITION * len(rows):
            return cls(np.repeat(rows, weights.astype(np.int64), axis=0), None)
        return cls(rows[weights > 0], weights[weights > 0])

    def take(self, indices: Array) -> WeightedRows:
        """The rows of these indices."""
        return WeightedRows(self.rows[indices], None if self.weights is None else self.weights[indices])

    # Row n occupies an interval of length N w_n/Σw on the line from 0 to N. Of the N points u, u + 1, …, u uniform on
    # [0, 1), so many fall into it on average, and one more or less at most.
    def draw(self, rng: np.random.Generator) -> Array:
        """N rows, of which each is one of these in proportion to its weight (systematic resampling)."""
        if self.weights is None:
            return self.rows
        edges = np.cumsum(self.weights)
        points = (np.arange(len(edges)) + rng.random()) * (edges[-1] / len(edges))
        drawn: Array = self.rows[np.searchsorted(edges, points, side="right").clip(max=len(edges) - 1)]
        return drawn

    def epochs(self, seed: int, batch_size: int) -> Callable[[int], Iterator[Array]]:
        """A function from the number of an epoch to its batches, of rows drawn anew."""

        def batches(epoch: int) -> Iterator[Array]:
            rng = np.random.default_rng([seed, epoch])
            drawn = rng.permutation(self.draw(rng))
            for start in range(0, len(drawn), batch_size):
                yield drawn[start : start + batch_size]

        return batches
