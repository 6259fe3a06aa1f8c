"""Minibatches of rows some of which have a label."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.memory import HostToDeviceBuffer, RowReader
from scratchvae.models.labels import UNLABELLED, one_hot
from scratchvae.rng import fill_random
from scratchvae.training.minibatches import Minibatches, MinibatchSource
from scratchvae.validation import check_positive


class LabelledMinibatches(Minibatches):
    """As `Minibatches`, with `targets`, (B, K) one-hot rows, of each batch at hand: zeros for a row without a label.

    Labelled rows are spread evenly: each batch has as many as any other, to within one. `share` of all rows that are
    given out are labelled; where labelled rows are fewer than that in the data, they come several times in one run,
    while every other row comes once. None: as many as there are, once each.

    input_std   standard deviations (N, D) and where to draw from: see `NoiseAugmenter`
    """

    labels: Array

    def __init__(
        self,
        source: MinibatchSource,
        labels: Array,
        classes: int,
        share: float | None = None,
        input_std: tuple[Array, np.random.Generator] | None = None,
    ) -> None:
        super().__init__(source)
        self.labels = labels
        self._labelled = np.flatnonzero(labels != UNLABELLED)
        self._unlabelled = np.flatnonzero(labels == UNLABELLED)
        self._draws = len(self._labelled) if share is None else self._draws_for(share)
        self.rows = self._draws + len(self._unlabelled)
        self.batch_size = min(source.batch_size, self.rows)
        self._targets_buffer = HostToDeviceBuffer(source.model.backend)
        self._targets = np.empty((len(self._host), classes), source.model.dtype)
        self._spread = input_std and NoiseAugmenter(*input_std, self._host)

    @property
    def share(self) -> float:
        """Of the rows that are given out, those that are labelled."""
        return self._draws / self.rows

    def _draws_for(self, share: float) -> int:
        if not check_positive("labelled_share", share) < 1:
            raise ConfigError(f"labelled_share={share!r}: expected a number above 0 and below 1")
        draws = round(share / (1 - share) * len(self._unlabelled))
        if not len(self._labelled) <= draws:
            raise ConfigError(
                f"labelled_share={share!r}: {len(self._labelled)} of {len(self.labels)} rows have a label, which is "
                "more; leave it out"
            )
        return draws

    # The j-th of n rows stands at (j + ½)/n of the way: sorted by that, rows of both kinds are spread evenly.
    def order(self) -> Array:
        """The numbers of the rows of one run, labelled and other rows in random order each, evenly mixed."""
        n = len(self._labelled)
        runs = [self.rng.permutation(self._labelled) for _ in range(-(-self._draws // n))] if n else []
        kinds = np.concatenate([*runs, self._labelled[:0]])[: self._draws], self.rng.permutation(self._unlabelled)
        places = np.concatenate([(np.arange(len(kind)) + 0.5) / max(1, len(kind)) for kind in kinds])
        mixed: Array = np.concatenate(kinds)[np.argsort(places, kind="stable")]
        return mixed

    def after(self, passed: int) -> Iterator[Array]:
        """As `Minibatches.after`; `targets` are those of the batch."""
        for x in super().after(passed):
            targets = one_hot(self.labels[self.indices], self._targets[: len(x)])
            self.targets = self._targets_buffer.to_device(targets)
            yield x

    def augment(self, x: Array) -> Array:
        """The rows x (B, D), drawn anew from around them, if they have a input_std."""
        return self._spread(x, self.indices) if self._spread else x


class NoiseAugmenter:
    """Draws rows anew each time from N(x, spread²): rows that are known no better than that.

    So the second of two models learns from the codes of the first, its posterior N(μ(x), σ²(x)) being what is known of
    them. Kingma, Rezende, Mohamed and Welling 2014, sec. 2.1 and 4.
    """

    def __init__(self, input_std: Array, rng: np.random.Generator, like: Array) -> None:
        self.rng = rng
        self._rows = RowReader(input_std, "input_std")
        self._noise, self._deviation = np.empty_like(like), np.empty(like.shape, input_std.dtype)

    def __call__(self, x: Array, indices: Array) -> Array:
        """x (B, D), the rows of those numbers, with input_std · ε added in place."""
        noise, deviation = self._noise[: len(x)], self._deviation[: len(x)]
        self._rows.gather(indices, out=deviation)
        fill_random(noise, self.rng.standard_normal)
        noise *= deviation
        x += noise
        return x


def labelled_minibatches(
    source: MinibatchSource, labels: Array, share: float | None, input_std: Any, rng: np.random.Generator
) -> LabelledMinibatches:
    """The minibatches for a model that takes labels; `input_std` draws from `rng`.

    Raises ConfigError, DTypeError, ShapeError or RangeError.
    """
    model = source.model
    drawn = None
    if input_std is not None:
        input_std = model.validator.check_rows(input_std, "input_std", model.input_dim, (0.0, inf))
        if len(input_std) != len(labels):
            raise ShapeError(f"input_std has {len(input_std)} rows and images has {len(labels)}; expected one for each")
        drawn = to_numpy(input_std), rng
    return LabelledMinibatches(source, labels, model.classes, share, drawn)
