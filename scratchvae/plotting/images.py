"""Images side by side: mosaics of arrays of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
from scratchvae.plotting.colors import MISSING_COLOR
from scratchvae.plotting.figures import Axes, Figure, axes_of
from scratchvae.rows import RowSource, extremes
from scratchvae.validation import check_int, check_type, short_repr, suggest_arguments

UNIT_RANGE: ValueRange = (0.0, 1.0)
MAX_WIDTH, MAX_HEIGHT, MAX_IMAGE = 8.0, 10.0, 1.1  # inches: of a mosaic, and of the wider side of an image
TITLE_INCHES, NAMES_INCHES = 0.4, 0.25
CHARACTER_INCHES = 0.08  # of a title; names are a little narrower
NAME_POINTS = 9.0
WIDE = 3  # a wide gap is that many gaps


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


class Grid(NamedTuple):
    """The places of the images in a mosaic: their height and width, and their first lines and columns, in pixels."""

    height: int
    width: int
    tops: list[int]
    lefts: list[int]

    @classmethod
    def of(cls, shape: tuple[int, ...], rows: int, columns: int, group: int = 0, apart: Sequence[int] = ()) -> Grid:
        """A grid of rows × columns images, with a wide gap below each `group` rows and before the columns `apart`."""
        height, width = shape[:2]
        gap = max(1, height // 14)
        tops = [j * (height + gap) + (WIDE - 1) * gap * (j // group if group else 0) for j in range(rows)]
        lefts = [k * (width + gap) + (WIDE - 1) * gap * sum(k >= column for column in apart) for k in range(columns)]
        return cls(height, width, tops, lefts)

    @property
    def size(self) -> tuple[int, int]:
        """The height and the width of the mosaic."""
        return self.tops[-1] + self.height, self.lefts[-1] + self.width

    @property
    def row_centres(self) -> list[float]:
        """The middle of each row of images."""
        return [top + (self.height - 1) / 2 for top in self.tops]

    @property
    def column_centres(self) -> list[float]:
        """The middle of each column of images."""
        return [left + (self.width - 1) / 2 for left in self.lefts]


def mosaic(
    images: Any,
    shape: tuple[int, ...],
    columns: int,
    value_range: ValueRange = UNIT_RANGE,
    group: int = 0,
    apart: Sequence[int] = (),
) -> Array:
    """Arrange images (N, D) in one array in [0, 1], `columns` per row, on white. `group` and `apart` are those of Grid.

    The array has a third axis, of red, green and blue, if the shape has. Values outside `value_range`, such as the
    means of a Gaussian, are clipped to it.
    """
    low, high = value_range
    images = np.clip((to_numpy(images) - low) / ((high - low) or 1.0), 0.0, 1.0)
    grid = Grid.of(shape, -(-len(images) // columns), columns, group, apart)
    canvas = np.ones((*grid.size, *shape[2:]), np.float64)
    for k, image in enumerate(images):
        top, left = grid.tops[k // columns], grid.lefts[k % columns]
        canvas[top : top + grid.height, left : left + grid.width] = image.reshape(shape)
    return canvas


@suggest_arguments
def plot_images(
    images: Any,
    shape: Shape,
    columns: int = 12,
    title: str = "",
    *,
    value_range: ValueRange | None = None,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    ax: Axes | None = None,
) -> Figure:
    """Draw images (N, D), grey or in colour, in rows of `columns`; NaN, a missing value, is blue.

    shape         (height, width) or (height, width, 3) of an image
    value_range   the values drawn as black and as white; None: those of `value_range_of(images)`
    row_names, column_names
                  written to the left of each row, and above each column
    ax            matplotlib Axes to draw in; None: those of a new figure

    Returns the Figure. Raises ConfigError, DTypeError or ShapeError, like all functions that draw.
    """
    images = check_images("images", images)
    check_int("columns", columns)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    row_names = check_names("row_names", row_names, rows) if _any(row_names) else []
    column_names = check_names("column_names", column_names, columns) if _any(column_names) else []
    return draw_mosaic(images, shape, columns, title, value_range, row_names, column_names, ax=ax)


def draw_mosaic(
    images: Array,
    shape: Shape,
    columns: int,
    title: str,
    value_range: ValueRange | None,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    *,
    group: int = 0,
    apart: Sequence[int] = (),
    ax: Axes | None = None,
) -> Figure:
    """Draw a mosaic with names: see `plot_images` and `Grid.of`."""
    shape = check_image_shape(shape, images.shape[1])
    value_range = value_range_of(images) if value_range is None else check_value_range(value_range)
    check_type("title", title, str, "a string")
    canvas = mosaic(images, shape, columns, value_range, group, apart)
    grid = Grid.of(shape, -(-len(images) // columns), columns, group, apart)
    (height, width), longest = grid.size, max(map(len, row_names), default=0)
    inches = min(MAX_WIDTH / width, MAX_HEIGHT / height, MAX_IMAGE / max(shape[:2]))  # of a pixel
    beside, above = longest * CHARACTER_INCHES, TITLE_INCHES * bool(title) + NAMES_INCHES * bool(column_names)
    title_width = CHARACTER_INCHES * max(map(len, title.splitlines()), default=0)
    axes = axes_of(ax, max(width * inches + beside, title_width), height * inches + above)
    if canvas.ndim == 3:
        from matplotlib.colors import to_rgb

        missing = np.isnan(canvas).any(axis=2)
        canvas[missing] = to_rgb(MISSING_COLOR)
    image = axes.imshow(canvas, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    image.set_cmap(image.get_cmap().with_extremes(bad=MISSING_COLOR))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=NAME_POINTS, labeltop=True, labelbottom=False, top=True, bottom=False)
    axes.set_yticks(grid.row_centres if row_names else [], row_names or None)
    axes.set_xticks(grid.column_centres if column_names else [], column_names or None)
    if column_names:  # a name is at most as wide as its column
        points = grid.width * inches * 72 / (0.62 * max(1, *map(len, column_names)))
        axes.tick_params(axis="x", labelsize=min(NAME_POINTS, points))
    axes.set_title(title, fontsize=11)
    return axes.figure


@suggest_arguments
def plot_rows(
    sets: Mapping[str, Any],
    shape: Shape,
    columns: int = 12,
    title: str = "",
    *,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw sets of images by name, each (N, D), below each other: the first `columns` of every set, then the next ones.

    value_range None is that of the first set. The other arguments are those of `plot_images`.
    """
    if not isinstance(sets, Mapping) or not sets or not all(isinstance(name, str) for name in sets):
        raise ConfigError(f"sets={short_repr(sets)}: expected images by name, such as {{'clean': x, 'noisy': y}}")
    names, arrays = list(sets), [check_images(f"sets[{name!r}]", images) for name, images in sets.items()]
    for name, images in zip(names[1:], arrays[1:], strict=True):
        check_images(f"sets[{name!r}]", images, like=arrays[0])
    columns = min(check_int("columns", columns), len(arrays[0]))
    value_range = value_range_of(arrays[0]) if value_range is None else check_value_range(value_range)
    images = np.stack(
        [
            image
            for start in range(0, len(arrays[0]), columns)
            for array in arrays
            for image in _pad_with_white(array[start : start + columns], columns, value_range[1])
        ]
    )
    row_names = names * (len(images) // columns // len(names))
    return draw_mosaic(images, shape, columns, title, value_range, row_names, group=len(names), ax=ax)


def _pad_with_white(images: Array, count: int, white: float) -> Array:
    return np.concatenate([images, np.full((count - len(images), images.shape[1]), white, images.dtype)])


def _any(names: Any) -> bool:
    """False for (), no names; True for others, which may be of a wrong kind."""
    return not isinstance(names, Sequence) or len(names) > 0
