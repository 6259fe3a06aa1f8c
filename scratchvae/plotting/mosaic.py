"""Rows of pixels as pictures, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.plotting.figures import blank_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shape = tuple[int, ...] | None
LARGEST_INCHES, TITLE_INCHES, STRIP_INCHES = 7.0, 0.4, 0.15


def mosaic(images: Any, shape: Shape, columns: int) -> Array:
    """Images (N, D) as one array, `columns` to a row, a thin white gap between each two.

    Without a shape a row of numbers is drawn as a strip one pixel high.
    """
    images = to_numpy(images)
    height, width = shape or (1, images.shape[1])
    gap = _gap(height)
    rows = -(-len(images) // columns)
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap), np.float64)
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image.reshape(height, width)
    return canvas


def draw_images(images: Any, shape: Shape, columns: int, title: str = "") -> Figure:
    """Images (N, D) in [0, 1] as a mosaic, under a title."""
    canvas = mosaic(images, shape, columns)
    if shape:
        height, width = (side * LARGEST_INCHES / max(canvas.shape) for side in canvas.shape)
    else:
        height, width = canvas.shape[0] * STRIP_INCHES, LARGEST_INCHES
    figure = blank_figure(width, height + TITLE_INCHES)
    axes = figure.add_subplot()
    axes.imshow(canvas, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="equal" if shape else "auto")
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    return figure


def draw_reconstructions(originals: Any, reconstructions: Any, shape: Shape, columns: int = 12) -> Figure:
    """Originals (N, D), and below each what the model made of it (N, D); several such bands if N > columns."""
    title = "Originals, and below each its reconstruction"
    return draw_bands((originals, reconstructions), shape, columns, title)


def draw_bands(sets: Sequence[Any], shape: Shape, columns: int, title: str, names: Sequence[str] = ()) -> Figure:
    """Several sets of N rows (N, D): the first `columns` of each set, one set below the other, then the next rows.

    Each band is called by the name of its set, if there are any.
    """
    hosts = [to_numpy(rows) for rows in sets]
    bands = [
        row
        for start in range(0, len(hosts[0]), columns)
        for rows in hosts
        for row in _padded(rows[start : start + columns], columns)
    ]
    figure = draw_images(np.stack(bands), shape, columns, title)
    height = (shape or (1, 0))[0]
    for k, name in enumerate(list(names) * (len(bands) // columns // len(sets))):
        middle = k * (height + _gap(height)) + (height - 1) / 2
        figure.axes[0].annotate(
            name, (0, middle), (-6, 0), "data", "offset points", ha="right", va="center", fontsize=9
        )
    return figure


def draw_interpolations(frames: Any, shape: Shape, steps: int) -> Figure:
    """Frames (R · steps, D): R straight walks through the latent space, one a row."""
    return draw_images(frames, shape, steps, "From one image to another along a straight line in latent space")


def _gap(height: int) -> int:
    return max(1, height // 14)


def _padded(rows: Array, count: int) -> Array:
    return np.concatenate([rows, np.ones((count - len(rows), rows.shape[1]), rows.dtype)])
