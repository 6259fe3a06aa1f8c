"""The pictures that `train` leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scratchvae import plotting
from scratchvae.backend import to_numpy
from scratchvae.datasets import Dataset, Split
from scratchvae.models import VAE, Model
from scratchvae.training import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WALKS, STEPS = 6, 12
CODES = 5000  # dots enough to see the shape of a cloud, and few enough to see through it


def write_pictures(out: Path, model: Model, history: History, data: Dataset, seed: int) -> list[str]:
    """Draw what `model` learnt; returns the names of the files written to `out`: none without matplotlib."""
    if find_spec("matplotlib") is None:
        return []
    shape, test = model.image_shape, data.test
    shown = test.images[:36]
    drawings: dict[str, Callable[[], Figure]] = {
        "reconstructions.png": lambda: plotting.draw_reconstructions(shown, model.reconstruct(shown), shape),
        "interpolation.png": lambda: draw_walks(model, test, WALKS, STEPS),
        "history.png": lambda: plotting.draw_history(history),
        "latent.png": lambda: draw_latent(model, test),
    }
    if isinstance(model, VAE):
        samples = model.sample(64, seed=seed)
        drawings["samples.png"] = lambda: plotting.draw_images(
            samples, shape, 8, "Samples: decoded draws from the prior"
        )
    if not history.epochs:
        del drawings["history.png"]
    for name, draw in drawings.items():
        plotting.save_picture(draw(), out / name)
    return sorted(drawings)


def draw_walks(model: Model, rows: Split, walks: int, steps: int) -> Figure:
    """Straight walks in latent space between rows of different labels, if they have any."""
    images = rows.images
    if rows.labels is None:
        stops = np.arange(walks + 1) % len(images)
    else:
        _, firsts = np.unique(rows.labels, return_index=True)
        stops = firsts[np.arange(walks + 1) % len(firsts)]
    frames = [to_numpy(model.interpolate(images[a], images[b], steps)) for a, b in pairwise(stops)]
    return plotting.draw_interpolations(np.concatenate(frames), model.image_shape, steps)


def draw_latent(model: Model, rows: Split) -> Figure:
    """The latent plane itself if it is one, and belongs to a VAE; else the codes of the rows, seen flat."""
    if isinstance(model, VAE) and model.latent_dim == 2:
        return plotting.draw_manifold(model, model.image_shape)
    labels = None if rows.labels is None else rows.labels[:CODES]
    return plotting.draw_codes(model.embed(rows.images[:CODES]), labels)
