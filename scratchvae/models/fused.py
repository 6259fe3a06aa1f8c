"""The objective, compiled: its terms, its value and their sums in one launch."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.compiled import OBJECTIVE, launch
from scratchvae.memory import twin_of
from scratchvae.models.objective import Objective, Terms


@twin_of(Objective)
class FusedObjective(Objective):
    """The objective in one launch."""

    def shape_of_sums(self, rows: int) -> tuple[int, ...]:
        """A number a row."""
        return (rows,)

    def forward(self, reconstruction: Array, kl: Array, charged: Array | None = None, weight: float = 1.0) -> Terms:
        """The terms of each row, on loan."""
        self.rows, self.weight = len(kl), weight
        value = self._value[: self.rows]
        kept = self._unwanted if self.sums is None else self.sums
        sums = Terms(*(column[: self.rows] for column in kept))
        launch(self.xp, OBJECTIVE, reconstruction, kl if charged is None else charged, self.factor, value, *sums)
        if charged is not None:  # the kernel took it for the KL in the sum of that too
            self.xp.subtract(sums.kl, charged, out=sums.kl)
            self.xp.add(sums.kl, kl, out=sums.kl)
        return Terms(value, reconstruction, kl)
