"""Going back to where validation was best."""

from __future__ import annotations

from math import inf

from scratchvae.backend import Array
from scratchvae.optim import Optimizer
from scratchvae.settings import whole
from scratchvae.training.history import Epoch
from scratchvae.training.state import Record


class Best:
    """The weights of the epoch with the lowest validation loss, and what the optimizer remembered then."""

    def __init__(self, theta: Array, optimizer: Optimizer, patience: int) -> None:
        self.optimizer = optimizer
        self.patience = patience
        self.epoch: int | None = None
        self.loss = inf
        self.t = optimizer.t
        self.waited = 0
        self._current = {"theta": theta, **optimizer.memory}
        self.kept = {name: array.copy() for name, array in self._current.items()}

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self.waited >= self.patience

    def see(self, record: Epoch) -> None:
        """Keep this epoch's weights if its validation loss is the lowest so far.

        An epoch that was not trained at the full weight of the KL may be the best, but is not waited for.
        """
        self.waited += record.at_full_weight
        if record.validation is not None and record.validation < self.loss:
            self.epoch, self.loss, self.waited = record.epoch, record.validation, 0
            self.t = self.optimizer.t
            for name, current in self._current.items():
                self.kept[name][...] = current

    @property
    def record(self) -> Record:
        """All but the arrays, as JSON can hold it."""
        return {"epoch": self.epoch, "loss": self.loss, "updates": self.t, "waited": self.waited}

    def recall(self, record: Record) -> None:
        """Be where `record` says."""
        self.epoch, self.loss = record["epoch"], float(record["loss"])
        self.t, self.waited = whole("updates", record["updates"], 0), whole("waited", record["waited"], 0)

    def restore(self) -> None:
        """Put back what was kept, if any epoch was seen."""
        if self.epoch is not None:
            self.optimizer.t = self.t
            for name, current in self._current.items():
                current[...] = self.kept[name]
