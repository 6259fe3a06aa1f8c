"""The history of training: one record per epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import floor, isfinite, isnan, log10
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from scratchvae.disk import Array, atomic_write
from scratchvae.errors import DivergedError, FileError
from scratchvae.representation import fields_repr, html_table, join_lines, table_lines
from scratchvae.validation import check_path, shorten, suggest_arguments

UNUSED_BELOW = 0.01  # nats; since KL ≥ ½ Var μ, a unit with Var μ > 0.02 counts as active
FULL_WEIGHT = 0.99
SHOWN = 5  # epochs in the table of a history


class Epoch(NamedTuple):
    """The record of one epoch. Losses are means over rows, in nats.

    loss             minus the objective of the training rows, each at the weights of its step. This is the function
                     that was differentiated: −reconstruction + beta · kl, with kl_weight and free bits
    reconstruction   log p(x | z)
    kl               KL(q(z | x) ‖ p(z)), without kl_weight and free bits
    validation       −reconstruction + beta · kl of the validation rows at the end of the epoch, without kl_weight and
                     free bits, so that epochs can be compared. None without validation rows
    seconds          duration of training and validation
    kl_weight        mean of kl_weight, the factor of beta, over the steps
    kl_per_dimension KL of each latent dimension in closed form. The sum is `kl`, if that is the closed form too. () if
                     unknown
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
        """True if the KL had its full weight (at least 99 %) in this epoch."""
        return self.kl_weight >= FULL_WEIGHT

    @property
    def active_units(self) -> int:
        """The number of latent dimensions with a KL above 0.01 nats; `active_units` counts those whose mean varies."""
        return sum(kl > UNUSED_BELOW for kl in self.kl_per_dimension)


def _column(name: str, doc: str) -> Any:
    """A property of `History`: the values of this field of all epochs."""
    return property(lambda history: [getattr(epoch, name) for epoch in history.epochs], doc=doc)


def stop_reason_of(error: BaseException) -> str:
    """The stop reason for an exception: "diverged", "interrupted" or "failed"."""
    if isinstance(error, DivergedError):
        return "diverged"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


class History:
    """The epochs so far, and the reason why training stopped.

    epochs       a list of `Epoch`, numbered from 1
    stopped      "finished", "early" (no progress in validation), "interrupted" (Ctrl-C), "diverged", "failed" (an
                 exception), or the reason that a callback gave; "" while training runs
    best_epoch   the epoch whose weights early stopping restored, or None
    lr_halvings  the number of times the learning rate was halved because a number was not finite
    """

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.stopped = ""
        self.best_epoch: int | None = None
        self.lr_halvings = 0

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
        """A header, the first and the best epoch and the last few, and a line "…" for omitted epochs."""
        best = self._best()
        earlier = [k for k, epoch in enumerate(self.epochs[:-SHOWN]) if k == 0 or epoch is best]
        indices = [*earlier, *range(max(0, len(self.epochs) - SHOWN), len(self.epochs))]
        shown = [self.epochs[k] for k in indices]
        columns = {name: [getattr(epoch, name) for epoch in shown] for name in (*Epoch._fields[:COLUMNS], "kl_weight")}
        columns["active units"] = [epoch.active_units for epoch in shown]
        if all(weight == 1 for weight in columns["kl_weight"]):
            del columns["kl_weight"]
        if not any(epoch.kl_per_dimension for epoch in shown):
            del columns["active units"]
        table = [[name.replace("_", " ") for name in columns]]
        for row, cells in enumerate(zip(*map(_cells, columns.values()), strict=True)):
            if row > 0 and indices[row] > indices[row - 1] + 1:
                table.append(["…", *[""] * (len(columns) - 1)])
            table.append(list(cells))
        return table

    @contextmanager
    def recording(self) -> Iterator[None]:
        """A context for one training run: reset the summary, and set `stopped` if an exception ends the run."""
        self.stopped, self.best_epoch, self.lr_halvings = "", None, 0
        try:
            yield
        except BaseException as error:
            self.stopped = stop_reason_of(error)
            raise

    loss = _column("loss", "The loss of each epoch.")
    reconstruction = _column("reconstruction", "The reconstruction term of each epoch.")
    kl = _column("kl", "The KL of each epoch.")
    validation = _column("validation", "The validation loss of each epoch; None without validation rows.")
    seconds = _column("seconds", "The duration of each epoch.")
    kl_weight = _column("kl_weight", "The mean weight of the KL in each epoch.")
    kl_per_dimension = _column("kl_per_dimension", "The KL of each latent dimension, (Z,) for each epoch.")
    active_units = _column("active_units", "The number of latent dimensions with a KL above 0.01 nats in each epoch.")

    @suggest_arguments
    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write a CSV file: a header, and a line per epoch with its losses and seconds. Raises FileError."""
        _write(path, Epoch._fields[:COLUMNS], (epoch[:COLUMNS] for epoch in self.epochs))

    @suggest_arguments
    def kl_to_csv(self, path: str | PathLike[str]) -> None:
        """Write a CSV file: per epoch the kl_weight, the active units and the KL per dimension. Raises FileError."""
        latent_dim = max((len(kl) for kl in self.kl_per_dimension), default=0)
        names = ("epoch", "kl_weight", "active_units", *(f"z{j}" for j in range(latent_dim)))
        lines = ((e.epoch, e.kl_weight, e.active_units, *e.kl_per_dimension) for e in self.epochs)
        _write(path, names, lines)


COLUMNS = Epoch._fields.index("seconds") + 1


def epochs_to_arrays(epochs: list[Epoch]) -> tuple[Array, Array]:
    """The records as two arrays of float64: the numbers (E, 7), NaN for None, and the KL of each dimension (E, Z)."""
    numbers = [[np.nan if number is None else number for number in epoch[:-1]] for epoch in epochs]
    kl = [epoch.kl_per_dimension for epoch in epochs]
    shape = len(epochs), len(Epoch._fields) - 1
    return np.array(numbers, np.float64).reshape(shape), np.array(kl, np.float64).reshape(len(epochs), -1 if kl else 0)


def epochs_from_arrays(numbers: Array, kl: Array) -> list[Epoch]:
    """The records of `epochs_to_arrays`. Raises FileError."""
    if numbers.dtype.kind != "f" or kl.dtype.kind != "f":
        raise FileError(f"its history has dtypes {numbers.dtype} and {kl.dtype}; expected floats")
    epochs = []
    for row, kl_per_dimension in zip(numbers.tolist(), kl.tolist(), strict=True):
        number, loss, reconstruction, mean_kl, validation, seconds, kl_weight = row
        validation = None if isnan(validation) else validation
        record = (int(number), loss, reconstruction, mean_kl, validation, seconds, kl_weight, tuple(kl_per_dimension))
        epochs.append(Epoch(*record))
    return epochs


def _cells(values: list[Any]) -> list[str]:
    """The values of a column as text; all floats have the same number of decimals, 2 to 5, or the form 1.23e-08."""
    sizes = [abs(value) for value in values if isinstance(value, float) and value and isfinite(value)]
    decimals = max(2, 1 - floor(log10(min(sizes)))) if sizes else 2
    form = f".{decimals}f" if decimals <= 5 and max(sizes, default=0.0) < 1e6 else ".2e"
    return [f"{value:{form}}" if isinstance(value, float) else "–" if value is None else str(value) for value in values]


def _write(path: str | PathLike[str], names: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(lines)
    with atomic_write(check_path("path", path, "history.csv")) as file:
        file.write(text.getvalue().encode())
