"""A smaller learning rate when the loss stops decreasing."""

from __future__ import annotations

from math import inf
from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.training.callback import Callback
from scratchvae.training.state import TrainingState
from scratchvae.validation import check_float, check_int, check_positive, short_repr, suggest_arguments


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` after each `patience` epochs in a row without progress.

    factor      more than 0 and less than 1
    patience    number of epochs
    min_delta   nats by which a loss must be lower than the lowest so far to count as progress
    min_lr      the learning rate is not reduced below this

    Progress is measured by the validation loss or, without validation rows, by the training loss. Raises ConfigError.
    """

    @suggest_arguments
    def __init__(self, factor: float = 0.5, patience: int = 5, min_delta: float = 0.0, min_lr: float = 0.0) -> None:
        self.factor = check_positive("factor", factor)
        if self.factor >= 1:
            raise ConfigError(f"factor={short_repr(factor)}: expected a number between 0 and 1")
        self.patience = check_int("patience", patience)
        self.min_delta = check_float("min_delta", min_delta)
        self.min_lr = check_float("min_lr", min_lr)

    def on_fit_begin(self, state: TrainingState) -> None:
        """Reset the counters."""
        self._lowest, self._waited, self._scale = inf, 0, 1.0

    def on_epoch_end(self, state: TrainingState) -> None:
        """Count the epochs without progress, and reduce the learning rate."""
        record = state.record
        assert record is not None
        loss = record.loss if record.validation is None else record.validation
        if loss < self._lowest - self.min_delta:
            self._lowest, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            self._waited = 0
            optimizer = state.optimizer
            if optimizer.schedule(optimizer.t) * self.factor >= self.min_lr:
                self._scale *= self.factor
                state.scale_lr("plateau", self._scale)

    def state_dict(self) -> dict[str, Any]:
        """The lowest loss, the number of epochs since, and the factor so far."""
        return {"lowest": self._lowest, "waited": self._waited, "scale": self._scale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the counters and the factor."""
        self._lowest, self._waited = float(state["lowest"]), check_int("waited", state["waited"], 0)
        self._scale = check_positive("scale", state["scale"])
