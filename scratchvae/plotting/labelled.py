"""Pictures of what a model makes of classes."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import ConditionalVAE
from scratchvae.plotting.checks import Shape, Span
from scratchvae.plotting.figures import Figure
from scratchvae.plotting.mosaic import UNIT, draw_images
from scratchvae.validation import check_int, check_type


def draw_classes(
    model: ConditionalVAE, shape: Shape, seed: int = 0, columns: int = 12, value_range: Span = UNIT
) -> Figure:
    """Samples of each class, one class a row; those of a column share their z, and so their style."""
    check_type("model", model, ConditionalVAE, "a ConditionalVAE, a model that is told the class")
    check_int("columns", columns)
    samples = [to_numpy(model.sample(columns, seed, labels=k)) for k in range(model.classes)]
    return draw_images(np.concatenate(samples), shape, columns, "Samples: a class a row, a style a column", value_range)


def draw_class_swaps(
    model: ConditionalVAE, images: Array, labels: Array, shape: Shape, value_range: Span = UNIT
) -> Figure:
    """Images (N, D), each with its style in every class beside it."""
    check_type("model", model, ConditionalVAE, "a ConditionalVAE, a model that is told the class")
    images = to_numpy(model.check_data(images, "images"))
    rows = np.concatenate([images[:, None], to_numpy(model.swap_class(images, labels))], axis=1)
    title = "An image, and its style in each class"
    return draw_images(rows.reshape(-1, rows.shape[-1]), shape, model.classes + 1, title, value_range)
