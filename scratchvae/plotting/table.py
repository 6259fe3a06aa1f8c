"""Rows of tables: scatter plots of pairs of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.plotting.checks import check_images, check_names
from scratchvae.plotting.colors import set_style
from scratchvae.plotting.figures import Axes, Figure, panels_of
from scratchvae.validation import check_bool, check_type, short_repr, suggest_arguments

MAX_ROWS = 2000  # of each set: enough to show the distribution, few enough to distinguish
MAX_COLUMNS = 4  # more have panels too small to read
PANEL_INCHES = (3.4, 4.6)  # of one of several panels, and of a single one
BINS = 30


@suggest_arguments
def plot_table(
    sets: Mapping[str, Any], columns: Sequence[str], title: str = "", *, joined: bool = False, ax: Axes | None = None
) -> Figure:
    """Draw the rows (N, D) of each set as dots, one panel for each pair of columns (D,), one colour for each set.

    Of more than four columns, those are drawn that are most correlated with the others in the first set. A single
    column is drawn as a histogram. NaN is left out.

    joined   connect the rows of a set by a line, in their order, as for a path
    ax       matplotlib Axes to draw in; None: those of a new figure

    Returns the Figure. Raises ConfigError, DTypeError or ShapeError.
    """
    if not isinstance(sets, Mapping) or not sets or not all(isinstance(name, str) for name in sets):
        raise ConfigError(f"sets={short_repr(sets)}: expected rows by name, such as {{'samples': rows}}")
    rows: dict[str, Any] = {name: check_images("sets", array)[:MAX_ROWS].astype(float) for name, array in sets.items()}
    width = next(iter(rows.values())).shape[1]
    for array in rows.values():
        check_images("sets", array, like=np.empty((len(array), width)))
        array[~np.isfinite(array)] = np.nan
    names = check_names("columns", columns, width)
    check_type("title", title, str, "a string")
    check_bool("joined", joined)
    drawn = correlated_columns(next(iter(rows.values())), MAX_COLUMNS)
    if len(drawn) < width:
        title = f"{title}\n{len(drawn)} of {width} columns, the most correlated ones".strip()
    side = max(1, len(drawn) - 1)
    inches = PANEL_INCHES[side == 1] if side < 3 else 2.6
    panels = panels_of(ax, side, side, side * inches + 1.6 * (side == 1), side * inches + 0.5)
    for k, (name, array) in enumerate(rows.items()):
        style = set_style(k)
        for j, line in enumerate(panels):
            for i, axes in enumerate(line[: j + 1]):
                if len(drawn) == 1:
                    _draw_histogram(axes, array[:, drawn[0]], rows, drawn[0], name, style["color"])
                elif joined:
                    axes.plot(array[:, drawn[i]], array[:, drawn[j + 1]], **style, markersize=3, lw=1, label=name)
                else:
                    size, alpha = min(20.0, max(4.0, 6000.0 / len(array))), 0.8 if len(array) <= 200 else 0.4
                    x, y = array[:, drawn[i]], array[:, drawn[j + 1]]
                    axes.scatter(x, y, s=size, alpha=alpha, linewidths=0, label=name, **style)
    _label(panels, [names[column] for column in drawn], len(rows) > 1)
    figure = panels[0][0].figure
    if ax is None:
        figure.suptitle(title, fontsize=11)
    else:
        ax.set_title(title, fontsize=11)
    return figure


def correlated_columns(rows: Array, count: int) -> list[int]:
    """The indices, in ascending order, of the `count` columns whose correlations with the others are largest in sum."""
    if rows.shape[1] <= count:
        return list(range(rows.shape[1]))
    known = np.isfinite(rows)
    mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    centred = np.where(known, rows - mean, 0.0)
    length = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(length > 0.0, length, 1.0)  # a constant column has no correlation, and comes last
    strength = np.abs(unit.T @ unit).sum(axis=0)
    return sorted(np.argsort(-strength, kind="stable")[:count].tolist())


def _draw_histogram(axes: Axes, values: Array, rows: dict[str, Any], column: int, name: str, color: str) -> None:
    together = np.concatenate([array[:, column] for array in rows.values()])
    together = together[np.isfinite(together)]
    edges = np.histogram_bin_edges(together, BINS)
    counts, _ = np.histogram(values[np.isfinite(values)], edges)
    axes.stairs(counts / max(1, counts.sum()), edges, color=color, lw=1.5, label=name)


def _label(panels: list[list[Axes]], names: list[str], with_legend: bool) -> None:
    """Name the columns at the left and the lower edge, hide the panels above the diagonal, and add a legend."""
    for j, line in enumerate(panels):
        for i, axes in enumerate(line):
            if i > j:
                axes.set_axis_off()
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8, labelleft=i == 0, labelbottom=j == len(panels) - 1)
        line[0].set_ylabel(names[j + 1] if len(names) > 1 else "share of the rows", fontsize=9)
    for i, axes in enumerate(panels[-1]):
        axes.set_xlabel(names[i], fontsize=9)
    if with_legend:
        legend = panels[0][0].legend(
            frameon=False, loc="upper left", bbox_to_anchor=(1.05, 1.0), markerscale=1.5, fontsize=9, borderaxespad=0.0
        )
        legend.set_in_layout(len(panels) == 1)  # else there is room above the diagonal
        for handle in legend.legend_handles:
            handle.set_alpha(1.0)
