"""The set of pictures that summarizes a trained model."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.datasets import Dataset, Split
from scratchvae.errors import ConfigError
from scratchvae.models import VAE, ConditionalVAE, Model
from scratchvae.plotting.checks import Shape
from scratchvae.plotting.curves import plot_history
from scratchvae.plotting.figures import Figure
from scratchvae.plotting.images import value_range_of
from scratchvae.plotting.latent import plot_latent, plot_manifold
from scratchvae.plotting.paths import plot_interpolation
from scratchvae.plotting.samples import plot_class_swaps, plot_classes, plot_reconstructions, plot_samples
from scratchvae.probability import StandardNormal
from scratchvae.training import History
from scratchvae.validation import check_seed, check_type, suggest_arguments

REPORT_PICTURES = ("reconstructions", "interpolation", "latent", "manifold", "samples", "class_swaps", "history")
RECONSTRUCTIONS, PATHS, STEPS = 36, 6, 10


@suggest_arguments
def plot_report(model: Model, history: History, data: Dataset, seed: int = 0) -> dict[str, Figure]:
    """Draw reconstructions, interpolations, the codes, samples of a VAE (drawn from `seed`) and the history.

    Of two latent dimensions with the prior N(0, I), the decoded plane is drawn as well, "manifold". For a model with
    labels, the samples are of each class, and class swaps replace the interpolations. Rows of a table are no pictures:
    of them only the codes and the history are drawn. Returns figures by name, with names from REPORT_PICTURES. Raises
    ConfigError, also without matplotlib.
    """
    check_type("model", model, Model, "a model")
    check_type("history", history, History, "a History, such as Trainer.fit returns")
    check_type("data", data, Dataset, "a Dataset, such as scratchvae.datasets.load returns")
    check_seed(seed)
    if isinstance(model, ConditionalVAE) and data.test.labels is None:
        raise ConfigError(f"data {data.name!r} has no labels; expected labels, which a {type(model).__name__} needs")
    shape = model.image_shape or data.image_shape
    pictures = {} if shape is None else _pictures(model, data.test, shape, seed)
    pictures["latent"] = plot_latent(model, data)
    if history.epochs:
        pictures["history"] = plot_history(history)
    return {name: pictures[name] for name in REPORT_PICTURES if name in pictures}


def _pictures(model: Model, test: Split, shape: Shape, seed: int) -> dict[str, Figure]:
    labels: Any
    (images, labels), value_range = test, value_range_of(test.images)
    first = images[:RECONSTRUCTIONS]
    if isinstance(model, ConditionalVAE):
        rows, first_labels = representative_rows(test, model.classes), labels[: len(first)]
        return {
            "reconstructions": plot_reconstructions(model, first, first_labels, shape=shape, value_range=value_range),
            "class_swaps": plot_class_swaps(model, images[rows], labels[rows], shape=shape, value_range=value_range),
            "samples": plot_classes(model, seed, shape=shape, value_range=value_range),
        }
    rows = representative_rows(test, PATHS + 1)
    figures = {
        "reconstructions": plot_reconstructions(model, first, shape=shape, value_range=value_range),
        "interpolation": plot_interpolation(
            model, images[rows[:-1]], images[rows[1:]], STEPS, shape=shape, value_range=value_range
        ),
    }
    if isinstance(model, VAE):
        figures["samples"] = plot_samples(model, seed=seed, shape=shape, value_range=value_range)
        if model.latent_dim == 2 and isinstance(model.prior, StandardNormal):
            figures["manifold"] = plot_manifold(model, shape=shape, value_range=value_range)
    return figures


def representative_rows(split: Split, count: int) -> list[int]:
    """Return the indices of `count` rows that cycle through the labels; rows of the same label are spread apart."""
    labels: Any = np.zeros(len(split.images)) if split.labels is None else split.labels
    rows_by_label = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    cycles = -(-count // len(rows_by_label))
    indices = []
    for k in range(count):
        cycle, label_index = divmod(k, len(rows_by_label))
        rows = rows_by_label[label_index]
        indices.append(int(rows[cycle * max(1, len(rows) // cycles) % len(rows)]))
    return indices
