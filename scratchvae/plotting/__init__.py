"""Pictures of data, latent spaces and training. Needs matplotlib, which is imported when a figure is made.

Each function returns a matplotlib Figure without a window; `save_picture` writes it to a file.
"""

from scratchvae.plotting.curves import draw_history
from scratchvae.plotting.figures import save_picture
from scratchvae.plotting.labelled import draw_class_swaps, draw_classes
from scratchvae.plotting.latent import draw_codes, draw_manifold
from scratchvae.plotting.mosaic import (
    UNIT_RANGE,
    draw_analogies,
    draw_images,
    draw_interpolations,
    draw_reconstructions,
    draw_rows,
    draw_traversals,
    value_range_of,
)
from scratchvae.plotting.report import REPORT_PICTURES, draw_latent, draw_model_interpolations, draw_report
from scratchvae.plotting.table import draw_table

__all__ = [
    "REPORT_PICTURES",
    "UNIT_RANGE",
    "draw_analogies",
    "draw_class_swaps",
    "draw_classes",
    "draw_codes",
    "draw_history",
    "draw_images",
    "draw_interpolations",
    "draw_latent",
    "draw_manifold",
    "draw_model_interpolations",
    "draw_reconstructions",
    "draw_report",
    "draw_rows",
    "draw_table",
    "draw_traversals",
    "save_picture",
    "value_range_of",
]
