"""The check that several processes that train a model have the same weights."""

from __future__ import annotations

from scratchvae.training.callback import Callback
from scratchvae.training.state import TrainingState


class SameWeights(Callback):
    """Raises ProcessError in all processes if their weights differ at the end of an epoch.

    Each adds the same gradient to the same weights, so that they can differ only if a callback, the data or a machine
    does. Then no process knows which weights are right.
    """

    def on_epoch_end(self, state: TrainingState) -> None:
        """Compare digests of the weights, the state of the optimizer, and the counters."""
        state.require_same_weights()
