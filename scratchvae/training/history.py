"""What training remembers of each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from scratchvae.disk import atomic_write
from scratchvae.errors import DivergedError
from scratchvae.representation import fields_repr, html_table, join_lines, table_lines
from scratchvae.validation import check_path, shorten

UNUSED_BELOW = 0.01  # nats: of a KL at least ½ Var μ, so that a unit which is active by Var μ > 0.02 is above it
FULL_WEIGHT = 0.99
SHOWN = 5  # epochs in the table of a history


class Epoch(NamedTuple):
    """One run through the data; means over its rows, in nats.

    loss             −reconstruction + beta · kl, the function that was differentiated, at the weights of each step:
                     with the KL weighed by kl_weight, and charged by free bits, if that was asked for
    reconstruction   log p(x | z)
    kl               KL(q(z | x) ‖ p(z)), whatever of it was charged
    validation       −reconstruction + beta · kl of the validation rows, at the weights of the epoch's end, with
                     neither kl_weight nor free bits: one scale for all epochs. None without such rows
    seconds          training and validation together
    kl_weight        what beta was multiplied by, the mean over the steps
    kl_per_dimension the KL of each latent dimension, which sum to `kl`; () for a model that has none
    """

    epoch: int
    loss: float
    reconstruction: float
    kl: float
    validation: float | None
    seconds: float
    kl_weight: float = 1.0
    kl_per_dimension: tuple[float, ...] = ()

    def __repr__(self) -> str:
        return fields_repr(self)

    @property
    def at_full_weight(self) -> bool:
        """Whether it was trained on the objective itself, and not on the way to it."""
        return self.kl_weight >= FULL_WEIGHT

    @property
    def active_units(self) -> int:
        """How many latent dimensions have a KL above 0.01 nats; see `active_units` for those whose mean varies."""
        return sum(kl > UNUSED_BELOW for kl in self.kl_per_dimension)


def _column(name: str, doc: str) -> Any:
    """A property of `History`: the field of that name, of every epoch."""
    return property(lambda history: [getattr(epoch, name) for epoch in history.epochs], doc=doc)


def stop_reason_of(error: BaseException) -> str:
    """The word for a training that an exception ended."""
    if isinstance(error, DivergedError):
        return "diverged"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


class History:
    """The epochs so far, counted from 1, and why training stopped.

    stopped      "finished", "early" (no progress in validation), "interrupted" (Ctrl-C), "diverged", "failed" (by an
                 error), or the reason of a callback that ended it; "" while it runs
    best_epoch   the epoch whose weights the model has, if early stopping restored them
    halvings     how often the learning rate was halved, for numbers were finite no longer
    """

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.stopped = ""
        self.best_epoch: int | None = None
        self.halvings = 0

    def __repr__(self) -> str:
        return "\n".join([self._caption(), *(table_lines(self._table(), left=0) if self.epochs else [])])

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if name != "recording")

    def _repr_html_(self) -> str:
        return html_table(self._caption(), self._table())

    def _caption(self) -> str:
        count = f"{len(self.epochs)} epoch{'s' * (len(self.epochs) != 1)}"
        best = self._best()
        items = [count, shorten(self.stopped) or "running"] if self.epochs else [count]
        if best is not None:
            items.append(f"lowest {'loss' if best.validation is None else 'validation loss'} in epoch {best.epoch}")
        if self.best_epoch is not None:
            items.append(f"the model has the weights of epoch {self.best_epoch}")
        return join_lines("History: ", items, "")

    def _best(self) -> Epoch | None:
        epochs = [epoch for epoch in self.epochs if epoch.validation is not None] or self.epochs
        losses = [epoch.loss if epoch.validation is None else epoch.validation for epoch in epochs]
        return epochs[int(np.nanargmin(losses))] if not np.isnan(losses).all() else None

    def _table(self) -> list[list[str]]:
        """A header, the best epoch and the last few."""
        best = self._best()
        shown = [epoch for epoch in self.epochs[:-SHOWN] if epoch is best] + self.epochs[-SHOWN:]
        columns = {name: [getattr(epoch, name) for epoch in shown] for name in (*Epoch._fields[:COLUMNS], "kl_weight")}
        columns["active units"] = [epoch.active_units for epoch in shown]
        if all(weight == 1 for weight in columns["kl_weight"]):
            del columns["kl_weight"]
        if not any(epoch.kl_per_dimension for epoch in shown):
            del columns["active units"]
        cells = [[_cell(value) for value in values] for values in columns.values()]
        return [[name.replace("_", " ") for name in columns], *map(list, zip(*cells, strict=True))]

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Training begins; if an exception ends it, say so in `stopped`."""
        self.stopped, self.best_epoch, self.halvings = "", None, 0
        try:
            yield
        except BaseException as error:
            self.stopped = stop_reason_of(error)
            raise

    loss = _column("loss", "The loss of each epoch.")
    reconstruction = _column("reconstruction", "The reconstruction term of each epoch.")
    kl = _column("kl", "The KL of each epoch.")
    validation = _column("validation", "The validation loss of each epoch; None where there were no such rows.")
    seconds = _column("seconds", "How long each epoch took.")
    kl_weight = _column("kl_weight", "The weight of the KL in each epoch.")
    kl_per_dimension = _column("kl_per_dimension", "The KL of each latent dimension, (Z,) for each epoch.")
    active_units = _column("active_units", "How many latent dimensions had a KL above 0.01 nats in each epoch.")

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write one line an epoch, under a line of names: all but what `kl_to_csv` writes. Raises FileError."""
        _write(path, Epoch._fields[:COLUMNS], (epoch[:COLUMNS] for epoch in self.epochs))

    def kl_to_csv(self, path: str | PathLike[str]) -> None:
        """Write each epoch's kl_weight, its active units and the KL of each latent dimension. Raises FileError."""
        latent_dim = max((len(kl) for kl in self.kl_per_dimension), default=0)
        names = ("epoch", "kl_weight", "active_units", *(f"z{j}" for j in range(latent_dim)))
        lines = ((e.epoch, e.kl_weight, e.active_units, *e.kl_per_dimension) for e in self.epochs)
        _write(path, names, lines)


COLUMNS = Epoch._fields.index("seconds") + 1


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) or not 0.1 <= abs(value) < 1e6:
        return f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"{value:.2f}"


def _write(path: str | PathLike[str], names: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(lines)
    with atomic_write(check_path("path", path, "history.csv")) as file:
        file.write(text.getvalue().encode())
