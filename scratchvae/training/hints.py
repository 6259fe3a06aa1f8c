"""Hints for the user when a number is not finite."""

from __future__ import annotations

from math import inf, log
from typing import Any

import numpy as np

from scratchvae.models import Model
from scratchvae.optim import Optimizer
from scratchvae.probability import GaussianKL, Reparameterize
from scratchvae.training.nonfinite import largest

DATA_HINTS = {
    "x": "all rows were finite before training, so other code has written into the data: train on a copy",
    "corrupted": "`corrupt` made it from finite rows: try a lower level, or correct its `draw`",
    "eps": "noise must be finite: check the code that drew it",
    "targets": "targets must be rows of zeros and ones: check the code that made them",
}
CLIPPING_HINT = "it was finite after backward: check the code that changes the gradient, such as clipping"
WEIGHTS_HINT = "other code or an earlier step has written them: restore an earlier model and optimizer"


def arithmetic_hint(
    model: Model, optimizer: Optimizer | None, module: Any, largest_input: float, largest_weight: float
) -> str:
    """The hint for a module that computed a non-finite result from finite inputs and parameters."""
    limit = float(min(np.finfo(model.dtype).max, np.finfo(np.float64).max))
    sizes = f"the largest input is {largest_input:.3g}" + (
        f", the largest parameter {largest_weight:.3g}" if largest_weight else ""
    )
    if max(largest_input, largest_weight) < 0.5 * log(limit):  # even exp(input · parameter) would not overflow
        return f"{sizes}, too small to overflow: its code is wrong; compare it with scratchvae.gradcheck.check"
    if isinstance(module, GaussianKL | Reparameterize):
        sizes += ", and it computes exp(log σ²)"
    return f"{sizes}; {model.dtype} ends at {limit:.2g}; try {_remedies(model, optimizer)}"


def update_hint(model: Model, optimizer: Optimizer, t: int, name: str) -> str:
    """The hint for update number t, counted from 0, that made `name`, a parameter or "m of" one, non-finite."""
    parameter = name.rpartition(" of ")[2]
    rate = f" and the learning rate {optimizer.schedule(t):.3g}" if parameter == name else ""
    return f"its gradient was at most {largest(model.grads[parameter]):.3g}{rate}; try {_remedies(model, optimizer, t)}"


def _remedies(model: Model, optimizer: Optimizer | None, t: int | None = None) -> str:
    rate = ""
    if optimizer is not None:
        rate = f" than {optimizer.schedule(optimizer.t if t is None else t):.3g}"
    remedies = [f"a smaller learning rate{rate}", "optim.WarmUp", "clip_norm=1"]
    if model.support == (-inf, inf):
        remedies.append("data scaled to a std of about 1")
    if model.dtype == np.float32:
        remedies.append("dtype='float64'")
    return ", ".join(remedies[:-1]) + ", or " + remedies[-1]
