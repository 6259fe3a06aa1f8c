"""Stopping when validation makes no progress, with the weights of the best epoch."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

from scratchvae.errors import ConfigError
from scratchvae.training.callback import Callback
from scratchvae.training.state import TrainingState, copy_into
from scratchvae.validation import check_float, check_int


class EarlyStopping(Callback):
    """Stops when `patience` epochs in a row brought no lower validation loss.

    However training ends, the model and the optimizer then are where they were after the epoch with the lowest.

    patience    epochs
    min_delta   nats by which a loss has to be lower than the lowest so far, to count as progress

    An epoch that was not trained at the full weight of the KL may be the best, but is not waited for. Needs validation
    rows. Raises ConfigError.
    """

    rolled_back: ClassVar[bool] = False  # the best weights stay the best, though their epoch is run again

    def __init__(self, patience: int = 10, min_delta: float = 0.0) -> None:
        self.patience = check_int("patience", patience)
        self.min_delta = check_float("min_delta", min_delta)

    def on_fit_begin(self, state: TrainingState) -> None:
        """Nothing is the best yet. Raises ConfigError without validation rows."""
        if state.validate is None:
            raise ConfigError("patience needs validation rows to watch: pass validation=")
        self._training = state  # which `load_state_dict` may have to stop
        self._training = state
        self._epoch: int | None = None
        self._loss, self._updates, self._waited = inf, state.updates, 0
        self._kept = copy_into({}, state.arrays())

    def on_epoch_end(self, state: TrainingState) -> None:
        """Keep this epoch's weights if its validation loss is the lowest so far."""
        record = state.record
        assert record is not None
        self._waited += record.at_full_weight
        if record.validation is not None and record.validation < self._loss - self.min_delta:
            self._epoch, self._loss, self._waited = record.epoch, record.validation, 0
            self._updates = state.updates
            self._kept = copy_into(self._kept, state.arrays())
        self._stop_if_exhausted(state)

    def on_fit_end(self, state: TrainingState) -> None:
        """Put back the best weights, if any epoch was seen."""
        if self._epoch is not None:
            with state.model.write_lock():
                state.optimizer.t = self._updates
                for name, array in state.arrays().items():
                    array[...] = self._kept[name]
        state.history.best_epoch = self._epoch

    def state_dict(self) -> dict[str, Any]:
        """The best epoch, its weights, and how long ago it was."""
        best = {"epoch": self._epoch, "loss": self._loss, "updates": self._updates, "waited": self._waited}
        return {**best, "arrays": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there; a training that had stopped already stops."""
        self._epoch, self._loss = state["epoch"], float(state["loss"])
        self._updates, self._waited = check_int("updates", state["updates"], 0), check_int("waited", state["waited"], 0)
        self._kept = copy_into(self._kept, state["arrays"])
        self._stop_if_exhausted(self._training)

    def _stop_if_exhausted(self, state: TrainingState) -> None:
        if self._waited >= self.patience:
            state.stop("early")
