"""Pictures; needs matplotlib, which is imported when a picture is made.

Each function returns a matplotlib Figure that belongs to no window; `save_picture` writes it.
"""

from scratchvae.plotting.curves import draw_history
from scratchvae.plotting.figures import save_picture
from scratchvae.plotting.labelled import draw_class_swaps, draw_classes
from scratchvae.plotting.latent import draw_codes, draw_manifold
from scratchvae.plotting.mosaic import (
    UNIT,
    draw_analogies,
    draw_images,
    draw_interpolations,
    draw_reconstructions,
    draw_rows,
    draw_traversals,
    value_range_of,
)
from scratchvae.plotting.report import ALBUM, draw_all_traversals, draw_latent, draw_report

__all__ = [
    "ALBUM",
    "UNIT",
    "draw_all_traversals",
    "draw_analogies",
    "draw_class_swaps",
    "draw_classes",
    "draw_codes",
    "draw_history",
    "draw_images",
    "draw_interpolations",
    "draw_latent",
    "draw_manifold",
    "draw_reconstructions",
    "draw_report",
    "draw_rows",
    "draw_traversals",
    "save_picture",
    "value_range_of",
]
