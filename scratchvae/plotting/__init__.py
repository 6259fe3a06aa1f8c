"""Pictures; needs matplotlib, which is imported when a picture is made.

Each function returns a matplotlib Figure that belongs to no window; `save_picture` writes it.
"""

from scratchvae.plotting.album import ALBUM, draw_album, draw_latent, draw_walks
from scratchvae.plotting.curves import draw_history
from scratchvae.plotting.figures import save_picture
from scratchvae.plotting.labelled import draw_classes, draw_styles
from scratchvae.plotting.latent import draw_codes, draw_manifold
from scratchvae.plotting.mosaic import (
    UNIT,
    draw_analogies,
    draw_bands,
    draw_images,
    draw_interpolations,
    draw_reconstructions,
    draw_traversals,
    span_of,
)

__all__ = [
    "ALBUM",
    "UNIT",
    "draw_album",
    "draw_analogies",
    "draw_bands",
    "draw_classes",
    "draw_codes",
    "draw_history",
    "draw_images",
    "draw_interpolations",
    "draw_latent",
    "draw_manifold",
    "draw_reconstructions",
    "draw_styles",
    "draw_traversals",
    "draw_walks",
    "save_picture",
    "span_of",
]
