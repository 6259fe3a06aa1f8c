"""What training remembers of each epoch."""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple

from scratchvae.disk import whole_file


class Epoch(NamedTuple):
    """One run through the data; means over its rows, in nats.

    loss             −reconstruction + beta · kl, the function that was differentiated, at the weights of each step
    reconstruction   log p(x | z)
    kl               KL(q(z | x) ‖ p(z))
    validation       the same loss on the validation rows, at the weights of the epoch's end; None without such rows
    seconds          training and validation together
    """

    epoch: int
    loss: float
    reconstruction: float
    kl: float
    validation: float | None
    seconds: float


class History:
    """The epochs so far, counted from 1, and why training stopped.

    stopped      "finished", "early" (no progress in validation), "interrupted" (Ctrl-C), "diverged" or
                 "failed" (by an error); "" while it runs
    best_epoch   the epoch whose weights the model has, if early stopping restored them
    """

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.stopped = ""
        self.best_epoch: int | None = None

    def __repr__(self) -> str:
        last = f", last: {self.epochs[-1]}" if self.epochs else ""
        return f"<History of {len(self.epochs)} epochs, {self.stopped or 'running'}{last}>"

    @property
    def loss(self) -> list[float]:
        """The loss of each epoch."""
        return [epoch.loss for epoch in self.epochs]

    @property
    def reconstruction(self) -> list[float]:
        """The reconstruction term of each epoch."""
        return [epoch.reconstruction for epoch in self.epochs]

    @property
    def kl(self) -> list[float]:
        """The KL of each epoch."""
        return [epoch.kl for epoch in self.epochs]

    @property
    def validation(self) -> list[float | None]:
        """The validation loss of each epoch."""
        return [epoch.validation for epoch in self.epochs]

    @property
    def seconds(self) -> list[float]:
        """How long each epoch took."""
        return [epoch.seconds for epoch in self.epochs]

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write one line an epoch, under a line of names. Raises FileError."""
        import csv
        import io

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(Epoch._fields)
        writer.writerows(self.epochs)
        with whole_file(path) as file:
            file.write(text.getvalue().encode())
