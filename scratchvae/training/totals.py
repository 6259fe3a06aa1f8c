"""The sums of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import ELBOTerms, Model


class EpochTotals:
    """Sums over the batches of an epoch, of up to `rows` rows each: of the objective's terms, of the KL's weight and,
    where it is known, of the KL of each latent dimension.

    They are on the model's device, some of them one for each row of a batch, so that a step is one addition in place;
    they are added up, and read, when they are asked for.
    """

    def __init__(self, model: Model, rows: int) -> None:
        self.objective = model.objective
        self.terms: ELBOTerms = self.objective.zeros(rows)
        self.steps = 0
        self.weights = 0.0
        kl: Any = getattr(model, "kl", None)
        self._kl = kl if kl is not None and kl.by_dimension and model.kl_per_row else None
        self._per_dimension = model.backend.xp.zeros(
            (rows, model.latent_dim), np.promote_types(model.dtype, np.float64)
        )

    @property
    def arrays(self) -> dict[str, Array]:
        """All sums, by name."""
        return {**self.terms._asdict(), "kl_per_dimension": self._per_dimension}

    def reset(self) -> None:
        """Begin anew."""
        self.steps, self.weights = 0, 0.0
        for sums in self.arrays.values():
            sums.fill(0.0)

    def add(self, terms: ELBOTerms) -> None:
        """Count the terms of the model's last forward in."""
        self.objective.accumulate(terms, self.terms)
        self.steps += 1
        self.weights += self.objective.weight
        if self._kl is not None:
            self._kl.accumulate(self._per_dimension[: len(terms.value)], self.objective.draws)

    def sums(self) -> tuple[float, float, float]:
        """The sums of the objective's terms: value, reconstruction and KL."""
        value, reconstruction, kl = (float(sums.sum()) for sums in self.terms)
        return value, reconstruction, kl

    def kl_weight(self) -> float:
        """The mean weight of a step."""
        return self.weights / self.steps

    def kl_per_dimension(self, rows: int) -> tuple[float, ...]:
        """The mean KL of each dimension, in nats, over so many rows in all; () if it is not known."""
        if self._kl is None:
            return ()
        return tuple(float(total) / rows for total in to_numpy(self._per_dimension.sum(axis=0)))
