"""The objective over a whole data set."""

from __future__ import annotations

from math import nan, sqrt
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import Model
from scratchvae.parallel import ProcessGroup
from scratchvae.representation import fields_repr
from scratchvae.rng import fill_random, generator
from scratchvae.rows import RowReader
from scratchvae.training.binarize import check_binarize
from scratchvae.training.checks import check_model
from scratchvae.training.corruption import Corruption
from scratchvae.training.preprocess import Preprocessor
from scratchvae.validation import suggest_arguments


class Score(NamedTuple):
    """Means over rows, in nats: value = reconstruction − beta · kl. For a VAE with beta = 1, value is the ELBO.

    standard_error is the standard error of `value`, from the variation over rows and draws; NaN for a single row.
    """

    value: float
    reconstruction: float
    kl: float
    standard_error: float
    rows: int

    def __repr__(self) -> str:
        return fields_repr(self)


@suggest_arguments
def score(
    model: Model,
    images: Array,
    *,
    seed: int = 0,
    binarize: str | None = None,
    corrupt: Corruption | None = None,
    labels: Any = None,
) -> Score:
    """The mean of `model.terms` over images (N, D), with one draw of z per row, from the same `seed`.

    binarize="dynamic" binarizes the images once, and `corrupt` adds noise to the encoder's input; both draw from
    `seed`, so that scores of two models with the same seed differ only by the models. labels (N,) are for
    class-conditional models. Raises ConfigError, DTypeError, ShapeError or RangeError.
    """
    check_binarize(binarize, check_model(model))
    images = model.check_data(images, "images", lazy=True)
    labels = model.check_labels(labels, len(images))
    value, reconstruction, kl = row_terms(model, images, seed, binarize, corrupt, labels)
    error = standard_error(value)
    return Score(float(value.mean()), float(reconstruction.mean()), float(kl.mean()), error, len(value))


def mean_value(model: Model, images: Array, group: ProcessGroup, labels: Any, **preprocessing: Any) -> float:
    """The `value` of `score`; each process computes a part of the rows. An error of one is raised by all."""
    with group.together():
        value, _, _ = row_terms(model, images, 0, labels=labels, group=group, **preprocessing)
    total = np.array(value.sum())
    group.sum(total)
    return float(total / len(images))


def row_terms(
    model: Model,
    images: Array,
    seed: int,
    binarize: str | None,
    corrupt: Corruption | None,
    labels: Array | None,
    group: ProcessGroup | None = None,
) -> tuple[Array, Array, Array]:
    """Value, reconstruction and KL of each row of checked images, or of the rows that this process of a group has.

    The noise is drawn for all rows, so that it does not depend on the number of processes.
    """
    noise = generator(seed, "noise")
    preprocess = Preprocessor(model, bool(binarize), corrupt, generator(seed, "pixels"), generator(seed, "corruption"))
    collected = [[np.empty(0)] * 3]
    with model.locks.read_lock():
        for part in RowReader(images, "images").slices(model.chunk_rows):
            x, corrupted = preprocess(model.scaled(images[part]))
            eps = fill_random(np.empty((len(x), model.noise_dim), model.dtype), noise.standard_normal)
            of_part = None if labels is None else labels[part]
            if group is not None:
                own = group.part(len(x))
                if not own.weight:
                    continue
                x, eps = x[own.rows], eps[own.rows]
                corrupted = None if corrupted is None else corrupted[own.rows]
                of_part = None if of_part is None else of_part[own.rows]
            terms = model.collect_terms(x, eps.__getitem__, corrupted, of_part, data=False)
            collected.append([to_numpy(term).astype(np.float64) for term in terms])
    value, reconstruction, kl = (np.concatenate(parts) for parts in zip(*collected, strict=True))
    return value, reconstruction, kl


def standard_error(values: Array) -> float:
    """The standard error of the mean of the values (N,), s / √N with s² = Σ_n (v_n − v̄)² / (N − 1).

    NaN for fewer than two values, or if one of them is not finite.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return nan
    _, exponent = np.frexp(np.abs(values).max())  # a power of two: it changes no digit, and no square overflows
    scaled = float(np.ldexp(values, -exponent).std(ddof=1)) / sqrt(len(values))
    return float(np.ldexp(scaled, exponent))
