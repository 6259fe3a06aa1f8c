"""Pictures of samples, of reconstructions, and of one class in the style of another."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.errors import ConfigError
from scratchvae.models import VAE, ConditionalVAE, Model
from scratchvae.models.labels import class_indices
from scratchvae.plotting.checks import Shape, ValueRange, class_names, column_names, picture_shape
from scratchvae.plotting.figures import Axes, Figure
from scratchvae.plotting.images import draw_mosaic, plot_rows, value_range_of
from scratchvae.plotting.table import plot_table
from scratchvae.validation import check_int, check_type, suggest_arguments


@suggest_arguments
def plot_samples(
    vae: VAE,
    count: int = 96,
    seed: int = 0,
    columns: int = 12,
    *,
    labels: Any = None,
    values: str = "mean",
    shape: Shape = None,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw `count` samples of a VAE: decoded draws from its prior. Samples of each class: `plot_classes`.

    labels, values   those of `vae.sample`: the class of the samples; "mean" or "drawn"
    shape            (height, width) or (height, width, 3) of a row; None: the model's `image_shape`. Rows that are no
                     pictures are drawn as a table: see `plot_table`
    value_range      the values drawn as black and as white; None: those of the training data, if the model has a record
                     of them, or of the samples
    ax               matplotlib Axes to draw in; None: those of a new figure

    Returns the Figure. Raises ConfigError, and otherwise as `vae.sample`.
    """
    check_type("vae", vae, VAE, "a VAE, which has a prior")
    check_int("columns", columns)
    shape = picture_shape(vae, shape)
    rows = to_numpy(vae.sample(count, seed, labels, values))
    title = "Samples: decoded draws from the prior"
    if shape is None:
        return plot_table({"samples": rows}, column_names(vae), title, ax=ax)
    value_range = known_range(vae, rows) if value_range is None else value_range
    return draw_mosaic(rows, shape, min(columns, len(rows)), title, value_range, ax=ax)


@suggest_arguments
def plot_reconstructions(
    model: Model,
    x: Any,
    labels: Any = None,
    columns: int = 12,
    *,
    shape: Shape = None,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw each row of x (N, D) with its reconstruction below it, in several pairs of rows if N > columns.

    labels are those of `model.reconstruct`, for a model with labels. value_range None is that of x. The other arguments
    are those of `plot_samples`. Returns the Figure. Raises ConfigError, and otherwise as `model.reconstruct`.
    """
    check_type("model", model, Model, "a model")
    check_int("columns", columns)
    shape = picture_shape(model, shape)
    x = to_numpy(model.as_rows(x, "x"))
    sets = {"original": x, "reconstruction": to_numpy(model.reconstruct(x, labels))}
    title = "Originals, and their reconstructions below"
    if shape is None:
        return plot_table(sets, column_names(model), "Originals and reconstructions", ax=ax)
    return plot_rows(sets, shape, columns, title, value_range=value_range, ax=ax)


@suggest_arguments
def plot_classes(
    model: ConditionalVAE,
    seed: int = 0,
    columns: int = 12,
    *,
    shape: Shape = None,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw samples of each class, one class per row. All samples of a column share z, and so their style.

    The arguments are those of `plot_samples`. Returns the Figure. Raises ConfigError, and otherwise as `model.sample`.
    """
    check_type("model", model, ConditionalVAE, "a ConditionalVAE, which takes labels")
    check_int("columns", columns)
    shape, names = picture_shape(model, shape), class_names(model)
    samples = [
        to_numpy(model.sample(columns, seed, labels=class_indices(np.full(columns, k)))) for k in range(model.classes)
    ]
    if shape is None:
        return plot_table(dict(zip(names, samples, strict=True)), column_names(model), "Samples of each class", ax=ax)
    rows = np.concatenate(samples)
    value_range = known_range(model, rows) if value_range is None else value_range
    title = "Samples: one class per row, one style per column"
    return draw_mosaic(rows, shape, columns, title, value_range, names, ax=ax)


@suggest_arguments
def plot_class_swaps(
    model: ConditionalVAE,
    x: Any,
    labels: Any,
    *,
    shape: Shape = None,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw one row for each picture of x (N, D): the picture, then its style decoded with every class.

    labels are those of `model.swap_class`. value_range None is that of x. The other arguments are those of
    `plot_samples`. Returns the Figure. Raises ConfigError, and otherwise as `model.swap_class`.
    """
    check_type("model", model, ConditionalVAE, "a ConditionalVAE, which takes labels")
    images, names = to_numpy(model.check_data(x, "x")), ["original", *class_names(model)]
    shape = pictures_only("model", model, shape)
    rows = np.concatenate([images[:, None], to_numpy(model.swap_class(images, labels))], axis=1)
    value_range = value_range_of(images) if value_range is None else value_range
    title = "Originals on the left; the style of each in every class"
    return draw_mosaic(
        rows.reshape(-1, images.shape[1]), shape, len(names), title, value_range, column_names=names, apart=[1], ax=ax
    )


def pictures_only(name: str, model: Model, shape: Any) -> tuple[int, ...]:
    """Return the shape of a model's pictures. Raises ConfigError if its rows are no pictures."""
    sides = picture_shape(model, shape)
    if sides is None:
        raise ConfigError(
            f"{name} has rows that are no pictures; expected a model with image_shape=, or shape=(height, width)"
        )
    return sides


def known_range(model: Model, rows: Any) -> ValueRange:
    """The value range of the training data, if the command line has recorded it; otherwise that of rows."""
    recorded = model.metadata.get("value_range")
    return value_range_of(rows) if recorded is None else tuple(recorded)
