"""Telling whoever waits how it goes."""

from __future__ import annotations

import sys
from typing import Any

from scratchvae.training.history import Epoch


class Progress:
    """A bar where there is a terminal (and tqdm), a line an epoch where there is not; on standard error."""

    def __init__(self, shown: bool, epochs: int, steps: int) -> None:
        self.shown = shown
        self.epochs = epochs
        self.bar: Any = None
        if shown and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=epochs * steps, unit="step", dynamic_ncols=True)

    def step(self, count: int = 1) -> None:
        """So many minibatches are done."""
        if self.bar is not None:
            self.bar.update(count)

    def epoch(self, record: Epoch) -> None:
        """One epoch is done."""
        if self.bar is not None:
            self.bar.set_description(f"epoch {record.epoch}")
            self.bar.set_postfix_str(figures(record), refresh=False)
        elif self.shown:
            digits = len(str(self.epochs))
            print(
                f"epoch {record.epoch:{digits}d}  {figures(record)}  {record.seconds:.1f} s",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        """Nothing more will come."""
        if self.bar is not None:
            self.bar.close()


def figures(record: Epoch) -> str:
    """One epoch's figures in one line."""
    validation = "" if record.validation is None else f"  validation {record.validation:.2f}"
    weight = "" if record.kl_weight == 1 else f" × {record.kl_weight:.2f}"
    terms = f"  reconstruction {record.reconstruction:.2f}  KL {record.kl:.2f}{weight}" if record.kl else ""
    return f"loss {record.loss:.2f}{validation}{terms}"
