"""Make empty figures, and save figures to files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from scratchvae.disk import atomic_write
from scratchvae.errors import ConfigError
from scratchvae.validation import check_path, short_repr, suggest_arguments

Figure: TypeAlias = Any  # matplotlib.figure.Figure; matplotlib is imported when a figure is made
PICTURE_SUFFIXES = (".png", ".pdf", ".svg")


def blank_figure(width: float, height: float) -> Figure:
    """Make an empty figure of a size in inches. Raises ConfigError without matplotlib."""
    try:
        import matplotlib.figure
    except ImportError:
        raise ConfigError("pictures need matplotlib: install it with  pip install 'scratchvae[cli]'") from None
    return matplotlib.figure.Figure(figsize=(width, height), layout="constrained", dpi=100)


@suggest_arguments
def save_picture(figure: Figure, path: str | PathLike[str]) -> None:
    """Write `figure` atomically to a .png, .pdf or .svg file. Raises ConfigError or FileError."""
    path = check_path("path", path, "picture.png")
    suffix = Path(path).suffix
    if not hasattr(figure, "savefig"):
        raise ConfigError(f"figure={short_repr(figure)}: expected a matplotlib figure, such as draw_images returns")
    if suffix not in PICTURE_SUFFIXES:
        raise ConfigError(f"path={short_repr(path)}: expected a file name that ends in {', '.join(PICTURE_SUFFIXES)}")
    with atomic_write(path) as file:
        figure.savefig(file, format=suffix[1:], bbox_inches="tight", pad_inches=0.08)
