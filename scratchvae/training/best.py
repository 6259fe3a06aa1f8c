"""Going back to where validation was best."""

from __future__ import annotations

from math import inf

from scratchvae.backend import Array
from scratchvae.optim import Optimizer
from scratchvae.training.history import Epoch


class Best:
    """The weights of the epoch with the lowest validation loss, and what the optimizer remembered then."""

    def __init__(self, theta: Array, optimizer: Optimizer, patience: int) -> None:
        self.optimizer = optimizer
        self.patience = patience
        self.epoch: int | None = None
        self.loss = inf
        self._current = [theta, *optimizer.memory.values()]
        self._kept = [array.copy() for array in self._current]
        self._t = optimizer.t
        self._waited = 0

    def see(self, record: Epoch) -> bool:
        """Keep this epoch's weights if its validation loss is the lowest so far; whether patience has run out.

        An epoch that was not trained at the full weight of the KL may be the best, but is not waited for.
        """
        self._waited += record.at_full_weight
        if record.validation is not None and record.validation < self.loss:
            self.epoch, self.loss, self._waited = record.epoch, record.validation, 0
            self._t = self.optimizer.t
            for kept, current in zip(self._kept, self._current, strict=True):
                kept[...] = current
        return self._waited >= self.patience

    def restore(self) -> None:
        """Put back what was kept, if any epoch was seen."""
        if self.epoch is not None:
            self.optimizer.t = self._t
            for kept, current in zip(self._kept, self._current, strict=True):
                current[...] = kept
