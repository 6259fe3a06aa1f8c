"""The latent space: the codes of data, and the decoded plane of a space of two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import as_real_array, to_host
from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.models import VAE, ConditionalVAE, Model
from scratchvae.plotting.checks import Shape, ValueRange, rows_of
from scratchvae.plotting.colors import BLUE, LIGHT_GREY, class_style
from scratchvae.plotting.figures import Axes, Figure, axes_of
from scratchvae.plotting.images import draw_mosaic
from scratchvae.plotting.samples import known_range, pictures_only
from scratchvae.probability import StandardNormal
from scratchvae.validation import check_int, check_type, suggest_arguments

MAX_CODES = 5000  # enough points to show the distribution, few enough to distinguish
MAX_LEGEND_LABELS = 20  # more do not fit into a legend, and their colours are hard to distinguish
NO_LABEL = "no label"
NAME_HEIGHT = 0.045  # of the name of a class, in parts of the plane
MAX_CENTRES = 500  # points of a class among which the place of its name is chosen
ROUNDS = 50  # in which names give way to each other


@suggest_arguments
def plot_latent(model: Model, data: Any, labels: Any = None, *, ax: Axes | None = None) -> Figure:
    """Draw the codes of the first 5000 rows of data, coloured by class: see `plot_codes`.

    data     a Dataset, of which the test split is drawn, a Split, or rows (N, D)
    labels   the class of each row; None: those of data, which a model with labels needs
    ax       matplotlib Axes to draw in; None: those of a new figure

    Returns the Figure. Raises ConfigError, and otherwise as `model.embed`.
    """
    check_type("model", model, Model, "a model")
    rows, known, classes = rows_of(data)
    rows = model.check_data(model.as_rows(rows, "data", lazy=True)[:MAX_CODES], "data", scored=False)
    labels = known if labels is None else labels
    labels = labels if labels is None or np.ndim(labels) == 0 else labels[:MAX_CODES]
    codes = model.embed(rows, labels if isinstance(model, ConditionalVAE) else None)
    classes = classes if classes is not None else model.schema.classes
    if labels is not None:
        labels = np.broadcast_to(np.asarray(labels), len(codes))
        if labels.dtype.kind in "iu" and classes is not None:
            labels = np.array([*map(str, classes), NO_LABEL])[labels]  # the last one is of label −1
    return plot_codes(codes, labels, ax=ax)


@suggest_arguments
def plot_codes(codes: Any, labels: Any = None, *, ax: Axes | None = None) -> Figure:
    """Draw codes (N, Z) in a plane, coloured by labels (N,), which are also written where their codes are densest.

    Codes of one or two dimensions are drawn as they are. Of more dimensions, the plane is that in which the classes
    are farthest apart, in units of their spread (linear discriminants, Fisher 1936); without classes, that of the first
    two principal components. The label −1 or "no label" is that of rows without one: they are grey.

    ax   matplotlib Axes to draw in; None: those of a new figure

    Returns the Figure. Raises ConfigError, DTypeError, ShapeError or RangeError.
    """
    codes = as_real_array("codes", codes).astype(np.float64)
    if codes.ndim != 2 or not codes.size:
        raise ShapeError(f"codes has shape {codes.shape}; expected (N, Z), not empty")
    if not np.isfinite(codes).all():
        raise RangeError("codes contain NaN or infinite values; leave those rows out")
    labels = None if labels is None else _check_code_labels(labels, len(codes))
    plane = plane_of(codes, labels)
    axes = axes_of(ax, 7.0, 5.6)
    size, notes = min(30.0, max(8.0, 9000.0 / len(codes))), [f"Codes of {len(codes):,} rows", plane.title]
    names = [] if labels is None else _classes(labels)
    unlabelled = np.ones(len(codes), bool) if labels is None else ~np.isin(labels, names)
    if unlabelled.any():
        color, name = (BLUE, "") if labels is None else (LIGHT_GREY, NO_LABEL)
        axes.scatter(*plane.points[unlabelled].T, s=size, alpha=0.6, linewidths=0, color=color, label=name)
    for k, name in enumerate(names):
        points = plane.points[labels == name]
        style = class_style(k) if len(names) <= MAX_LEGEND_LABELS else {"color": _shade(k / (len(names) - 1))}
        axes.scatter(*points.T, s=size, alpha=0.7, linewidths=0, label=str(name), **style)
    if len(names) > MAX_LEGEND_LABELS:
        notes.append(f"coloured by {len(names)} labels, from {names[0]} in blue to {names[-1]} in yellow")
    elif labels is not None:
        _write_names(axes, plane.points, labels, names)
        legend = axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
        for handle in legend.legend_handles:
            handle.set(sizes=[50.0], alpha=1.0)
    axes.set_title("\n".join(notes), fontsize=11)
    axes.set(xlabel=plane.axis_names[0], ylabel=plane.axis_names[1])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(False)
    return axes.figure


@suggest_arguments
def plot_manifold(
    vae: VAE,
    side: int = 20,
    labels: Any = None,
    *,
    shape: Shape = None,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the decoded plane of a two-dimensional latent space, on a grid of side × side quantiles of the prior.

    labels        the class of all pictures, for a model with labels
    shape         (height, width) or (height, width, 3) of a row; None: the model's `image_shape`
    value_range   the values drawn as black and as white; None: those of the training data, if the model has a record of
                  them, or of the pictures
    ax            matplotlib Axes to draw in; None: those of a new figure

    Returns the Figure. Raises ConfigError, and otherwise as `vae.decode`.
    """
    check_type("vae", vae, VAE, "a VAE, which has a prior")
    if vae.latent_dim != 2:
        raise ConfigError(f"vae has {vae.latent_dim} latent dimensions; expected 2; use plot_latent for more")
    if not isinstance(vae.prior, StandardNormal):
        raise ConfigError(
            f"vae has the prior {type(vae.prior).__name__}; expected StandardNormal, whose quantiles the grid uses"
        )
    check_int("side", side)
    shape, images = pictures_only("vae", vae, shape), to_numpy(vae.decode(prior_grid(side, side), labels))
    value_range = known_range(vae, images) if value_range is None else value_range
    title = "The decoded latent plane: z₀ to the right, z₁ upwards, at quantiles of the prior"
    return draw_mosaic(images, shape, side, title, value_range, ax=ax)


def prior_grid(columns: int, rows: int) -> Array:
    """Return codes (rows · columns, 2) at evenly spaced quantiles of N(0, I), the top row first."""
    z0_values, z1_values = (
        [NormalDist().inv_cdf((k + 0.5) / steps) for k in range(steps)] for steps in (columns, rows)
    )
    return np.array([(z0, z1) for z1 in reversed(z1_values) for z0 in z0_values])


class Plane(NamedTuple):
    """Codes in a plane: points (N, 2), and what the plane and its axes are."""

    points: Array
    title: str
    axis_names: tuple[str, str]


def plane_of(codes: Array, labels: Array | None = None) -> Plane:
    """The plane in which `plot_codes` draws codes (N, Z)."""
    if codes.shape[1] <= 2:
        points = np.zeros((len(codes), 2))
        points[:, : codes.shape[1]] = codes
        return Plane(points, "along their two dimensions" if codes.shape[1] == 2 else "of one dimension", ("z₀", "z₁"))
    names = [] if labels is None else _classes(labels)
    if labels is not None and len(names) >= 3:
        return Plane(
            discriminant_plane(codes, labels, names),
            "in the plane that separates the classes best",
            ("first linear discriminant", "second linear discriminant"),
        )
    points, (first, second) = principal_plane(codes)
    return Plane(
        points,
        "along their first two principal components",
        (f"first component, {first:.0%} of the variance", f"second component, {second:.0%}"),
    )


# Fisher's discriminants are the directions u with the largest ratio uᵀ B u / uᵀ S u of the variance between the classes
# to that within them. With S = L Lᵀ and v = Lᵀ u the ratio is vᵀ (L⁻¹ B L⁻ᵀ) v / vᵀ v: in the whitened codes L⁻¹ z, in
# which every class has on average the variance 1, the directions are the principal components of the class means.
def discriminant_plane(codes: Array, labels: Array, names: Sequence[Any]) -> Array:
    """Return codes (N, Z) along their first two linear discriminants, (N, 2), in standard deviations of a class."""
    known = np.isin(labels, names)
    centred = codes - codes[known].mean(axis=0)
    means, weights = np.zeros((len(names), codes.shape[1])), np.zeros(len(names))
    within = np.zeros((codes.shape[1], codes.shape[1]))
    for k, name in enumerate(names):
        rows = centred[labels == name]
        means[k], weights[k] = rows.mean(axis=0), len(rows)
        within += (rows - means[k]).T @ (rows - means[k])
    within /= known.sum()
    scale = np.trace(within) / len(within) or 1.0
    whitening = np.linalg.inv(np.linalg.cholesky(within + 1e-6 * scale * np.eye(len(within))))  # L⁻¹
    _, _, directions = np.linalg.svd(np.sqrt(weights)[:, None] * (means @ whitening.T), full_matrices=False)
    points: Array = centred @ whitening.T @ directions[:2].T
    return points


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


def _check_code_labels(labels: Any, count: int) -> Array:
    array = to_host("labels", labels)
    if array.dtype.kind not in "fiubU":
        raise DTypeError(f"labels have dtype {array.dtype}; expected numbers or strings, one for each row of codes")
    if array.shape != (count,):
        raise ShapeError(f"labels have shape {array.shape}; expected ({count},), one for each row of codes")
    return array


def _classes(labels: Array) -> list[Any]:
    """The labels that occur, in ascending order, without that of rows that have none."""
    return [name for name in np.unique(labels) if name != (NO_LABEL if labels.dtype.kind == "U" else -1)]


def _shade(fraction: float) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](fraction)


def _densest(points: Array) -> Array:
    """One of the points (N, 2), around which half of them lie within the smallest circle.

    It is in the middle of a cluster, where the mean and the median of two clusters may be between them.
    """
    some = points[:: max(1, len(points) // MAX_CENTRES)]
    distances = np.sort(np.linalg.norm(some[:, None] - some, axis=2), axis=1)
    place: Array = some[distances[:, (len(some) - 1) // 2].argmin()]
    return place


def _apart(places: Array, distance: float) -> Array:
    """The places (N, 2), moved so that hardly any two are nearer than the distance: each pair gives way by halves."""
    places, upwards = places.copy(), np.array([0.0, 1.0])
    for _ in range(ROUNDS):
        for i in range(len(places)):
            for j in range(i):
                difference = places[i] - places[j]
                length = float(np.linalg.norm(difference))
                if length < distance:
                    push = (distance - length) / 2 * (difference / length if length else upwards)
                    places[i] += push
                    places[j] -= push
    return places


def _write_names(axes: Axes, points: Array, labels: Array, names: Sequence[Any]) -> None:
    """Write each name where its points are densest, so that no reader depends on the colours."""
    from matplotlib.patheffects import withStroke

    middles = np.array([_densest(points[labels == name]) for name in names])
    for name, (x, y) in zip(names, _apart(middles, NAME_HEIGHT * np.ptp(points, axis=0).max()), strict=True):
        text = axes.text(x, y, str(name), ha="center", va="center", fontsize=13, weight="bold")
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])
