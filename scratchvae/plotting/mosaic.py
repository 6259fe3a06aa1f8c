"""Draw images side by side in a mosaic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.plotting.checks import (
    Shape,
    ValueRange,
    check_image_shape,
    check_images,
    check_names,
    check_value_range,
)
from scratchvae.plotting.figures import Figure, blank_figure
from scratchvae.rows import RowSource, extremes
from scratchvae.validation import check_int, check_type, short_repr, suggest_arguments

UNIT_RANGE: ValueRange = (0.0, 1.0)
MISSING_COLOR = "#7d9cc9"
MAX_INCHES = 7.0  # of the longer side of a mosaic
TITLE_INCHES = 0.4
STRIP_INCHES = 0.15  # height of a row that is not an image


@suggest_arguments
def value_range_of(images: Any) -> ValueRange:
    """Return the value range for drawing data (N, D): (0, 1) if it contains the data, else their minimum and maximum.

    Raises DTypeError, ShapeError or RangeError.
    """
    images = images if isinstance(images, RowSource) else as_real_array("images", images)
    if not images.size:
        raise ShapeError(f"images has shape {images.shape}; expected (N, D), not empty")
    low, high = extremes(images.reshape(-1, 1) if isinstance(images, np.ndarray) else images)
    if np.isinf([low, high]).any():
        raise RangeError(
            "images contain infinite values, or only NaN; expected finite values, which define black and white"
        )
    return UNIT_RANGE if low >= 0.0 and high <= 1.0 else (low, high)


def mosaic(images: Any, shape: Shape, columns: int, value_range: ValueRange = UNIT_RANGE) -> Array:
    """Arrange images (N, D) in one array in [0, 1], `columns` per row, separated by thin white gaps.

    The array has a third axis, of red, green and blue, if the shape has. With shape None, each row of numbers becomes a
    strip one pixel high. Values outside `value_range`, such as the means of a Gaussian, are clipped to it.
    """
    low, high = value_range
    images = np.clip((to_numpy(images) - low) / ((high - low) or 1.0), 0.0, 1.0)
    height, width, gap = _sizes(images, shape)
    rows, channels = -(-len(images) // columns), tuple(shape or ())[2:]
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, *channels), np.float64)
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image.reshape(height, width, *channels)
    return canvas


@suggest_arguments
def draw_images(
    images: Any, shape: Shape, columns: int, title: str = "", value_range: ValueRange = UNIT_RANGE
) -> Figure:
    """Draw images (N, D), grey or in colour, as a mosaic with a title; NaN, a missing value, is blue.

    Raises ConfigError, DTypeError or ShapeError, like all functions that draw.
    """
    images = check_images("images", images)
    shape, value_range = check_image_shape(shape, images.shape[1]), check_value_range(value_range)
    check_int("columns", columns)
    check_type("title", title, str, "a string")
    canvas = mosaic(images, shape, columns, value_range)
    if shape:
        height, width = (side * MAX_INCHES / max(canvas.shape) for side in canvas.shape[:2])
    else:
        height, width = canvas.shape[0] * STRIP_INCHES, MAX_INCHES
    figure = blank_figure(width, height + TITLE_INCHES)
    axes = figure.add_subplot()
    if canvas.ndim == 3:
        from matplotlib.colors import to_rgb

        missing = np.isnan(canvas).any(axis=2)
        canvas[missing] = to_rgb(MISSING_COLOR)
    image = axes.imshow(
        canvas, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="equal" if shape else "auto"
    )
    image.set_cmap(image.get_cmap().with_extremes(bad=MISSING_COLOR))
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    return figure


@suggest_arguments
def draw_reconstructions(originals: Any, reconstructions: Any, shape: Shape, columns: int = 12) -> Figure:
    """Draw each original (N, D) with its reconstruction (N, D) below it, in several pairs of rows if N > columns."""
    originals = check_images("originals", originals)
    reconstructions = check_images("reconstructions", reconstructions, like=originals)
    title = "Originals, with reconstructions below"
    return draw_rows((originals, reconstructions), shape, columns, title, value_range=value_range_of(originals))


@suggest_arguments
def draw_rows(
    image_sets: Sequence[Any],
    shape: Shape,
    columns: int,
    title: str,
    names: Sequence[str] = (),
    value_range: ValueRange = UNIT_RANGE,
) -> Figure:
    """Draw sets of images, each (N, D), one set per row: the first `columns` images of every set, then the next ones.

    `names`, one for each set, are written beside the rows.
    """
    is_sequence = isinstance(image_sets, Sequence) and not isinstance(image_sets, np.ndarray | str)
    if not is_sequence or not len(image_sets):
        raise ConfigError(
            f"image_sets={short_repr(image_sets)}: expected several sets of images, each (N, D), such as (clean, noisy)"
        )
    arrays = [check_images("image_sets[0]", image_sets[0])]
    arrays += [
        check_images(f"image_sets[{k}]", images, like=arrays[0]) for k, images in enumerate(image_sets[1:], start=1)
    ]
    check_int("columns", columns)
    names = check_names("names", names, len(arrays)) if not isinstance(names, Sequence) or len(names) else []
    value_range = check_value_range(value_range)
    mosaic_images = [
        image
        for start in range(0, len(arrays[0]), columns)
        for images in arrays
        for image in _pad_with_white(images[start : start + columns], columns, value_range[1])
    ]
    figure = draw_images(np.stack(mosaic_images), shape, columns, title, value_range)
    row_names = names * (len(mosaic_images) // columns // len(image_sets))
    return _add_names(figure, _sizes(mosaic_images[0][None], shape), row_names, []) if row_names else figure


@suggest_arguments
def draw_interpolations(frames: Any, shape: Shape, steps: int, value_range: ValueRange = UNIT_RANGE) -> Figure:
    """Draw frames (R · steps, D): R interpolations, one per row."""
    frames = check_images("frames", frames)
    return draw_images(
        frames,
        shape,
        check_int("steps", steps),
        "Interpolations between images along straight lines in latent space",
        value_range,
    )


@suggest_arguments
def draw_traversals(
    frames: Any, shape: Shape, names: list[str], values: Any, value_range: ValueRange = UNIT_RANGE
) -> Figure:
    """Draw frames (K · T, D): one named row for each of K latent dimensions, one column for each of its T values."""
    frames, values = check_images("frames", frames), as_real_array("values", values)
    if values.ndim != 1 or not len(values):
        raise ShapeError(f"values has shape {values.shape}; expected (T,)")
    names = check_names("names", names, -(-len(frames) // len(values)))
    figure = draw_images(
        frames,
        shape,
        len(values),
        "Traversals: each row varies one latent dimension and keeps the others fixed",
        value_range,
    )
    return _add_names(figure, _sizes(frames, shape), names, [f"{value:.2g}" for value in values])


@suggest_arguments
def draw_analogies(a: Any, b: Any, c: Any, answers: Any, shape: Shape, value_range: ValueRange = UNIT_RANGE) -> Figure:
    """Draw one analogy per row: a (D,), b (D,), a row of c (N, D), and a row of answers (N, D), A − B + C."""
    c = check_images("c", c)
    answers = check_images("answers", answers, like=c)
    for name, x in (("a", a), ("b", b)):
        if as_real_array(name, x).shape != c[0].shape:
            raise ShapeError(f"{name} has shape {np.shape(x)}; expected {c[0].shape}, a single image like those of c")
    a, b = as_real_array("a", a), as_real_array("b", b)
    rows = zip(c, answers, strict=True)
    terms = np.stack([term for c_n, answer in rows for term in (a, b, c_n, answer)])
    figure = draw_images(terms, shape, 4, "Analogies: the decoded sum of codes A − B + C", value_range)
    return _add_names(figure, _sizes(terms, shape), [""] * (len(terms) // 4), ["A", "B", "C", "A − B + C"])


def _add_names(figure: Figure, sizes: tuple[int, int, int], rows: list[str], columns: list[str]) -> Figure:
    """Write names beside the rows of a mosaic and below its columns."""
    (axes,) = figure.axes
    height, width, gap = sizes
    axes.set_axis_on()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=6 if height == 1 else 9)
    axes.set_yticks([k * (height + gap) + (height - 1) / 2 for k in range(len(rows))], rows)
    axes.set_xticks([k * (width + gap) + (width - 1) / 2 for k in range(len(columns))], columns)
    return figure


def _sizes(images: Array, shape: Shape) -> tuple[int, int, int]:
    """Return the height and width of each image, and the gap between two, in pixels."""
    height, width = shape[:2] if shape else (1, images.shape[1])
    return height, width, max(1, height // 14)


def _pad_with_white(images: Array, count: int, white: float) -> Array:
    return np.concatenate([images, np.full((count - len(images), images.shape[1]), white, images.dtype)])
