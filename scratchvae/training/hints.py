"""What to try where a number was not finite."""

from __future__ import annotations

from math import inf, log
from typing import Any

import numpy as np

from scratchvae.models import Model
from scratchvae.optim import Optimizer
from scratchvae.probability import GaussianKL, Reparameterize
from scratchvae.training.nonfinite import largest

SOURCES = {
    "x": "rows are known to be finite before the first step, so these were written into since: train on data that "
    "nobody writes into, such as a copy",
    "corrupted": "it is what `corrupt` made of rows that are finite: try a lower level, or mend its `draw`",
    "eps": "noise has to be finite: look at where it was drawn",
    "targets": "they have to be rows of zeros and ones: look at where they were made",
}
BETWEEN = "it was finite when it left the model, so that what stands between has done this: look at how it is clipped"
WRITTEN = (
    "they were written from outside, or by a step that nobody looked at: take a model and an optimizer from before that"
)


def on_arithmetic(model: Model, optimizer: Optimizer | None, piece: Any, given: float, own: float) -> str:
    """For what `piece` made of numbers that were finite, at most `given`, with parameters of at most `own`."""
    limit = float(min(np.finfo(model.dtype).max, np.finfo(np.float64).max))
    reach = f"{model.dtype} ends at {limit:.2g}"
    sizes = f"the largest number that it was given is {given:.3g}" + (
        f", that of its parameters {own:.3g}" if own else ""
    )
    if max(given, own) < 0.5 * log(limit):  # not even an exponential of their products with each other would overflow
        return (
            f"{sizes}, of which nothing overflows: its arithmetic is wrong; hold it against differences with "
            "scratchvae.gradcheck.check"
        )
    if isinstance(piece, GaussianKL | Reparameterize):
        sizes += ", and it takes exp(log σ²)"
    return f"{sizes}, and {reach}; try {_remedies(model, optimizer)}"


def on_update(model: Model, optimizer: Optimizer, t: int, name: str) -> str:
    """For what update number t, counted from 0, made of a finite gradient: the parameter `name`, or "m of" it."""
    of = name.rpartition(" of ")[2]
    rate = f" and the learning rate {optimizer.schedule(t):.3g}" if of == name else ""
    return f"its gradient was at most {largest(model.grads[of]):.3g}{rate}; try {_remedies(model, optimizer, t)}"


def _remedies(model: Model, optimizer: Optimizer | None, t: int | None = None) -> str:
    rate = ""
    if optimizer is not None:
        rate = f" than {optimizer.schedule(optimizer.t if t is None else t):.3g}"
    tries = [f"a smaller learning rate{rate}", "a slow rise to it (optim.WarmUp)", "clip_norm=1"]
    if model.support[1] == inf:
        tries.append("data scaled to spread by about 1")
    if model.dtype == np.float32:
        tries.append("dtype='float64'")
    return ", ".join(tries[:-1]) + ", or " + tries[-1]
