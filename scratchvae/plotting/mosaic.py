"""Rows of pixels as pictures, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.plotting.figures import blank_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shape = tuple[int, ...] | None
LARGEST_INCHES = 7.0


def mosaic(images: Any, shape: Shape, columns: int) -> Array:
    """Images (N, D) as one array, `columns` to a row, a thin white gap between each two.

    Without a shape a row of numbers is drawn as a strip one pixel high.
    """
    images = to_numpy(images)
    height, width = shape or (1, images.shape[1])
    gap = max(1, height // 14)
    rows = -(-len(images) // columns)
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap), np.float64)
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image.reshape(height, width)
    return canvas


def draw_images(images: Any, shape: Shape, columns: int, title: str = "", sides: tuple[str, str] = ("", "")) -> Figure:
    """Images (N, D) in [0, 1] as a mosaic, with a title above and a word on the left and on the right."""
    canvas = mosaic(images, shape, columns)
    scale = LARGEST_INCHES / max(canvas.shape)
    height, width = (max(side * scale, 0.4) for side in canvas.shape)
    figure = blank_figure(width + 0.3 * sum(map(bool, sides)), height + (0.4 if title else 0.0))
    axes = figure.add_subplot()
    axes.imshow(canvas, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="equal" if shape else "auto")
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    for x, text, angle in ((-0.01, sides[0], 90), (1.01, sides[1], 270)):
        axes.text(
            x,
            0.5,
            text,
            transform=axes.transAxes,
            rotation=angle,
            ha="right" if x < 0 else "left",
            va="center",
            fontsize=9,
        )
    return figure


def draw_reconstructions(originals: Any, reconstructions: Any, shape: Shape, columns: int = 12) -> Figure:
    """Originals (N, D), and below each what the model made of it (N, D); several such bands if N > columns."""
    originals, reconstructions = to_numpy(originals), to_numpy(reconstructions)
    bands = [
        row
        for start in range(0, len(originals), columns)
        for whole in (originals, reconstructions)
        for row in _padded(whole[start : start + columns], columns)
    ]
    return draw_images(np.stack(bands), shape, columns, "Originals, and below each its reconstruction")


def draw_interpolations(frames: Any, shape: Shape, steps: int) -> Figure:
    """Frames (R · steps, D): R straight walks through the latent space, one a row."""
    return draw_images(frames, shape, steps, "From one image to another along a straight line in latent space")


def _padded(rows: Array, count: int) -> Array:
    return np.concatenate([rows, np.ones((count - len(rows), rows.shape[1]), rows.dtype)])
