"""Random shapes, labels and models."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.models import IWAE, Model
from scratchvae.models.labels import one_hot
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.probability import Gaussian

MAX_LOGARITHM = 2.0  # of a rate or a dispersion


def random_sizes(rng: np.random.Generator, count: int) -> list[int]:
    """Return `count` random sizes from 1 to 6."""
    return [int(size) for size in rng.integers(1, 7, size=count)]


def random_hidden(rng: np.random.Generator) -> list[int]:
    """Return the sizes of up to three hidden layers."""
    return random_sizes(rng, int(rng.integers(4)))


def away_from_zero(x: Array, margin: float = 0.05) -> Array:
    """Return x, moved away from a kink at 0 by `margin`."""
    moved: Array = x + np.where(x >= 0, margin, -margin)
    return moved


def random_one_hot(rng: np.random.Generator, rows: int, classes: int, unlabelled: bool) -> Array:
    """Return random one-hot rows (rows, classes); with `unlabelled`, some may be all zeros."""
    return one_hot(rng.integers(-1 if unlabelled else 0, classes, rows), np.empty((rows, classes)))


def random_model(
    rng: np.random.Generator,
    model_class: type[Model],
    likelihood: str | None = None,
    hidden: Sequence[int] | None = None,
    **settings: Any,
) -> tuple[Any, Array, Array]:
    """Return a float64 model of random architecture, rows for it (B, D), and noise (B, noise_dim).

    The likelihood and the sizes of hidden layers are drawn at random if they are None. The rows have the width of
    `image_shape` if it is among the settings.
    """
    batch, width, latent = random_sizes(rng, 3)
    width = prod(settings.get("image_shape", (width,)))
    likelihood = likelihood or str(rng.choice(list(LIKELIHOODS)))
    has_sigma = issubclass(LIKELIHOODS[likelihood], Gaussian)
    hidden = random_hidden(rng) if hidden is None else hidden
    activation = str(rng.choice(list(ACTIVATIONS)))
    sigma = float(rng.choice([0.3, 1.0, 2.0])) if has_sigma else None
    beta = 1.0 if model_class is IWAE or "objective" in settings else float(rng.choice([1.0, 0.5, 4.0, 0.0]))
    seed = int(rng.integers(1000))
    model = model_class(
        input_dim=width,
        latent_dim=latent,
        hidden=hidden,
        decoder_hidden=hidden if seed % 2 else None,  # in the same order, or in reverse order
        likelihood=likelihood,
        sigma=sigma,
        beta=beta,
        seed=seed,
        dtype="float64",
        **{"scale": "none", "activation": activation, **settings},
    )
    model.theta[...] += 0.1 * rng.standard_normal(model.theta.size)  # also moves the biases, which start at 0
    run_larger_batch(rng, model, batch)
    x, eps = random_data(rng, model, batch), rng.standard_normal((batch, model.noise_dim))
    limit_outputs(model, x, eps)
    return model, x, eps


# The outputs for counts are logarithms. For large ones, the formulas of the oracles subtract numbers that are nearly
# the same, such as log Γ(x + r) − log Γ(r).
def limit_outputs(model: Model, x: Array, eps: Array) -> None:
    """Shrink the weights of a model of counts until no output of the decoder is larger than MAX_LOGARITHM."""
    if not _has_counts(model):
        return
    largest, forward = [np.inf], model.likelihood.forward

    def recorded(parameters: Array, rows: Array) -> Array:
        largest[0] = max(largest[0], float(abs(parameters).max()))
        return forward(parameters, rows)  # type: ignore[no-any-return]

    model.likelihood.forward = recorded
    while largest[0] > MAX_LOGARITHM:
        largest[0] = 0.0
        for label in range(max(1, model.classes)):
            model.loss_and_grads(x, eps, labels=np.full(len(x), label) if model.classes else None)
        if largest[0] > MAX_LOGARITHM:
            model.theta[...] *= 0.8
    del model.likelihood.forward


def random_data(rng: np.random.Generator, model: Model, rows: int) -> Array:
    """Return rows (rows, D) in the support of the model's likelihood: fractions, or counts of at least 1.

    At 0 the second derivative of `Log1p` is discontinuous, and finite differences are less precise.
    """
    if _has_counts(model):
        return 1.0 + rng.poisson(0.5, (rows, model.input_dim))
    return rng.random((rows, model.input_dim))


def random_corrupted(rng: np.random.Generator, model: Model, x: Array, part: float) -> Array:
    """Return x (B, D) with this part of its numbers replaced by 0, or by 1 if they are counts."""
    corrupted: Array = np.where(rng.random(x.shape) < part, float(_has_counts(model)), x)
    return corrupted


def _has_counts(model: Model) -> bool:
    support: tuple[float, float] = model.likelihood.support
    return support == (0.0, np.inf)


def run_larger_batch(rng: np.random.Generator, model: Model, rows: int) -> None:
    """Run forward and backward on 2 · rows rows, so that the buffers of the model exceed a batch of `rows`."""
    x = random_data(rng, model, 2 * rows)
    model.loss_and_grads(x, labels=rng.integers(model.classes, size=len(x)) if model.classes else None)
