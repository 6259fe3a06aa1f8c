"""A time limit for training."""

from __future__ import annotations

import time

from scratchvae.training.callback import Callback
from scratchvae.training.state import TrainingState
from scratchvae.validation import check_positive, suggest_arguments


class MaxTime(Callback):
    """Ends training after the first step that ends `seconds` or more after the begin; resuming restarts the clock."""

    @suggest_arguments
    def __init__(self, seconds: float) -> None:
        self.seconds = check_positive("seconds", seconds)

    def on_fit_begin(self, state: TrainingState) -> None:
        """Start the clock."""
        self._end = time.monotonic() + self.seconds

    def on_step_end(self, state: TrainingState) -> None:
        """Stop if the time limit is reached."""
        if time.monotonic() >= self._end:
            state.stop("max_time")
