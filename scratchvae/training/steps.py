"""One step of training: draw noise, forward, backward, update."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.memory import Landing
from scratchvae.models import Model, Terms
from scratchvae.optim import Optimizer, clip_by_global_norm
from scratchvae.settings import real
from scratchvae.streams import fill, stream
from scratchvae.training.binarize import Binarizer
from scratchvae.training.corruption import Corruption, Corruptor
from scratchvae.training.kl_weights import KLWeight
from scratchvae.training.state import Streams

PURPOSES = ("training order", "training noise", "training pixels", "training corruption", "training spread")


class Steps:
    """Makes the steps of a trainer, whose settings these are; `streams` are all the random numbers that they take."""

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        seed: int,
        clip_norm: float | None,
        binarize: bool,
        kl_weight: KLWeight | None,
        corrupt: Corruption | None,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.clip_norm = clip_norm
        self.kl_weight = kl_weight
        self.streams: Streams = {purpose: stream(seed, purpose) for purpose in PURPOSES}
        pixels, corruption = self.streams["training pixels"], self.streams["training corruption"]
        self.binarizer = Binarizer(pixels, model.dtype, model.config["missing"]) if binarize else None
        self.corruptor = None
        if corrupt is not None:
            self.corruptor = Corruptor(corrupt, corruption, model.dtype, model.likelihood.support)
        self.eps = np.empty((0, model.noise_dim), model.dtype)
        self._landing = Landing(model.backend)

    def update(self, x: Array, corrupted: Array | None = None, targets: Array | None = None) -> Terms:
        """A whole step; returns the terms of before the update."""
        terms = self.forward(x, corrupted, targets)
        self.learn()
        return terms

    def forward(
        self, x: Array, corrupted: Array | None = None, targets: Array | None = None, sums: Terms | None = None
    ) -> Terms:
        """The terms of the batch x (B, D) on the device, with new noise; they are added up in `sums`."""
        if len(x) > len(self.eps):
            self.eps = np.empty((len(x), self.model.noise_dim), self.model.dtype)
        fill(self.eps[: len(x)], self.streams["training noise"].standard_normal)
        return self.forward_again(x, corrupted, targets, sums)

    def forward_again(
        self, x: Array, corrupted: Array | None, targets: Array | None, sums: Terms | None = None
    ) -> Terms:
        """As `forward`, with the noise of the last one."""
        asked: dict[str, Any] = {}  # a forward that knows x and eps alone will do where no more is asked of it
        if corrupted is not None:
            asked["corrupted"] = corrupted
        if targets is not None:
            asked["targets"] = targets
        if self.kl_weight is not None:
            asked["kl_weight"] = real("kl_weight", self.kl_weight(self.optimizer.t))
        self.model.objective.sums = sums
        try:
            return self.model.forward(x, self._landing.bring(self.eps[: len(x)]), **asked)
        finally:
            self.model.objective.sums = None

    def learn(self) -> None:
        """Backward from the last forward, and the update."""
        self.model.backward()
        if self.clip_norm is not None:
            clip_by_global_norm(self.model.backend.xp, self.model.dtheta, self.clip_norm)
        with self.model.updating:
            self.optimizer.step(self.model.dtheta)
