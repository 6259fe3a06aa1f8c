"""Minibatches for semi-supervised and class-conditional models."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.models.labels import UNLABELLED, one_hot
from scratchvae.models.scale import Scale
from scratchvae.rng import fill_random
from scratchvae.rows import RowReader
from scratchvae.training.minibatches import Minibatches, MinibatchSource, count_batches
from scratchvae.validation import check_positive, short_repr


class LabelledMinibatches(Minibatches):
    """`Minibatches` with one-hot `targets` (B, K) of the last batch; the rows of unlabelled rows are zeros.

    Labelled rows are distributed evenly: the numbers of labelled rows in two batches differ by at most one. `share` is
    the share of labelled rows in a batch. If the data has fewer, labelled rows occur several times in an epoch, and the
    other rows once. None: each row occurs once.

    input_std   standard deviations (N, D) and a generator: see `NoiseAugmenter`
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
        self.labels = labels
        self._labelled = np.flatnonzero(labels != UNLABELLED)
        self._unlabelled = np.flatnonzero(labels == UNLABELLED)
        self._draws = count_labelled_draws(labels, share)
        super().__init__(source, self._draws + len(self._unlabelled), augments=input_std is not None)
        self._targets_buffer = HostToDeviceBuffer(source.model.backend)
        self._targets = np.empty((len(self._host), classes), source.model.dtype)
        self._augmenter = input_std and NoiseAugmenter(*input_std, self._host, self.scale)

    @property
    def share(self) -> float:
        """The share of labelled rows in an epoch."""
        return self._draws / self.rows

    # Row j of n has position (j + ½)/n. Sorting both kinds of rows by position distributes them evenly.
    def order(self) -> Array:
        """The row indices of one epoch: labelled and unlabelled rows, each in random order, evenly mixed."""
        n = len(self._labelled)
        repeats = [self.rng.permutation(self._labelled) for _ in range(-(-self._draws // n))] if n else []
        kinds = np.concatenate([*repeats, self._labelled[:0]])[: self._draws], self.rng.permutation(self._unlabelled)
        positions = np.concatenate([(np.arange(len(kind)) + 0.5) / max(1, len(kind)) for kind in kinds])
        mixed: Array = np.concatenate(kinds)[np.argsort(positions, kind="stable")]
        return mixed

    def after(self, batches: int, epoch: int = 1, epochs_before: int = 0) -> Iterator[Array]:
        """See `Minibatches.after`; sets `targets` for each batch."""
        for x in super().after(batches, epoch, epochs_before):
            targets = one_hot(self.labels[self.indices], self._targets[: len(x)])
            self.targets = self._targets_buffer.to_device(targets)
            yield x

    def augment(self, x: Array, indices: Array) -> Array:
        """The rows x (B, D), with noise if `input_std` is set."""
        return self._augmenter(x, indices) if self._augmenter else x


class NoiseAugmenter:
    """Draws uncertain rows from N(x, input_std²) each time they are used.

    For example, x and input_std are the posterior mean and standard deviation of another VAE, so that the second model
    is trained on samples of the first one's codes. Kingma, Rezende, Mohamed and Welling 2014, sec. 2.1 and 4.
    """

    def __init__(self, input_std: Array, rng: np.random.Generator, like: Array, scale: Scale) -> None:
        self.rng = rng
        self.factor = 1.0 if scale.is_identity else scale.factor
        self._rows = RowReader(input_std, "input_std")
        self._noise, self._std = np.empty_like(like), np.empty(like.shape, input_std.dtype)

    def __call__(self, x: Array, indices: Array) -> Array:
        """Add input_std · ε in place to x (B, D), the rows with these indices; return x."""
        noise, std = self._noise[: len(x)], self._std[: len(x)]
        self._rows.gather(indices, out=std)
        fill_random(noise, self.rng.standard_normal)
        noise *= std
        noise /= self.factor
        x += noise
        return x


def count_labelled_draws(labels: Array, share: float | None) -> int:
    """The number of labelled rows in an epoch, so that their share is `share`; each occurs at least once.

    Raises ConfigError.
    """
    labelled = int(np.count_nonzero(labels != UNLABELLED))
    if share is None:
        return labelled
    if not check_positive("labelled_share", share) < 1:
        raise ConfigError(f"labelled_share={short_repr(share)}: expected a number above 0 and below 1")
    draws = round(share / (1 - share) * (len(labels) - labelled))
    if not labelled <= draws:
        raise ConfigError(
            f"labelled_share={short_repr(share)} is less than the share in the data: {labelled} of "
            f"{len(labels)} rows have a label; leave it out"
        )
    return draws


def batches_per_epoch(rows: int, batch_size: int, labels: Array | None = None, share: float | None = None) -> int:
    """The number of updates that `Trainer.fit` makes in an epoch of `rows` rows with these `labels` (rows,) or None.

    A schedule that ends with the training has epochs × this number as its `steps`. Raises ConfigError.
    """
    if labels is None:
        return count_batches(rows, batch_size)
    draws = count_labelled_draws(labels, share)
    return count_batches(draws + int(np.count_nonzero(labels == UNLABELLED)), batch_size)


def labelled_minibatches(
    source: MinibatchSource, labels: Array, share: float | None, input_std: Any, rng: np.random.Generator
) -> LabelledMinibatches:
    """The minibatches for a model with labels; noise for `input_std` is drawn from `rng`.

    Raises ConfigError, DTypeError, ShapeError or RangeError.
    """
    model = source.model
    std_and_rng = None
    if input_std is not None:
        input_std = model.validator.check_rows(
            model.as_rows(input_std, "input_std"), "input_std", model.input_dim, (0.0, inf)
        )
        if len(input_std) != len(labels):
            raise ShapeError(
                f"input_std has {len(input_std)} rows and images has {len(labels)}; expected the same number"
            )
        std_and_rng = to_numpy(input_std), rng  # in the units of the data
    return LabelledMinibatches(source, labels, model.classes, share, std_and_rng)
