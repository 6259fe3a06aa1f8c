"""The recorder of the history: the sums of an epoch, and the validation at its end."""

from __future__ import annotations

from typing import Any

from scratchvae.training.callback import Callback
from scratchvae.training.history import Epoch
from scratchvae.training.state import TrainingState
from scratchvae.validation import check_float, check_int


class HistoryRecorder(Callback):
    """Appends an `Epoch` to the history at the end of each epoch, from the sums of its steps."""

    def on_fit_begin(self, state: TrainingState) -> None:
        """Store a reference to the state, which has the sums."""
        self._state = state

    def on_epoch_end(self, state: TrainingState) -> None:
        """Validate, and append the epoch. Raises DivergedError for a validation loss that is not finite."""
        state.record = self.summarize(state)
        state.history.epochs.append(state.record)
        state.totals.reset()
        state.reset_epoch()

    def summarize(self, state: TrainingState) -> Epoch:
        """The record of the epoch that has ended."""
        rows, number, totals = state.batches.rows, state.epoch, state.totals
        value, reconstruction, kl = (total / rows for total in totals.sums())
        validation = None if state.validate is None else state.validate()
        weight, per_dimension = totals.kl_weight(), totals.kl_per_dimension(rows)
        seconds = state.stop_clock()
        return Epoch(number, -value, reconstruction, kl, validation, seconds, weight, per_dimension)

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        totals = self._state.totals
        return {"steps": totals.steps, "weights": totals.weights, **totals.arrays}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the sums."""
        totals = self._state.totals
        totals.steps, totals.weights = check_int("steps", state["steps"], 0), check_float("weights", state["weights"])
        for name, sums in totals.arrays.items():
            sums[...] = state[name]
