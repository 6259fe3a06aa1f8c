"""The page: its template, its style, its scripts in their order, and its data."""

from __future__ import annotations

import json
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.disk import atomic_write
from scratchvae.errors import ConfigError
from scratchvae.explorer.checks import check_showable
from scratchvae.explorer.model import describe_model, weights_of
from scratchvae.explorer.planes import separating_plane, widest_plane
from scratchvae.explorer.rows import (
    MOST_CHARACTERS,
    MOST_ROWS,
    choose_rows,
    describe_columns,
    pack_pictures,
    value_range,
)
from scratchvae.explorer.weights import PRECISIONS, packed, rounded
from scratchvae.fused import plain_class
from scratchvae.models import VAE, Model, SemiSupervisedVAE
from scratchvae.models.labels import UNLABELLED, check_labels, learn_names
from scratchvae.objectives import ELBO
from scratchvae.probability import GaussianKL
from scratchvae.tables import TableSchema
from scratchvae.validation import check_choice, check_int, check_path, check_positive, suggest_arguments

FILE = "explore.html"
FOLDER = Path(__file__).parent / "browser"
SCRIPTS = (  # each uses those above it
    "arrays.js",
    "layers.js",
    "likelihoods.js",
    "network.js",
    "noise.js",
    "elbo.js",
    "paths.js",
    "state.js",
    "elements.js",
    "pictures.js",
    "cells.js",
    "rows.js",
    "plane.js",
    "sliders.js",
    "decoded.js",
    "draw.js",
    "formula.js",
    "interpolate.js",
    "samples.js",
    "main.js",
)
MEGABYTE = 1_000_000


class Page(NamedTuple):
    """The size of a written page in bytes, and the number of rows in it."""

    size: int
    rows: int


@suggest_arguments
def write_page(
    model: Any,
    path: str | PathLike[str] = FILE,
    images: Any = None,
    labels: Any = None,
    classes: Any = None,
    title: str = "",
    rows: int | None = None,
    weights: str = "float16",
    max_mb: float = 20.0,
    table: TableSchema | None = None,
    part: str = "",
) -> Page:
    """Write the page of a model; return its size and the number of its rows.

    images    rows (N, D) of data, such as those of the test part, whose codes the page shows; None: it shows none
    labels    (N,) the class of each row: its number, from 0, or its name; −1 for none. A `ConditionalVAE` needs them
    classes   the names of the classes, for a model that has none; None: the numbers or the texts in `labels`
    title     the heading of the page
    rows      the number of rows that are shown, chosen at random. None: up to 2000, of no more than 0.7 MB
    weights   "float16" or "float32": the precision of the weights in the page
    max_mb    the largest size of the page, in millions of bytes
    table     the schema of the table of which `images` are the encoded rows
    part      the part of the data that `images` are, such as "test", which the page names

    Raises ConfigError, FileError, or as `VAE.elbo`.
    """
    model = check_showable(model)
    precision = check_choice("weights", weights, PRECISIONS)
    limit = check_positive("max_mb", max_mb)
    wanted = None if rows is None else check_int("rows", rows, minimum=0)
    target = Path(check_path("path", path, FILE))
    size = model.theta.size * np.dtype(precision).itemsize * 4 / 3  # in base64; zlib saves little of it
    _check_size(size * 0.8, limit, f"{model.theta.size:,} weights")
    with model.locks.read_lock():
        model = rounded(model, precision)
        content = {
            "title": title,
            "part": part,
            "about": _about(model),
            "precision": precision,
            "model": describe_model(model),
            "weights": packed(weights_of(model).astype(precision)),
            "shape": None if model.image_shape is None else list(model.row_shape),
            **_describe_data(model, images, labels, classes, wanted, table),
        }
    page = _join(content).encode()
    _check_size(len(page), limit, f"{model.theta.size:,} weights and {content['rows']['count']:,} rows")
    with atomic_write(target) as file:
        file.write(page)
    return Page(len(page), content["rows"]["count"])


def _check_size(size: float, limit: float, contents: str) -> None:
    if size > limit * MEGABYTE:
        raise ConfigError(
            f"max_mb={limit:g} is less than the page needs: {size / MEGABYTE:.1f} MB for {contents}; pass a larger "
            "max_mb, or take a smaller model"
        )


def _about(model: Model) -> str:
    """The model in a line."""
    widths = [model.input_dim, *model.config["hidden"], model.latent_dim]
    own = [name for name in ("encoder", "decoder") if name in model.custom_parts]
    layers = f"own {' and '.join(own)}" if own else "-".join(map(str, widths))
    items = [f"{type(model).__name__} {layers}"]
    items += ["convolutions"] * (model.config["architecture"] == "conv")
    items += [str(model.config["likelihood"]), f"{model.theta.size:,} weights"]
    items += [f"beta {model.objective.beta:g}"] * (model.objective.beta != 1.0)
    if isinstance(data := model.metadata.get("data"), str):
        items.append(f"trained on {Path(data).name}")
    return ", ".join(items)


# --- the data


def _describe_data(
    model: Model, images: Any, labels: Any, classes: Any, wanted: int | None, table: TableSchema | None
) -> dict[str, Any]:
    """The rows, their codes and classes, the planes, and the use of each latent dimension."""
    is_table = model.image_shape is None
    given: Array = np.empty((0, model.input_dim))
    if images is not None:
        given = to_numpy(model.check_data(images, "images", scored=False))
    classes = classes or (None if labels is None or model.classes else learn_names(labels))
    labels = _check_labels(model, labels, len(given), classes)
    numbers = choose_rows(len(given), MOST_ROWS if wanted is None else wanted)
    shown, packed_rows = given[numbers], _pack(given[numbers], is_table)
    while wanted is None and len(packed_rows["data"]) > MOST_CHARACTERS:
        fewer = int(len(numbers) * MOST_CHARACTERS / len(packed_rows["data"]) * 0.97)
        numbers = choose_rows(len(given), max(1, fewer))
        shown, packed_rows = given[numbers], _pack(given[numbers], is_table)
        if len(numbers) == 1:
            break
    encoder_labels = None if isinstance(model, SemiSupervisedVAE) or not model.classes else labels
    codes, variance, kl = _codes(model, given, encoder_labels)
    labels_shown = None if labels is None else labels[numbers]
    low, high = value_range(given) if len(given) else _usual_range(model)
    return {
        "rows": {
            "count": len(numbers),
            "of": len(given),
            "numbers": numbers.tolist(),
            "values": packed_rows,
            "codes": packed(codes[numbers].astype(np.float32)),
            "labels": None if labels_shown is None else labels_shown.tolist(),
            "terms": _mean_terms(model, shown, None if encoder_labels is None else encoder_labels[numbers]),
        },
        "low": low,
        "high": high,
        "classNames": _class_names(model, labels, classes),
        "kl": None if kl is None else [_finite(number) for number in kl],
        "columns": describe_columns(model, given, table) if is_table else None,
        "planes": _planes(codes, variance, labels),
    }


def _usual_range(model: Model) -> tuple[float, float]:
    """Black and white in the units of the data, if there are no rows: 0 and 1 in those of the networks."""
    low, high = model.in_data_units(np.stack([np.zeros(model.input_dim), np.ones(model.input_dim)]))
    return float(np.min(low)), float(np.max(high))


def _pack(rows: Array, is_table: bool) -> dict[str, Any]:
    return packed(rows.astype(np.float64)) if is_table else pack_pictures(rows)


def _codes(model: Model, images: Array, labels: Array | None) -> tuple[Array, Array, Array | None]:
    """The codes (N, Z), the mean variance (Z,) of q(z | x), and the mean KL (Z,), None without rows or a posterior."""
    if not len(images):
        return np.empty((0, model.latent_dim)), np.zeros(model.latent_dim), None
    if not isinstance(model, VAE):
        return to_numpy(model.embed(images)).astype(np.float64), np.zeros(model.latent_dim), None
    mu, logvar = (to_numpy(array).astype(np.float64) for array in model.encode(images, labels))
    divergence = GaussianKL()
    with np.errstate(over="ignore", invalid="ignore"):
        divergence.forward(mu, logvar)
        return mu, np.exp(logvar).mean(axis=0), divergence.per_dimension.mean(axis=0)


def _mean_terms(model: Model, images: Array, labels: Array | None) -> dict[str, float | None] | None:
    """The means of the terms of the ELBO over the rows; None for models whose objective is another one."""
    plain = plain_class(model.objective) is ELBO and not isinstance(model, SemiSupervisedVAE)
    if not len(images) or not isinstance(model, VAE) or not plain:
        return None
    terms = model.elbo(images, labels=labels)
    return {name: _finite(np.mean(to_numpy(array).astype(np.float64))) for name, array in terms._asdict().items()}


def _planes(codes: Array, variance: Array, labels: Array | None) -> dict[str, list[list[float]]]:
    """The planes that the page can show beside those of two dimensions: two directions (Z,) each."""
    if codes.shape[1] < 3 or len(codes) < 3 or not np.isfinite(codes).all():
        return {}
    planes = {}
    if labels is not None and len(np.unique(labels[labels != UNLABELLED])) > 1 and np.isfinite(variance).all():
        planes["separating"] = separating_plane(codes, variance, labels).T.tolist()
    planes["widest"] = widest_plane(codes).T.tolist()
    return planes


def _check_labels(model: Model, labels: Any, rows: int, classes: Any) -> Array | None:
    """The number of the class of each row (rows,), −1 for none; None without labels. Raises as `check_labels`."""
    if labels is None:
        return None
    names = model.schema.classes if model.classes else classes
    count = model.classes or (len(names) if names else int(np.max(labels, initial=-1)) + 1)
    return check_labels(labels, rows, max(1, count), allow_unlabelled=True, names=names)


def _class_names(model: Model, labels: Array | None, classes: Any) -> list[str] | None:
    """The names of the classes: those of the model, if it has any, which its labels are numbers of."""
    if model.classes:
        names = model.schema.classes or range(model.classes)
    elif labels is None:
        return None
    else:
        names = classes or range(int(labels.max(initial=-1)) + 1)
    return [str(name) for name in names]


# --- the file


def _join(content: dict[str, Any]) -> str:
    """The text of the page. Each mark in the template is there once."""
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    scripts = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    for mark, text in (("/* style */", style), ("/* scripts */", scripts), ("/* data */", as_script_data(content))):
        before, after = page.split(mark)
        page = before + text + after
    return page


# A browser ends the element at the next "</script", and reads "<!--" in another way: without "<", neither can be there.
def as_script_data(content: Any) -> str:
    """JSON that may stand in a <script> element, whatever texts it holds: in ASCII, and without "<"."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _finite(number: Any) -> float | None:
    """The number with six digits; None, which is null in JSON, if it is infinite or NaN."""
    return float(f"{number:.6g}") if isfinite(number) else None
