"""Rows of tables: a heat map for each set of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError
from scratchvae.plotting.checks import check_images, check_names
from scratchvae.plotting.figures import Figure, blank_figure
from scratchvae.validation import short_repr, suggest_arguments

MAX_ROWS = 60  # of each set; the others are left out
MAX_NAMES = 40  # columns that can be labelled legibly


@suggest_arguments
def draw_table(sets: Mapping[str, Any], columns: Sequence[str], title: str) -> Figure:
    """Draw the first rows (N, D) of each set as a heat map, the sets side by side, under the names of the columns (D,).

    The colours of a column reach from its smallest to its largest value in all sets. NaN is white. Raises ConfigError,
    DTypeError or ShapeError.
    """
    if not isinstance(sets, Mapping) or not sets or not all(isinstance(name, str) for name in sets):
        raise ConfigError(f"sets={short_repr(sets)}: expected rows by name, such as {{'samples': rows}}")
    rows: dict[str, Any] = {name: check_images("sets", array)[:MAX_ROWS].astype(float) for name, array in sets.items()}
    width = next(iter(rows.values())).shape[1]
    for array in rows.values():
        check_images("sets", array, like=np.empty((len(array), width)))
    names = check_names("columns", columns, width)
    together = np.concatenate(list(rows.values()))
    together[~np.isfinite(together)] = np.nan
    empty = np.isnan(together).all(axis=0)
    together[:, empty] = 0.0
    low, high = np.nanmin(together, axis=0), np.nanmax(together, axis=0)
    height = max(map(len, rows.values()))
    figure = blank_figure(1.5 + len(rows) * min(8.0, 1.0 + 0.35 * width), 1.8 + 0.14 * height)
    axes = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
    for axis, (name, array) in zip(axes, rows.items(), strict=True):
        shades = (array - low) / np.where(high > low, high - low, 1.0)
        image = axis.imshow(shades, aspect="auto", interpolation="nearest", vmin=0.0, vmax=1.0, cmap="viridis")
        axis.set_title(name, fontsize=10)
        if width <= MAX_NAMES:
            axis.set_xticks(range(width), names, rotation=90, fontsize=8)
        else:
            axis.set_xlabel(f"{width} columns")
    axes[0].set_ylabel("row")
    bar = figure.colorbar(image, ax=list(axes), ticks=[0.0, 1.0], fraction=0.05)
    bar.ax.set_yticklabels(["smallest\nof the column", "largest"], fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure
