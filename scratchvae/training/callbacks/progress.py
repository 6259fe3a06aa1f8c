"""The progress of a training, on standard error."""

from __future__ import annotations

import sys
from typing import Any

from scratchvae.training.callback import Callback
from scratchvae.training.history import Epoch
from scratchvae.training.state import TrainingState


class Progress(Callback):
    """A bar where there is a terminal (and tqdm), a line an epoch where there is not."""

    _bar: Any = None

    def on_fit_begin(self, state: TrainingState) -> None:
        """Show an empty bar."""
        self._bar = None
        if sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=state.epochs * len(state.batches), unit="step", dynamic_ncols=True)

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Show where a resumed training goes on."""
        self.on_step_end(state)

    def on_step_end(self, state: TrainingState) -> None:
        """One minibatch more."""
        if self._bar is not None:
            self._bar.update(state.batches_done - self._bar.n)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Show the figures of the epoch."""
        record = state.record
        assert record is not None
        if self._bar is not None:
            self._bar.set_description(f"epoch {record.epoch}")
            self._bar.set_postfix_str(figures(record), refresh=False)
        else:
            digits = len(str(state.epochs))
            line = f"epoch {record.epoch:{digits}d}  {figures(record)}  {record.seconds:.1f} s"
            print(line, file=sys.stderr, flush=True)

    def on_fit_end(self, state: TrainingState) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


def figures(record: Epoch) -> str:
    """One epoch's figures in one line."""
    validation = "" if record.validation is None else f"  validation {record.validation:.2f}"
    weight = "" if record.kl_weight == 1 else f" × {record.kl_weight:.2f}"
    terms = f"  reconstruction {record.reconstruction:.2f}  KL {record.kl:.2f}{weight}" if record.kl else ""
    return f"loss {record.loss:.2f}{validation}{terms}"
