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

    def forward(self, reconstruction: Array, kl: Array) -> Terms:
        """The terms of each row, on loan."""
        self.rows = len(kl)
        value = self._value[: self.rows]
        sums = (column[: self.rows] for column in self._sums)
        launch(self.xp, OBJECTIVE, reconstruction, kl, self.beta, value, *sums)
        return Terms(value, reconstruction, kl)
