"""The latent space, seen flat."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array, to_host
from scratchvae.backend import Array
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.models import VAE
from scratchvae.plotting.checks import Shape, Span
from scratchvae.plotting.figures import Figure, blank_figure
from scratchvae.plotting.mosaic import UNIT, draw_images
from scratchvae.probability import StandardNormal
from scratchvae.validation import check_int, check_type

LEGEND = 20  # labels, at most, that a legend has room for and colours can tell apart


def draw_manifold(vae: VAE, shape: Shape, side: int = 20, value_range: Span = UNIT, labels: Any = None) -> Figure:
    """What a two-dimensional latent space decodes to, on a grid that cuts the prior into equally likely pieces.

    labels are the class of all of them, for a model that takes classes.
    """
    check_type("vae", vae, VAE, "a VAE, which has a prior")
    if vae.latent_dim != 2:
        raise ConfigError(f"vae has {vae.latent_dim} latent dimensions; expected 2: for others there is draw_codes")
    if not isinstance(vae.prior, StandardNormal):
        raise ConfigError(f"vae has the prior {type(vae.prior).__name__}; expected StandardNormal, which the grid cuts")
    check_int("side", side)
    title = "The latent plane: z₀ to the right, z₁ upwards, even steps of the prior"
    return draw_images(vae.decode(prior_grid(side, side), labels), shape, side, title, value_range)


def prior_grid(columns: int, rows: int) -> Array:
    """Codes (rows · columns, 2), row by row from the top, that cut N(0, I) in the plane into equally likely pieces."""
    across, up = ([NormalDist().inv_cdf((k + 0.5) / steps) for k in range(steps)] for steps in (columns, rows))
    return np.array([(right, above) for above in reversed(up) for right in across])


def draw_codes(codes: Any, labels: Array | None) -> Figure:
    """Codes (N, Z) along their first two principal components, coloured by label.

    Raises DTypeError, ShapeError or RangeError.
    """
    from matplotlib import colormaps
    from matplotlib.collections import PathCollection

    codes = as_real_array("codes", codes).astype(np.float64)
    if codes.ndim != 2 or not codes.size:
        raise ShapeError(f"codes has shape {codes.shape}; expected (N, Z), not empty")
    if not np.isfinite(codes).all():
        raise RangeError("codes hold NaN or infinite values; leave those rows out")
    labels = None if labels is None else _check_names(labels, len(codes))
    plane, shares = principal_plane(codes)
    figure = blank_figure(7.0, 6.0)
    axes = figure.add_subplot()
    size = min(30.0, max(5.0, 9000.0 / len(codes)))
    note = ""
    if labels is None:
        axes.scatter(plane[:, 0], plane[:, 1], s=size, alpha=0.5, linewidths=0)
    else:
        names = np.unique(labels)
        for k, name in enumerate(names):
            colour = f"C{k}" if len(names) <= 10 else colormaps["nipy_spectral"](k / len(names))
            x, y = plane[labels == name].T
            axes.scatter(x, y, s=size, alpha=0.6, linewidths=0, color=colour, label=str(name))
        if len(names) > LEGEND:
            note = f",\ncoloured by {len(names)} labels, from {names[0]} in black to {names[-1]} in grey"
        else:
            legend = axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
            for handle in legend.legend_handles:
                if isinstance(handle, PathCollection):
                    handle.set(sizes=[40.0], alpha=1.0)
    axes.set_title(f"Codes of {len(codes)} test images along their first two principal components{note}", fontsize=11)
    axes.set_xlabel(f"first component, {shares[0]:.0%} of the variance")
    axes.set_ylabel(f"second component, {shares[1]:.0%}")
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _check_names(labels: Any, count: int) -> Array:
    names = to_host("labels", labels)
    if names.dtype.kind not in "fiubU":
        raise DTypeError(f"labels have dtype {names.dtype}; expected numbers or texts, one for each row of codes")
    if names.shape != (count,):
        raise ShapeError(f"labels have shape {names.shape}; expected ({count},), one for each row of codes")
    return names


def principal_plane(codes: Array) -> tuple[Array, tuple[float, float]]:
    """Coordinates (N, 2) of codes (N, Z) along the two directions of most variance, and the share of each in it all."""
    centred = codes - codes.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    variance = np.zeros(max(2, len(singular)))
    variance[: len(singular)] = singular**2
    plane = np.zeros((len(codes), 2))
    plane[:, : len(directions[:2])] = centred @ directions[:2].T
    share = variance[:2] / (variance.sum() or 1.0)
    return plane, (float(share[0]), float(share[1]))
