"""Rows that are not all there: what is missing is marked, found, and put where it was missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import DivergedError, DTypeError, ShapeError
from scratchvae.given import host_array
from scratchvae.models.incomplete import Incomplete
from scratchvae.settings import one_of, whole
from scratchvae.streams import fill, stream

METHODS = ("metropolis", "pseudo-gibbs", "importance", "encoder")
VALUES = ("drawn", "mean")


def complete(
    vae: Any, x: Any, observed: Any, method: str, draws: int | None, samples: int, values: str, seed: int
) -> Array:
    """See `VAE.complete`."""
    one_of("method", method, METHODS)
    one_of("values", values, VALUES)
    count = 1 if draws is None else whole("draws", draws)
    whole("samples", samples)
    given = _host(vae, x, "x")
    model = vae.for_completion()
    marked = model.check_data(given if observed is None else mark(given, _host(vae, observed, "observed")))
    noise = Noise(model, seed)
    completed = np.empty((count, *given.shape), np.result_type(given.dtype, vae.dtype))
    # what went to infinity shows in the end, and is told then
    with model.lock, np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for part, x_part, _ in model.chunks(marked):
            rows = Incomplete(model, x_part, noise)
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
    return to_numpy(array) if type(array) is vae.backend.array_type else host_array(name, array)


class Noise:
    """Noise of the shape that is asked for, on the model's device, drawn from `seed` on the host."""

    def __init__(self, model: Any, seed: int) -> None:
        self.model = model
        self.rng = stream(seed, "completion")

    def __call__(self, kind: str, *shape: int) -> Array:
        """`kind` is "standard_normal", "standard_exponential" or "random", which is uniform on [0, 1)."""
        noise: Array = self.model.door.bring(fill(np.empty(shape, self.model.dtype), getattr(self.rng, kind)))
        return noise
