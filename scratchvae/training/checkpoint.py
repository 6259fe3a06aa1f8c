"""Training in files: all that a run depends on, so that it can be taken up again and give the same bits.

A checkpoint is a file of `scratchvae.disk.sealed`, and the model in it can be had by `scratchvae.load`. Beside what the
file of a model has (see `scratchvae.training.saving`) there are, in the header,

    "settings"   how it is trained, and on which data: whoever resumes it must train in the same way
    "run"        how many updates were made, where each stream of random numbers is, where in the epoch we are
    "best"       which epoch had the best validation loss, and how long ago; null without early stopping
    "stopped"    "finished" or "early" of a run that is over; "" of one that is not

and among the arrays

    optimizer/NAME    what the optimizer remembers
    sums/NAME         what the epoch has added up so far
    history/epochs    (E, 7): the numbers of `Epoch` but for the last; a validation loss that is none is NaN
    history/kl        (E, Z): the KL of each latent dimension
    best/NAME         with early stopping: the best weights "theta", and what the optimizer remembered then
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.disk import Sealed, locked, open_sealed, rotate, whole_file, write_sealed
from scratchvae.errors import CheckpointWarning, ConfigError, FileError
from scratchvae.settings import whole
from scratchvae.training.history import Epoch
from scratchvae.training.saving import arrays_of, header_of
from scratchvae.training.state import Record, Resumed

if TYPE_CHECKING:
    from scratchvae.training.run import Run

OVER = ("finished", "early")


class Checkpoints:
    """The checkpoints of one run, at `path`, of which the last `keep` are kept: path, then with .1, .2, … in the name.

    every      updates from one to the next; None for one at the end of each epoch
    settings   how the run trains, and on what, as JSON can hold it

    Raises ConfigError.
    """

    def __init__(self, path: str | PathLike[str], every: int | None, keep: int, settings: Record) -> None:
        self.path = Path(path)
        if self.path.is_dir() or self.path.suffix != ".npz":
            raise ConfigError(f"checkpoint={str(path)!r}: expected the name of a file that ends in .npz")
        self.every = None if every is None else whole("every", every)
        self.keep = whole("keep", keep)
        self.settings = settings

    def held(self) -> AbstractContextManager[None]:
        """Hold the path, so that no other process trains into it. Raises FileError."""
        return locked(self.path.with_name(f".{self.path.name}.lock"))

    def due(self, updates: int) -> bool:
        """Whether it is time for one within an epoch, after so many updates."""
        return self.every is not None and updates % self.every == 0

    def write(self, run: Run, stopped: str = "") -> None:
        """Keep where `run` is. The one before is given up only once this one was read again. Raises FileError."""
        best = run.best
        header = {
            "content": "checkpoint",
            **header_of(run.model),
            "settings": self.settings,
            "run": run.record,
            "best": best and {"epoch": best.epoch, "loss": best.loss, "updates": best.t, "waited": best.waited},
            "stopped": stopped if stopped in OVER else "",
        }
        arrays = {name: to_numpy(array) for name, array in run.arrays.items() if name != "theta"}
        kept = {f"best/{name}": to_numpy(array) for name, array in best.kept.items()} if best else {}
        with whole_file(self.path) as file:
            write_sealed(file, header, {**arrays_of(run.model), **arrays, **_table(run.epochs), **kept})
            rotate(self.path, self.keep)

    def found(self, resume: bool) -> Resumed | None:
        """What to go on from, if that is wished for and there is something.

        Raises ConfigError where there is an unfinished run that is not to be gone on with, or one that was trained in
        another way; FileError where there are checkpoints and none can be read.
        """
"""
"""
