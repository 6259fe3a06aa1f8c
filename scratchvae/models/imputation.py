"""Rows that are not all there: what is missing is marked, found, and put where it was missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import as_numpy
from scratchvae.backend import Array, to_numpy
from scratchvae.errors import DivergedError, DTypeError, ShapeError
from scratchvae.models.conditional_sampler import ConditionalSampler
from scratchvae.rng import fill_random, generator
from scratchvae.validation import check_choice, check_int

METHODS = ("metropolis", "pseudo-gibbs", "importance", "encoder")
VALUES = ("drawn", "mean")


def impute(
    vae: Any, x: Any, observed: Any, method: str, draws: int | None, samples: int, values: str, seed: int
) -> Array:
    """See `VAE.impute`."""
    check_choice("method", method, METHODS)
    check_choice("values", values, VALUES)
    count = 1 if draws is None else check_int("draws", draws)
    check_int("samples", samples)
    given = _host(vae, x, "x")
    model = vae.for_imputation()
    marked = model.check_data(given if observed is None else mark(given, _host(vae, observed, "observed")))
    noise = Noise(model, seed)
    completed = np.empty((count, *given.shape), np.result_type(given.dtype, vae.dtype))
    # what went to infinity shows in the end, and is told then
    with model.lock, np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for part, x_part, _ in model.chunks(marked):
            rows = ConditionalSampler(model, x_part, noise)
            found = (
                rows.mean(method, samples) if draws is None else rows.draw(method, samples, draws, values == "drawn")
            )
            for to, picture in zip(completed, found, strict=True):
                to[part] = _filled_in(given[part], np.isnan(marked[part]), to_numpy(picture), method)
    answer = completed[0] if draws is None else completed
    return answer if vae.backend.on_host else vae.backend.upload(answer)


def mark(x: Array, observed: Array) -> Array:
    """x (N, D) with NaN wherever `observed` (N, D), of booleans, is False. Raises DTypeError or ShapeError."""
    if observed.dtype != bool:
        raise DTypeError(
            f"observed has dtype {observed.dtype}; expected booleans, True where x is there: make them by comparing, "
            "as in observed == 1"
        )
    if observed.shape != x.shape:
        raise ShapeError(
            f"observed has shape {observed.shape} and x {x.shape}; expected the same: True or False for each entry"
        )
    return np.where(observed, x, np.nan) if x.dtype.kind in "fiub" else x  # which is refused next


def _filled_in(given: Array, missing: Array, found: Array, method: str) -> Array:
    lost = ~np.isfinite(found).all(axis=1)
    if lost.any():
        other = "metropolis" if method != "metropolis" else "encoder"
        raise DivergedError(
            f"the draws of {int(lost.sum())} rows went to infinity with method={method!r}: this model does not fit "
            f"them; train it on rows like these, or try method={other!r}"
        )
    return np.where(missing, found, given)


def _host(vae: Any, array: Any, name: str) -> Array:
    return to_numpy(array) if type(array) is vae.backend.array_type else as_numpy(name, array)


class Noise:
    """Noise of the shape that is asked for, on the model's device, drawn from `seed` on the host."""

    def __init__(self, model: Any, seed: int) -> None:
        self.model = model
        self.rng = generator(seed, "imputation")

    def __call__(self, kind: str, *shape: int) -> Array:
        """`kind` is "standard_normal", "standard_exponential" or "random", which is uniform on [0, 1)."""
        noise: Array = self.model.validator.to_device(
            fill_random(np.empty(shape, self.model.dtype), getattr(self.rng, kind))
        )
        return noise
