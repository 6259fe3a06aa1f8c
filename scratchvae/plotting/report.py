"""The pictures that show what a model learnt, all together."""

from __future__ import annotations

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
from scratchvae.validation import check_int, check_seed, check_type

ALBUM = ("reconstructions", "interpolation", "latent", "samples", "styles", "history")
CODES = 5000  # dots enough to see the shape of a cloud, and few enough to see through it


def draw_report(model: Model, history: History, data: Dataset, seed: int = 0) -> dict[str, Figure]:
    """Reconstructions, interpolations, the latent space and the history; of a VAE, samples drawn from `seed` too.

    Of a model that is told classes, its samples are of each class, and styles across classes stand for interpolations.
    Raises ConfigError, without matplotlib too.
    """
    check_type("model", model, Model, "a model")
    check_type("history", history, History, "a History, such as Trainer.fit returns")
    check_type("data", data, Dataset, "a Dataset, such as scratchvae.datasets.load returns")
    check_seed(seed)
    if isinstance(model, ConditionalVAE):
        return _draw_labelled_report(model, history, data, seed)
    test, shape = data.test, model.image_shape or data.image_shape
    shown = test.images[:36]
    album = {
        "reconstructions": draw_reconstructions(shown, model.reconstruct(shown), shape),
        "interpolation": draw_all_traversals(model, test, shape),
        "latent": draw_latent(model, test, shape),
    }
    if isinstance(model, VAE):
        album["samples"] = draw_images(
            model.sample(96, seed),
            shape,
            12,
            "Samples: what draws from the prior are decoded to",
            value_range_of(test.images),
        )
    if history.epochs:
        album["history"] = draw_history(history)
    return album


def _draw_labelled_report(model: ConditionalVAE, history: History, data: Dataset, seed: int) -> dict[str, Figure]:
    (images, labels), shape, value_range = (
        data.test,
        model.image_shape or data.image_shape,
        value_range_of(data.test.images),
    )
    if labels is None:
        raise ConfigError(f"data {data.name!r} has no labels; expected those that a {type(model).__name__} is told")
    stops = _stops(data.test, model.classes)
    album = {
        "reconstructions": draw_reconstructions(images[:36], model.reconstruct(images[:36], labels[:36]), shape),
        "styles": draw_class_swaps(model, images[stops], labels[stops], shape, value_range),
        "samples": draw_classes(model, shape, seed, value_range=value_range),
        "latent": draw_codes(model.embed(images[:CODES], labels[:CODES]), labels[:CODES]),
    }
    if history.epochs:
        album["history"] = draw_history(history)
    return album


def draw_all_traversals(
    model: Model, rows: Split, shape: Shape, walks: int = 6, steps: int = 12, labels: Any = None
) -> Figure:
    """Straight walks in latent space from image to image: one of each label in turn, or rows from all over the part.

    labels are the class that all of them are seen as, for a model that takes classes.
    """
    check_type("model", model, Model, "a model")
    check_type("rows", rows, Split, "a Split of a Dataset, such as data.test")
    check_int("walks", walks)
    images, stops = rows.images, _stops(rows, walks + 1)
    ways = [model.interpolate(images[a], images[b], steps, labels=labels) for a, b in pairwise(stops)]
    frames = [to_numpy(way) for way in ways]
    return draw_interpolations(np.concatenate(frames), shape, steps, value_range_of(images))


def draw_latent(model: Model, rows: Split, shape: Shape, labels: Any = None) -> Figure:
    """The latent plane itself if it is one, of a VAE whose prior is N(0, I); else the codes of the rows, seen flat.

    labels are the class of all that is seen, for a model that takes classes; of codes, one for each row will do too.
    """
    check_type("model", model, Model, "a model")
    check_type("rows", rows, Split, "a Split of a Dataset, such as data.test")
    check_image_shape(shape, model.input_dim)
    if isinstance(model, VAE) and model.latent_dim == 2 and isinstance(model.prior, StandardNormal):
        return draw_manifold(model, shape, value_range=value_range_of(rows.images), labels=labels)
    labels = model.check_labels(labels, len(rows.images))
    codes = model.embed(rows.images[:CODES], None if labels is None else labels[:CODES])
    return draw_codes(codes, None if rows.labels is None else rows.labels[:CODES])


def _stops(rows: Split, count: int) -> list[int]:
    """Of each label the first row, and once all labels have had their turn others that lie far apart."""
    labels = np.zeros(len(rows.images)) if rows.labels is None else rows.labels
    of_label = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    rounds = -(-count // len(of_label))
    turns = (divmod(k, len(of_label)) for k in range(count))
    return [int(own[turn * max(1, len(own) // rounds) % len(own)]) for turn, k in turns for own in [of_label[k]]]
