"""Sums over the batches of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import ELBOTerms, Model


class EpochTotals:
    """Sums over the batches of an epoch: the terms of the objective, the KL weight and the KL of each latent dimension.

    The sums stay on the model's device, with an entry for each of up to `rows` rows of a batch, so that a step needs
    only additions in place. They are summed over the rows and copied to the host on request.
    """

    def __init__(self, model: Model, rows: int) -> None:
        self.objective = model.objective
        self.terms: ELBOTerms = self.objective.zeros(rows)
        self.steps = 0
        self.weights = 0.0
        kl: Any = getattr(model, "kl", None)
        self._kl = kl if kl is not None and kl.has_per_dimension and model.kl_per_row else None
        self._per_dimension = model.backend.xp.zeros(
            (rows, model.latent_dim), np.promote_types(model.dtype, np.float64)
        )

    @property
    def arrays(self) -> dict[str, Array]:
        """All sums, by name."""
        return {**self.terms._asdict(), "kl_per_dimension": self._per_dimension}

    def reset(self) -> None:
        """Set all sums to zero."""
        self.steps, self.weights = 0, 0.0
        for sums in self.arrays.values():
            sums.fill(0.0)

    def add(self, terms: ELBOTerms) -> None:
        """Add the terms of the model's last forward to the arrays: work of the device alone."""
        self.objective.accumulate(terms, self.terms)
        if self._kl is not None:
            self._kl.accumulate(self._per_dimension[: len(terms.value)], self.objective.draws)

    def count(self) -> None:
        """Count the step of the model's last forward."""
        self.steps += 1
        self.weights += self.objective.weight

    def sums(self) -> tuple[float, float, float]:
        """The sums of the objective's terms: value, reconstruction and KL."""
        value, reconstruction, kl = (float(sums.sum()) for sums in self.terms)
        return value, reconstruction, kl

    def kl_weight(self) -> float:
        """The mean KL weight of the steps."""
        return self.weights / self.steps

    def kl_per_dimension(self, rows: int) -> tuple[float, ...]:
        """The mean KL of each dimension over `rows` rows, in nats; () if unknown."""
        if self._kl is None:
            return ()
        return tuple(float(total) / rows for total in to_numpy(self._per_dimension.sum(axis=0)))
