"""Make figures that show themselves in notebooks, find room in a caller's axes, and save figures to files."""

from __future__ import annotations

import sys
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from scratchvae.disk import atomic_write
from scratchvae.errors import ConfigError
from scratchvae.validation import check_bool, check_path, short_repr, suggest_arguments

Axes: TypeAlias = Any  # matplotlib.axes.Axes, and
Figure: TypeAlias = Any  # matplotlib.figure.Figure; matplotlib is imported when a figure is made
PICTURE_SUFFIXES = (".png", ".pdf", ".svg")
DOTS_PER_INCH = 100
PANEL_GAP = 0.3  # between panels inside of a caller's axes, as a fraction of a panel


def blank_figure(width: float, height: float) -> Figure:
    """Make an empty figure of a size in inches, which a notebook shows. Raises ConfigError without matplotlib."""
    try:
        from scratchvae.plotting.notebook_figure import NotebookFigure
    except ImportError:
        raise ConfigError("pictures need matplotlib: install it with  pip install 'scratchvae[cli]'") from None
    return NotebookFigure(figsize=(width, height), layout="constrained", dpi=DOTS_PER_INCH)


def axes_of(ax: Axes | None, width: float, height: float) -> Axes:
    """Return `ax`, or the axes of a new figure of a size in inches if it is None. Raises ConfigError."""
    if ax is None:
        return blank_figure(width, height).add_subplot()
    if not hasattr(ax, "imshow") or not hasattr(ax, "figure"):
        raise ConfigError(
            f"ax={short_repr(ax)}: expected matplotlib Axes, such as figure.add_subplot() returns, or None"
        )
    return ax


def panels_of(ax: Axes | None, rows: int, columns: int, width: float, height: float) -> list[list[Axes]]:
    """Return rows × columns axes: inside of `ax`, or in a new figure if it is None. Raises ConfigError."""
    if ax is None:
        grid = blank_figure(width, height).subplots(rows, columns, squeeze=False)
        return [list(row) for row in grid]
    axes_of(ax, width, height).set_axis_off()
    across, up = (1 / (count + PANEL_GAP * (count - 1)) for count in (columns, rows))
    step = 1 + PANEL_GAP
    return [
        [ax.inset_axes((k * step * across, 1 - up - j * step * up, across, up)) for k in range(columns)]
        for j in range(rows)
    ]


@suggest_arguments
def save_picture(figure: Figure, path: str | PathLike[str], show: bool = False) -> None:
    """Write `figure` atomically to a .png, .pdf or .svg file.

    show   also show it below the cell of the notebook that is running, if one is. A figure that is the value of the
           last line of a cell is shown by itself

    Raises ConfigError or FileError.
    """
    path = check_path("path", path, "picture.png")
    suffix = Path(path).suffix
    if not hasattr(figure, "savefig"):
        raise ConfigError(f"figure={short_repr(figure)}: expected a matplotlib figure, such as plot_images returns")
    if suffix not in PICTURE_SUFFIXES:
        raise ConfigError(f"path={short_repr(path)}: expected a file name that ends in {', '.join(PICTURE_SUFFIXES)}")
    with atomic_write(path) as file:
        figure.savefig(file, format=suffix[1:], bbox_inches="tight", pad_inches=0.08)
    ipython = sys.modules.get("IPython")  # a notebook has imported it
    if check_bool("show", show) and ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(figure)
