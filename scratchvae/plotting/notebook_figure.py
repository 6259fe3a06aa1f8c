"""The figures of this package. Imported when the first of them is made, because it imports matplotlib."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that a notebook shows as the value of a cell, without pyplot or a magic command.

    Notebooks show an object by its `_repr_png_`. Matplotlib's figures have none: pyplot gives them one, for the
    figures that it manages.
    """

    def _repr_png_(self) -> bytes:
        """The figure as a PNG file."""
        file = BytesIO()
        self.savefig(file, format="png", bbox_inches="tight", pad_inches=0.08)
        return file.getvalue()
