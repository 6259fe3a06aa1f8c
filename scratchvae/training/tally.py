"""What an epoch does with the KL, beside its mean."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.models import VAE, Model


class Tally:
    """Sums up the KL's weight, and, of a VAE, the KL of each latent dimension, over batches of up to `rows` rows.

    There is a sum for each row of a batch on the model's device, so that a step is one addition in place; they are
    added up, and read, when they are asked for.
    """

    def __init__(self, model: Model, rows: int) -> None:
        self.objective = model.objective
        self.steps = 0
        self._weights = 0.0
        self._kl = model.kl if isinstance(model, VAE) and model.kl_by_row else None
        self._sums = model.backend.xp.zeros((rows, model.latent_dim), np.promote_types(model.dtype, np.float64))

    def add(self) -> None:
        """Count the model's last forward in."""
        self.steps += 1
        self._weights += self.objective.weight
        if self._kl is not None:
            self._kl.tally(self._sums[: self.objective.rows])

    def kl_weight(self) -> float:
        """The mean weight of a step."""
        return self._weights / self.steps

    def kl_per_dimension(self, rows: int) -> tuple[float, ...]:
        """The mean KL of each dimension, in nats, over so many rows in all; () if the model has none."""
        if self._kl is None:
            return ()
        return tuple(float(total) / rows for total in to_numpy(self._sums.sum(axis=0)))
