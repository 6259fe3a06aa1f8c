"""Sums over the batches of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import ELBOTerms, Model
from scratchvae.parallel import ProcessGroup


class EpochTotals:
    """Sums over the batches of an epoch: the terms of the objective, the KL weight and the KL of each latent dimension.

    The sums stay on the model's device, with an entry for each of up to `rows` rows of a batch, so that a step needs
    only additions in place. They are summed over the rows and copied to the host on request.

    Of several processes, each has the sums over the rows of all.
    """

    def __init__(self, model: Model, rows: int, group: ProcessGroup | None = None) -> None:
        self._group, self._own = group, None if group is None else EpochTotals(model, rows)
        self.objective, self._backend = model.objective, model.backend
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

    def add(self, terms: ELBOTerms, weight: float = 1.0) -> None:
        """Add the terms of the model's last forward to the arrays: work of the device alone.

        weight   that of the part of a process; 0 for rows that are those of another process
        """
        if self._group is not None and self._own is not None:
            self._own.reset()
            if weight:
                self._own.add(terms)
            sums = np.array([*self._own.sums(), *self._own.kl_per_dimension(1)])
            self._group.sum(sums)
            self._add_sums(sums)
            return
        self.objective.accumulate(terms, self.terms)
        if self._kl is not None:
            self._kl.accumulate(self._per_dimension[: len(terms.value)], self.objective.draws)

    def _add_sums(self, sums: Array) -> None:
        """Add the sums over the rows of a batch, those of the terms first, to the first entry of each array."""
        for total, value in zip(self.terms, sums, strict=False):
            first = total if total.ndim == 0 else total[:1]
            first += float(value)
        if self._kl is not None:
            first = self._per_dimension[:1]
            first += self._backend.upload(sums[None, len(self.terms) :])

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
