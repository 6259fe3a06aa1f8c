"""Pictures of the latent space in two dimensions."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array, to_host
from scratchvae.backend import Array
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.models import VAE
from scratchvae.plotting.checks import Shape, ValueRange
from scratchvae.plotting.figures import Figure, blank_figure
from scratchvae.plotting.mosaic import UNIT_RANGE, draw_images
from scratchvae.probability import StandardNormal
from scratchvae.validation import check_int, check_type, suggest_arguments

MAX_LEGEND_LABELS = 20  # more do not fit into a legend, and their colours are hard to distinguish


@suggest_arguments
def draw_manifold(
    vae: VAE, shape: Shape, side: int = 20, value_range: ValueRange = UNIT_RANGE, labels: Any = None
) -> Figure:
    """Draw the decoded plane of a two-dimensional latent space, on a grid of quantiles of the prior.

    labels is the class of all images, for a model with labels.
    """
    check_type("vae", vae, VAE, "a VAE, which has a prior")
    if vae.latent_dim != 2:
        raise ConfigError(f"vae has {vae.latent_dim} latent dimensions; expected 2; use draw_codes for more")
    if not isinstance(vae.prior, StandardNormal):
        raise ConfigError(
            f"vae has the prior {type(vae.prior).__name__}; expected StandardNormal, whose quantiles the grid uses"
        )
    check_int("side", side)
    title = "The decoded latent plane: z₀ to the right, z₁ upwards, at quantiles of the prior"
    return draw_images(vae.decode(prior_grid(side, side), labels), shape, side, title, value_range)


def prior_grid(columns: int, rows: int) -> Array:
    """Return codes (rows · columns, 2) at evenly spaced quantiles of N(0, I), the top row first."""
    z0_values, z1_values = (
        [NormalDist().inv_cdf((k + 0.5) / steps) for k in range(steps)] for steps in (columns, rows)
    )
    return np.array([(z0, z1) for z1 in reversed(z1_values) for z0 in z0_values])


@suggest_arguments
def draw_codes(codes: Any, labels: Array | None) -> Figure:
    """Draw codes (N, Z) along their first two principal components, coloured by label.

    Raises DTypeError, ShapeError or RangeError.
    """
    from matplotlib import colormaps
    from matplotlib.collections import PathCollection

    codes = as_real_array("codes", codes).astype(np.float64)
    if codes.ndim != 2 or not codes.size:
        raise ShapeError(f"codes has shape {codes.shape}; expected (N, Z), not empty")
    if not np.isfinite(codes).all():
        raise RangeError("codes contain NaN or infinite values; leave those rows out")
    labels = None if labels is None else _check_code_labels(labels, len(codes))
    components, variance_fractions = principal_plane(codes)
    figure = blank_figure(7.0, 6.0)
    axes = figure.add_subplot()
    marker_size = min(30.0, max(5.0, 9000.0 / len(codes)))
    color_note = ""
    if labels is None:
        axes.scatter(components[:, 0], components[:, 1], s=marker_size, alpha=0.5, linewidths=0)
    else:
        names = np.unique(labels)
        for k, name in enumerate(names):
            color = f"C{k}" if len(names) <= 10 else colormaps["nipy_spectral"](k / len(names))
            x, y = components[labels == name].T
            axes.scatter(x, y, s=marker_size, alpha=0.6, linewidths=0, color=color, label=str(name))
        if len(names) > MAX_LEGEND_LABELS:
            color_note = f",\ncoloured by {len(names)} labels, from {names[0]} in black to {names[-1]} in grey"
        else:
            legend = axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
            for handle in legend.legend_handles:
                if isinstance(handle, PathCollection):
                    handle.set(sizes=[40.0], alpha=1.0)
    axes.set_title(f"Codes of {len(codes)} rows along their first two principal components{color_note}", fontsize=11)
    axes.set_xlabel(f"first component, {variance_fractions[0]:.0%} of the variance")
    axes.set_ylabel(f"second component, {variance_fractions[1]:.0%}")
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _check_code_labels(labels: Any, count: int) -> Array:
    array = to_host("labels", labels)
    if array.dtype.kind not in "fiubU":
        raise DTypeError(f"labels have dtype {array.dtype}; expected numbers or strings, one for each row of codes")
    if array.shape != (count,):
        raise ShapeError(f"labels have shape {array.shape}; expected ({count},), one for each row of codes")
    return array


def principal_plane(codes: Array) -> tuple[Array, tuple[float, float]]:
    """Return the first two principal components (N, 2) of codes (N, Z), and their fractions of the total variance."""
    centred = codes - codes.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    variance = np.zeros(max(2, len(singular)))
    variance[: len(singular)] = singular**2
    components = np.zeros((len(codes), 2))
    components[:, : len(directions[:2])] = centred @ directions[:2].T
    fractions = variance[:2] / (variance.sum() or 1.0)
    return components, (float(fractions[0]), float(fractions[1]))
