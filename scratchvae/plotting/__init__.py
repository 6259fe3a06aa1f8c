"""Pictures of data, models, latent spaces and training. Needs matplotlib, which is imported when a figure is made.

Each function returns a matplotlib Figure without a window: a notebook shows it as the value of a cell, and
`save_picture` writes it to a file. `ax=` draws in matplotlib Axes of your own instead of a new figure.

What a function of a model draws follows from the model: pictures of its `image_shape`, or scatter plots of the columns
of a table.
"""

from scratchvae.plotting.curves import plot_history
from scratchvae.plotting.figures import save_picture
from scratchvae.plotting.images import UNIT_RANGE, plot_images, plot_rows, value_range_of
from scratchvae.plotting.latent import plot_codes, plot_latent, plot_manifold
from scratchvae.plotting.paths import plot_analogy, plot_interpolation, plot_traversal
from scratchvae.plotting.report import REPORT_PICTURES, plot_report
from scratchvae.plotting.samples import plot_class_swaps, plot_classes, plot_reconstructions, plot_samples
from scratchvae.plotting.table import plot_table

__all__ = [
    "REPORT_PICTURES",
    "UNIT_RANGE",
    "plot_analogy",
    "plot_class_swaps",
    "plot_classes",
    "plot_codes",
    "plot_history",
    "plot_images",
    "plot_interpolation",
    "plot_latent",
    "plot_manifold",
    "plot_reconstructions",
    "plot_report",
    "plot_rows",
    "plot_samples",
    "plot_table",
    "plot_traversal",
    "save_picture",
    "value_range_of",
]
