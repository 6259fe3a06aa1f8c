"""The set of pictures that summarizes a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.datasets import Dataset, Split
from scratchvae.errors import ConfigError
from scratchvae.models import VAE, ConditionalVAE, Model
from scratchvae.plotting.checks import Shape, check_image_shape
from scratchvae.plotting.curves import draw_history
from scratchvae.plotting.figures import Figure
from scratchvae.plotting.labelled import draw_class_swaps, draw_classes
from scratchvae.plotting.latent import draw_codes, draw_manifold
from scratchvae.plotting.mosaic import draw_images, draw_interpolations, draw_reconstructions, value_range_of
from scratchvae.probability import StandardNormal
from scratchvae.training import History
from scratchvae.validation import check_int, check_seed, check_type, suggest_arguments

REPORT_PICTURES = ("reconstructions", "interpolation", "latent", "samples", "class_swaps", "history")
MAX_CODES = 5000  # enough points to show the distribution, few enough to distinguish


@suggest_arguments
def draw_report(model: Model, history: History, data: Dataset, seed: int = 0) -> dict[str, Figure]:
    """Draw reconstructions, interpolations, the latent space, samples of a VAE (drawn from `seed`) and the history.

    For a model with labels, the samples are of each class, and class swaps replace the interpolations. Rows of a table
    are no pictures: only their codes and the history are drawn. Returns figures by name, with names from
    REPORT_PICTURES. Raises ConfigError, also without matplotlib.
    """
    check_type("model", model, Model, "a model")
    check_type("history", history, History, "a History, such as Trainer.fit returns")
    check_type("data", data, Dataset, "a Dataset, such as scratchvae.datasets.load returns")
    check_seed(seed)
    shape = model.image_shape or data.image_shape
    if shape is None:
        return _draw_table_report(model, history, data)
    if isinstance(model, ConditionalVAE):
        return _draw_labelled_report(model, history, data, seed)
    test = data.test
    images = test.images[:36]
    figures = {
        "reconstructions": draw_reconstructions(images, model.reconstruct(images), shape),
        "interpolation": draw_model_interpolations(model, test, shape),
        "latent": draw_latent(model, test, shape, classes=data.classes),
    }
    if isinstance(model, VAE):
        figures["samples"] = draw_images(
            model.sample(96, seed),
            shape,
            12,
            "Samples: decoded draws from the prior",
            value_range_of(test.images),
        )
    if history.epochs:
        figures["history"] = draw_history(history)
    return figures


def _draw_labelled_report(model: ConditionalVAE, history: History, data: Dataset, seed: int) -> dict[str, Figure]:
    (images, labels), shape, value_range = (
        data.test,
        model.image_shape or data.image_shape,
        value_range_of(data.test.images),
    )
    if labels is None:
        raise ConfigError(f"data {data.name!r} has no labels; expected labels, which a {type(model).__name__} needs")
    rows = _representative_rows(data.test, model.classes)
    figures = {
        "reconstructions": draw_reconstructions(images[:36], model.reconstruct(images[:36], labels[:36]), shape),
        "class_swaps": draw_class_swaps(model, images[rows], labels[rows], shape, value_range),
        "samples": draw_classes(model, shape, seed, value_range=value_range),
        "latent": _draw_codes(model, data.test, labels, data.classes),
    }
    if history.epochs:
        figures["history"] = draw_history(history)
    return figures


def _draw_table_report(model: Model, history: History, data: Dataset) -> dict[str, Figure]:
    labels = data.test.labels if isinstance(model, ConditionalVAE) else None
    figures = {"latent": _draw_codes(model, data.test, labels, data.classes)}
    if history.epochs:
        figures["history"] = draw_history(history)
    return figures


def _draw_codes(model: Model, split: Split, labels: Any, classes: Sequence[str] | None) -> Figure:
    """The codes of the first rows of `split`, coloured by class; `labels` are for a model with labels."""
    rows, known = split.images[:MAX_CODES], None if split.labels is None else split.labels[:MAX_CODES]
    if known is not None and classes is not None:
        known = np.array([*classes, "no label"])[known]  # the last one is of label −1
    return draw_codes(model.embed(rows, None if labels is None else labels[:MAX_CODES]), known)


@suggest_arguments
def draw_model_interpolations(
    model: Model, split: Split, shape: Shape, paths: int = 6, steps: int = 12, labels: Any = None
) -> Figure:
    """Draw interpolations from image to image: `paths` paths of `steps` images each, one path per row.

    The images are the first of each label in turn; without labels, they are spread over the split. labels is the class
    of all images, for a model with labels.
    """
    check_type("model", model, Model, "a model")
    check_type("split", split, Split, "a Split of a Dataset, such as data.test")
    check_int("paths", paths)
    images, rows = split.images, _representative_rows(split, paths + 1)
    frames = [to_numpy(model.interpolate(images[a], images[b], steps, labels=labels)) for a, b in pairwise(rows)]
    return draw_interpolations(np.concatenate(frames), shape, steps, value_range_of(images))


@suggest_arguments
def draw_latent(
    model: Model, split: Split, shape: Shape, labels: Any = None, classes: Sequence[str] | None = None
) -> Figure:
    """Draw the decoded plane of a VAE with two latent dimensions and the prior N(0, I); otherwise the codes of `split`.

    labels is the class of all images, for a model with labels; for codes, it may be one label per row. classes are the
    names of the classes of `split`.
    """
    check_type("model", model, Model, "a model")
    check_type("split", split, Split, "a Split of a Dataset, such as data.test")
    check_image_shape(shape, model.input_dim)
    if isinstance(model, VAE) and model.latent_dim == 2 and isinstance(model.prior, StandardNormal):
        return draw_manifold(model, shape, value_range=value_range_of(split.images), labels=labels)
    labels = model.check_labels(labels, len(split.images))
    return _draw_codes(model, split, labels, classes)


def _representative_rows(split: Split, count: int) -> list[int]:
    """Return the indices of `count` rows that cycle through the labels; rows of the same label are spread apart."""
    labels = np.zeros(len(split.images)) if split.labels is None else split.labels
    rows_by_label = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    cycles = -(-count // len(rows_by_label))
    indices = []
    for k in range(count):
        cycle, label_index = divmod(k, len(rows_by_label))
        rows = rows_by_label[label_index]
        indices.append(int(rows[cycle * max(1, len(rows) // cycles) % len(rows)]))
    return indices
