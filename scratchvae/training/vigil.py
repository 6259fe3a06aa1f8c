"""Whether numbers are finite still: asked in every step, at next to no cost."""

from __future__ import annotations

from math import isfinite

from scratchvae.backend import Array
from scratchvae.models import Model
from scratchvae.optim import Optimizer
from scratchvae.training.finding import all_finite

EVERY = 128  # updates


class Vigil:
    """Looks at the loss at each step, and, after every so many, at what has come of the updates.

    The sum of the losses shows each that is not finite, until it is begun anew. A gradient that is not finite leaves
    its trace in the parameters, and in what the optimizer remembers, for good: these can wait, and on a device, which
    would have to be waited for, so can the losses.

    losses   their sum so far, on the model's device: one number, or several that make it up

    On one core, over a step of the reference network in float32 at batch 128: the look at the loss is 0.001 % of it; at
    parameters and moments 4.9 %, and with EVERY = 128 steps between two looks 0.04 %.
    """

    def __init__(self, model: Model, optimizer: Optimizer, losses: Array, every: int = EVERY) -> None:
        self.model = model
        self.optimizer = optimizer
        self.losses = losses
        self.every = every
        self._since = 0  # updates

    def loss(self) -> bool:
        """Whether the losses so far are finite, to be asked after a forward; True on a device, which is not asked."""
        if not self.model.backend.on_host:
            return True
        return isfinite(self.losses if self.losses.ndim == 0 else self.losses.sum())

    def due(self, last: bool = False) -> bool:
        """Whether it is time to ask for the `state`, to be asked after each update: after the `last` it is."""
        self._since = 0 if last else (self._since + 1) % self.every
        return self._since == 0

    def state(self) -> bool:
        """Whether parameters, what the optimizer remembers, and the losses so far are finite: one number is read."""
        return all_finite(self.model.theta, *self.optimizer.memory.values(), self.losses)
