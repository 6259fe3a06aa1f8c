"""Pictures of models with class labels."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import ConditionalVAE
from scratchvae.plotting.checks import Shape, ValueRange
from scratchvae.plotting.figures import Figure
from scratchvae.plotting.mosaic import UNIT_RANGE, draw_images
from scratchvae.validation import check_int, check_type, suggest_arguments


@suggest_arguments
def draw_classes(
    model: ConditionalVAE, shape: Shape, seed: int = 0, columns: int = 12, value_range: ValueRange = UNIT_RANGE
) -> Figure:
    """Draw samples of each class, one class per row. All samples of a column share z, and so their style."""
    check_type("model", model, ConditionalVAE, "a ConditionalVAE, which takes labels")
    check_int("columns", columns)
    samples = [to_numpy(model.sample(columns, seed, labels=k)) for k in range(model.classes)]
    return draw_images(
        np.concatenate(samples), shape, columns, "Samples: one class per row, one style per column", value_range
    )


@suggest_arguments
def draw_class_swaps(
    model: ConditionalVAE, images: Array, labels: Array, shape: Shape, value_range: ValueRange = UNIT_RANGE
) -> Figure:
    """Draw one row for each of the images (N, D): the image, then its style decoded with every class."""
    check_type("model", model, ConditionalVAE, "a ConditionalVAE, which takes labels")
    images = to_numpy(model.check_data(images, "images"))
    rows = np.concatenate([images[:, None], to_numpy(model.swap_class(images, labels))], axis=1)
    title = "Images (left), and the style of each in every class"
    return draw_images(rows.reshape(-1, rows.shape[-1]), shape, model.classes + 1, title, value_range)
