"""Rows of pixels as pictures, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.plotting.checks import Shape, Span, check_image_shape, check_names, check_pictures, check_value_range
from scratchvae.plotting.figures import Figure, blank_figure
from scratchvae.validation import check_int, check_type, short_repr

UNIT: Span = (0.0, 1.0)
MISSING = "#7d9cc9"
LARGEST_INCHES, TITLE_INCHES, STRIP_INCHES = 7.0, 0.4, 0.15


def value_range_of(images: Any) -> Span:
    """The value_range to draw data (N, D) in: 0 to 1 if it is in there, else from its smallest to its largest number.

    Raises DTypeError, ShapeError or RangeError.
    """
    images = as_real_array("images", images)
    if not images.size:
        raise ShapeError(f"images has shape {images.shape}; expected (N, D), not empty")
    if np.isnan(images).all() or np.isinf(images).any():
        raise RangeError("images hold no finite numbers, or infinite ones; expected some, to tell black and white by")
    low, high = float(np.nanmin(images)), float(np.nanmax(images))
    return UNIT if low >= 0.0 and high <= 1.0 else (low, high)


def mosaic(images: Any, shape: Shape, columns: int, value_range: Span = UNIT) -> Array:
    """Images (N, D) as one array in [0, 1], `columns` to a row, a thin white gap between each two.

    Without a shape a row of numbers is drawn as a strip one pixel high. Numbers outside `value_range`, such as a
    Gaussian's means, are drawn as its ends.
    """
    low, high = value_range
    images = np.clip((to_numpy(images) - low) / ((high - low) or 1.0), 0.0, 1.0)
    height, width, gap = _sizes(images, shape)
    rows = -(-len(images) // columns)
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap), np.float64)
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image.reshape(height, width)
    return canvas


def draw_images(images: Any, shape: Shape, columns: int, title: str = "", value_range: Span = UNIT) -> Figure:
    """Images (N, D) as a mosaic, under a title; what is NaN, and so missing, is blue.

    Raises ConfigError, DTypeError or ShapeError, as all that draw.
    """
    images = check_pictures("images", images)
    shape, value_range = check_image_shape(shape, images.shape[1]), check_value_range(value_range)
    check_int("columns", columns)
    check_type("title", title, str, "a text")
    canvas = mosaic(images, shape, columns, value_range)
    if shape:
        height, width = (side * LARGEST_INCHES / max(canvas.shape) for side in canvas.shape)
    else:
        height, width = canvas.shape[0] * STRIP_INCHES, LARGEST_INCHES
    figure = blank_figure(width, height + TITLE_INCHES)
    axes = figure.add_subplot()
    image = axes.imshow(
        canvas, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="equal" if shape else "auto"
    )
    image.set_cmap(image.get_cmap().with_extremes(bad=MISSING))
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    return figure


def draw_reconstructions(originals: Any, reconstructions: Any, shape: Shape, columns: int = 12) -> Figure:
    """Originals (N, D), and below each what the model made of it (N, D); several such bands if N > columns."""
    originals = check_pictures("originals", originals)
    reconstructions = check_pictures("reconstructions", reconstructions, like=originals)
    title = "Originals, and below each its reconstruction"
    return draw_rows((originals, reconstructions), shape, columns, title, value_range=value_range_of(originals))


def draw_rows(
    sets: Sequence[Any], shape: Shape, columns: int, title: str, names: Sequence[str] = (), value_range: Span = UNIT
) -> Figure:
    """Several sets of N rows (N, D): the first `columns` of each set, one set below the other, then the next rows.

    Each band is called by the name of its set, if there are any.
    """
    if isinstance(sets, np.ndarray) or not isinstance(sets, Sequence) or isinstance(sets, str) or not len(sets):
        raise ConfigError(
            f"sets={short_repr(sets)}: expected several sets of rows, (N, D) each, such as (clean, noisy)"
        )
    hosts = [check_pictures("sets[0]", sets[0])]
    hosts += [check_pictures(f"sets[{k}]", rows, like=hosts[0]) for k, rows in enumerate(sets[1:], start=1)]
    check_int("columns", columns)
    names = check_names("names", names, len(hosts)) if not isinstance(names, Sequence) or len(names) else []
    value_range = check_value_range(value_range)
    bands = [
        row
        for start in range(0, len(hosts[0]), columns)
        for rows in hosts
        for row in _padded(rows[start : start + columns], columns, value_range[1])
    ]
    figure = draw_images(np.stack(bands), shape, columns, title, value_range)
    names = names * (len(bands) // columns // len(sets))
    return _named(figure, _sizes(bands[0][None], shape), names, []) if names else figure


def draw_interpolations(frames: Any, shape: Shape, steps: int, value_range: Span = UNIT) -> Figure:
    """Frames (R · steps, D): R straight walks through the latent space, one a row."""
    frames = check_pictures("frames", frames)
    return draw_images(
        frames,
        shape,
        check_int("steps", steps),
        "From one image to another along a straight line in latent space",
        value_range,
    )


def draw_traversals(frames: Any, shape: Shape, names: list[str], values: Any, value_range: Span = UNIT) -> Figure:
    """Frames (K · T, D): a row for each of K latent dimensions, by name, which takes T values."""
    frames, values = check_pictures("frames", frames), as_real_array("values", values)
    if values.ndim != 1 or not len(values):
        raise ShapeError(f"values has shape {values.shape}; expected (T,)")
    names = check_names("names", names, -(-len(frames) // len(values)))
    figure = draw_images(
        frames, shape, len(values), "Along one latent dimension at a time, the others kept", value_range
    )
    return _named(figure, _sizes(frames, shape), names, [f"{value:.2g}" for value in values])


def draw_analogies(a: Any, b: Any, c: Any, answers: Any, shape: Shape, value_range: Span = UNIT) -> Figure:
    """A row for each of c (N, D) and its answer (N, D), and before them what they share, a (D,) and b (D,)."""
    c = check_pictures("c", c)
    answers = check_pictures("answers", answers, like=c)
    for name, x in (("a", a), ("b", b)):
        if as_real_array(name, x).shape != c[0].shape:
            raise ShapeError(f"{name} has shape {np.shape(x)}; expected {c[0].shape}, a single picture like those of c")
    a, b = as_real_array("a", a), as_real_array("b", b)
    rows = zip(c, answers, strict=True)
    terms = np.stack([term for each, answer in rows for term in (a, b, each, answer)])
    figure = draw_images(terms, shape, 4, "What is to C as A is to B: the sum of three codes, decoded", value_range)
    return _named(figure, _sizes(terms, shape), [""] * (len(terms) // 4), ["A", "B", "C", "A − B + C"])


def _named(figure: Figure, sizes: tuple[int, int, int], rows: list[str], columns: list[str]) -> Figure:
    """Names beside the rows of a mosaic and below its columns."""
    (axes,) = figure.axes
    height, width, gap = sizes
    axes.set_axis_on()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=6 if height == 1 else 9)
    axes.set_yticks([k * (height + gap) + (height - 1) / 2 for k in range(len(rows))], rows)
    axes.set_xticks([k * (width + gap) + (width - 1) / 2 for k in range(len(columns))], columns)
    return figure


def _sizes(images: Array, shape: Shape) -> tuple[int, int, int]:
    """Height and width of each image, and the gap between two, in pixels."""
    height, width = shape or (1, images.shape[1])
    return height, width, max(1, height // 14)


def _padded(rows: Array, count: int, white: float) -> Array:
    return np.concatenate([rows, np.full((count - len(rows), rows.shape[1]), white, rows.dtype)])
