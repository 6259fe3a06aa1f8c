"""Early stopping: end training when the validation loss stops decreasing, and restore the best weights."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

from scratchvae.errors import ConfigError
from scratchvae.training.callback import Callback
from scratchvae.training.state import TrainingState, copy_into
from scratchvae.validation import check_float, check_int, suggest_arguments


class EarlyStopping(Callback):
    """Stops after `patience` epochs in a row without a lower validation loss.

    When training ends, for whatever reason, the model and the optimizer get the state after the best epoch.

    patience    number of epochs
    min_delta   nats by which a loss must be lower than the lowest so far to count as progress

    Epochs before the KL has its full weight do not count towards `patience`, but can be the best.

    Needs validation rows. Raises ConfigError.
    """

    rolled_back: ClassVar[bool] = False  # the best weights remain the best when an epoch is restarted

    @suggest_arguments
    def __init__(self, patience: int = 10, min_delta: float = 0.0) -> None:
        self.patience = check_int("patience", patience)
        self.min_delta = check_float("min_delta", min_delta)

    def on_fit_begin(self, state: TrainingState) -> None:
        """Reset the best epoch. Raises ConfigError without validation rows."""
        if state.validate is None:
            raise ConfigError("patience needs validation rows: pass validation=")
        self._state = state  # load_state_dict may stop training
        self._epoch: int | None = None
        self._loss, self._updates, self._waited = inf, state.updates, 0
        self._best_arrays = copy_into({}, state.arrays())

    def on_epoch_end(self, state: TrainingState) -> None:
        """Copy the weights if the validation loss is the lowest so far; stop if the patience is exhausted."""
        record = state.record
        assert record is not None
        self._waited += record.at_full_weight
        if record.validation is not None and record.validation < self._loss - self.min_delta:
            self._epoch, self._loss, self._waited = record.epoch, record.validation, 0
            self._updates = state.updates
            self._best_arrays = copy_into(self._best_arrays, state.arrays())
        self._stop_if_exhausted(state)

    def on_fit_end(self, state: TrainingState) -> None:
        """Restore the best weights, if an epoch was completed."""
        if self._epoch is not None:
            with state.model.write_lock():
                state.optimizer.t = self._updates
                for name, array in state.arrays().items():
                    array[...] = self._best_arrays[name]
        state.history.best_epoch = self._epoch

    def state_dict(self) -> dict[str, Any]:
        """The best epoch, its weights, and the number of epochs since."""
        best = {"epoch": self._epoch, "loss": self._loss, "updates": self._updates, "waited": self._waited}
        return {**best, "arrays": self._best_arrays}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state; stop training if the patience was exhausted already."""
        self._epoch, self._loss = state["epoch"], float(state["loss"])
        self._updates, self._waited = check_int("updates", state["updates"], 0), check_int("waited", state["waited"], 0)
        self._best_arrays = copy_into(self._best_arrays, state["arrays"])
        self._stop_if_exhausted(self._state)

    def _stop_if_exhausted(self, state: TrainingState) -> None:
        if self._waited >= self.patience:
            state.stop("early")
