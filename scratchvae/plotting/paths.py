"""Paths through the latent space, decoded: interpolations, traversals and analogies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.evaluation import active_units
from scratchvae.models import VAE, Model
from scratchvae.plotting.checks import Shape, ValueRange, check_names, column_names, picture_shape, rows_of
from scratchvae.plotting.figures import Axes, Figure
from scratchvae.plotting.images import draw_mosaic, value_range_of
from scratchvae.plotting.samples import known_range
from scratchvae.plotting.table import plot_table
from scratchvae.validation import check_int, check_positive, check_type, short_repr, suggest_arguments

PATH_NAMES = {"linear": "straight lines", "spherical": "arcs"}


@suggest_arguments
def plot_interpolation(
    model: Model,
    a: Any,
    b: Any,
    steps: int = 10,
    kind: str = "linear",
    *,
    labels: Any = None,
    shape: Shape = None,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a decoded path from a to b, with the originals at its ends: (D,) each, or (N, D) for N paths, one per row.

    steps, kind, labels   those of `model.interpolate`
    shape                 (height, width) or (height, width, 3) of a row; None: the model's `image_shape`. Rows that are
                          no pictures are drawn as a table: see `plot_table`
    value_range           the values drawn as black and as white; None: those of a and b
    ax                    matplotlib Axes to draw in; None: those of a new figure

    Returns the Figure. Raises ConfigError, and otherwise as `model.interpolate`.
    """
    check_type("model", model, Model, "a model")
    shape = picture_shape(model, shape)
    starts, ends = (np.atleast_2d(to_numpy(model.as_rows(x, name))) for name, x in (("a", a), ("b", b)))
    if starts.shape != ends.shape or not len(starts):
        raise ShapeError(f"b has shape {ends.shape}; expected {starts.shape}, one row or more, as a has")
    paths = [to_numpy(model.interpolate(*each, steps, kind, labels)) for each in zip(starts, ends, strict=True)]
    if shape is None:
        sets = {f"path {k + 1}": path for k, path in enumerate(paths)}
        return plot_table(sets, column_names(model), "Decoded paths from code to code", joined=True, ax=ax)
    rows = [[start, *path, end] for start, path, end in zip(starts, paths, ends, strict=True)]
    value_range = value_range_of(np.concatenate([starts, ends])) if value_range is None else value_range
    title = f"Originals at both ends; between them, decoded {PATH_NAMES[kind]} from code to code"
    names = ["original", *[""] * steps, "original"]
    return draw_mosaic(
        np.concatenate(rows), shape, steps + 2, title, value_range, column_names=names, apart=[1, steps + 1], ax=ax
    )


@suggest_arguments
def plot_traversal(
    vae: VAE,
    x: Any = None,
    data: Any = None,
    dimensions: Sequence[int] | None = None,
    reach: float = 3.0,
    steps: int = 11,
    *,
    labels: Any = None,
    shape: Shape = None,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw what each latent dimension does: one row for each, decoded from −reach to reach, the others fixed.

    x            a row (D,), whose code gives the other dimensions; None: they are 0, the mean of the usual prior
    data         a Dataset, a Split or rows (N, D): the dimensions are then drawn in the order of their KL, and named
                 with it
    dimensions   those to draw, in this order; None: all
    labels       the class of all rows, for a model with labels
    value_range  the values drawn as black and as white; None: those of data, or as in `plot_samples`

    The other arguments are those of `plot_interpolation`. Returns the Figure. Raises ConfigError, and otherwise as
    `vae.traverse` and `evaluation.active_units`.
    """
    check_type("vae", vae, VAE, "a VAE, which has a prior")
    shape = picture_shape(vae, shape)
    rows, values = rows_of(data)[0], np.linspace(-1.0, 1.0, check_int("steps", steps)) * check_positive("reach", reach)
    kl = None if data is None else active_units(vae, rows, labels).kl
    if dimensions is None:
        dimensions = range(vae.latent_dim) if kl is None else np.argsort(-kl, kind="stable").tolist()
    frames = [to_numpy(vae.traverse(x, k, values, labels)) for k in _check_dimensions(dimensions, vae.latent_dim)]
    names = [f"z{k}" if kl is None else f"z{k}: {kl[k]:.2f} nats" for k in dimensions]
    title = "Each row varies one latent dimension and keeps the others fixed"
    if shape is None:
        title = "Each line varies one latent dimension and keeps the others fixed"
        return plot_table(dict(zip(names, frames, strict=True)), column_names(vae), title, joined=True, ax=ax)
    if value_range is None:
        value_range = known_range(vae, np.concatenate(frames)) if data is None else value_range_of(rows)
    headings = [f"{value:.2g}".replace("-", "−") for value in values]
    return draw_mosaic(np.concatenate(frames), shape, steps, title, value_range, names, headings, ax=ax)


def _check_dimensions(dimensions: Any, count: int) -> list[int]:
    given = list(dimensions) if isinstance(dimensions, Sequence | np.ndarray) else []
    if not given or not all(isinstance(k, int | np.integer) and 0 <= k < count for k in given):
        raise ConfigError(f"dimensions={short_repr(dimensions)}: expected some of 0 to {count - 1}, or None")
    return [int(k) for k in given]


@suggest_arguments
def plot_analogy(
    model: Model,
    a: Any,
    b: Any,
    c: Any,
    names: Sequence[str] = ("A", "B"),
    *,
    labels: Any = None,
    shape: Shape = None,
    value_range: ValueRange | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw results that are to c, (D,) or (N, D), as a is to b: the code of a less that of b is added to that of c.

    On the left, a above b; for groups of rows (N, D), these are the decoded means of their codes. On the right, each
    result above its c. Choose c like b: added to rows that are like a already, the difference leads beyond a.

    names         of a and b
    labels        the class of all rows, for a model with labels
    value_range   the values drawn as black and as white; None: those of c

    The other arguments are those of `plot_interpolation`. Returns the Figure. Raises ConfigError, and otherwise as
    `model.analogy`.
    """
    check_type("model", model, Model, "a model")
    shape, (name_a, name_b) = picture_shape(model, shape), check_names("names", names, 2)
    c = np.atleast_2d(to_numpy(model.as_rows(c, "c")))
    results = to_numpy(model.analogy(a, b, c, labels))
    if shape is None:
        title = f"C, and C + {name_a} − {name_b} in latent space"
        return plot_table({"C": c, f"C + {name_a} − {name_b}": results}, column_names(model), title, ax=ax)
    groups = [np.atleast_2d(to_numpy(model.as_rows(x, name))) for name, x in (("a", a), ("b", b))]
    means = np.stack([to_numpy(model.embed(group, labels)).mean(axis=0) for group in groups])
    plus, minus = to_numpy(model.decode(means, labels))
    value_range = value_range_of(c) if value_range is None else value_range
    title = f"In latent space: C + {name_a} − {name_b}"
    rows = [f"{name_a}  |  C + {name_a} − {name_b}", f"{name_b}  |  C"]
    return draw_mosaic(
        np.stack([plus, *results, minus, *c]), shape, len(c) + 1, title, value_range, rows, apart=[1], ax=ax
    )
