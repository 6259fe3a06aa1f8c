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

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from math import isnan
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.disk import differing, listed, locked, open_sealed, rotate, versions, whole_file, write_sealed
from scratchvae.errors import CheckpointWarning, ConfigError, FileError, warn
from scratchvae.settings import path_of, shown, whole
from scratchvae.training.history import Epoch
from scratchvae.training.saving import arrays_of, header_of, on_host
from scratchvae.training.state import Kept, Record

if TYPE_CHECKING:
    from scratchvae.training.run import Run

OVER = ("finished", "early")
HISTORY = ("history/epochs", "history/kl")


class Checkpoints:
    """The checkpoints of one run, at `path`, of which the last `keep` are kept: path, then with .1, .2, … in the name.

    every      updates from one to the next; None for one at the end of each epoch
    settings   how the run trains, and on what, as JSON can hold it

    Raises ConfigError.
    """

    def __init__(self, path: str | PathLike[str], every: int | None, keep: int, settings: Record) -> None:
        import json

        self.path = Path(path_of("checkpoint", path, "kept.npz"))
        try:
            named = self.path.suffix == ".npz" and not self.path.is_dir()
        except OSError as error:  # a name that no file can have
            raise FileError(f"cannot write {self.path}: {error.strerror}; choose another place") from None
        if not named:
            raise ConfigError(f"checkpoint={shown(path)}: expected the name of a file that ends in .npz")
        self.every = None if every is None else whole("every", every)
        self.keep = whole("keep", keep)
        self.settings: Record = json.loads(json.dumps(settings))  # so that it equals what is read

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
            "best": None if best is None else best.record,
            "stopped": stopped if stopped in OVER else "",
        }
        try:
            with whole_file(self.path, partial(rotate, self.path, self.keep)) as file:
                write_sealed(file, header, {**on_host(_places(run)), **_table(run.epochs)})
        except FileError as error:
            if not versions(self.path):
                raise
            go_on = "then go on from the last checkpoint by resume=True (on the command line --resume)"
            raise FileError(f"{error}; {go_on}") from None

    def found(self, resume: bool) -> Found | None:
        """What to go on from, if that is wished for and there is something.

        Raises ConfigError where there is an unfinished run that is not to be gone on with, or one that trained in
        another way; FileError where there are checkpoints and none can be read.
        """
        unread: list[str] = []
        for path in versions(self.path):
            try:
                found = Found(path)
            except FileError as error:
                unread.append(str(error))
                continue
            for reason in unread:
                warn(f"{reason}; the one before it, {path}, was taken", CheckpointWarning)
            if resume:
                found.require(self.settings)
                return found
            if not found.header.get("stopped"):
                raise ConfigError(
                    f"checkpoint={str(self.path)!r} is of a run that has not ended: go on with it by resume=True (on "
                    "the command line --resume), take another name, or remove the file to begin anew"
                )
            return None
        if unread:
            raise FileError(f"{'; '.join(unread)}; take copies of them, or begin anew with another checkpoint")
        return None

    def way_on(self) -> str:
        """What can be done after training has diverged."""
        return (
            f"the last checkpoint, {self.path}, is from before: go on from it with resume=True and retries=5 (on the "
            "command line --resume --retries 5)"
        )


class Found:
    """A checkpoint that was read, whole, and has not been put to use yet. Raises FileError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_sealed(path) as sealed:
            self.header = sealed.header
            if self.header.get("content") != "checkpoint" or not isinstance(self.header.get("settings"), dict):
                raise FileError("it is no checkpoint; expected what training with checkpoints wrote")
            self.arrays = {name: sealed.read(name) for name in sealed.described}

    def require(self, settings: Record) -> None:
        """Raises ConfigError unless the run trained in the way that `settings` tell."""
        held, wanted = dict(_leaves(self.header["settings"])), dict(_leaves(settings))
        odd = [name for name in {**wanted, **held} if held.get(name) != wanted.get(name)]  # in the order of a recipe
        if odd:
            differ = "; ".join(f"{name} was {held.get(name)!r} and is {wanted.get(name)!r}" for name in odd)
            why = " (the number of epochs and of batches makes the length of a schedule)"
            raise ConfigError(
                f"{self.path} cannot be resumed in another way than it was begun: {differ}"
                f"{why if any(name.endswith('.steps') for name in odd) else ''}; set it as it was, or begin anew with "
                "another checkpoint"
            )

    def put_into(self, run: Run) -> None:
        """Let `run` be where the checkpoint was. Raises FileError, and then leaves it where it is."""
        places = _places(run)
        held = {name: array for name, array in self.arrays.items() if name not in HISTORY}
        before = Kept(run)
        try:
            if odd := differing(_forms(held), _forms(places)):
                raise FileError(f"it does not hold what this training keeps: see {listed(odd)}")
            epochs = _epochs(*(self.arrays[name] for name in HISTORY))
            run.recall(self.header["run"])
            for name, place in places.items():
                run.model.backend.copy_from_host(place, held[name])
            if run.best:
                run.best.recall(self.header["best"])
        except Exception as error:  # whatever a made-up header can bring about
            before.put_back()
            raise FileError(f"{self.path} cannot be resumed: {error}") from None
        run.epochs[:] = epochs
        run.guard.resume()


def _leaves(settings: Record, within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{within}{name}.")
        else:
            yield within + name, value


def _places(run: Run) -> dict[str, Array]:
    """What a checkpoint holds of `run`, by the names that it has there, where the run has it; θ is cut into params."""
    rest = {name: array for name, array in run.arrays.items() if name != "theta"}
    kept = {f"best/{name}": array for name, array in run.best.kept.items()} if run.best else {}
    return {**arrays_of(run.model), **rest, **kept}


def _forms(arrays: dict[str, Array]) -> dict[str, Any]:
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


def _table(epochs: list[Epoch]) -> dict[str, Array]:
    numbers = [[np.nan if number is None else number for number in epoch[:-1]] for epoch in epochs]
    kl = [epoch.kl_per_dimension for epoch in epochs]
    wide = len(epochs), len(Epoch._fields) - 1
    tables = np.array(numbers, np.float64).reshape(wide), np.array(kl, np.float64).reshape(len(epochs), -1 if kl else 0)
    return dict(zip(HISTORY, tables, strict=True))


def _epochs(numbers: Array, kl: Array) -> list[Epoch]:
    if numbers.dtype.kind != "f" or kl.dtype.kind != "f":
        raise FileError(f"its history is of {numbers.dtype} and {kl.dtype}; expected floats")
    epochs = []
    for (number, loss, reconstruction, mean, watched, seconds, weight), each in zip(
        numbers.tolist(), kl.tolist(), strict=True
    ):
        validation = None if isnan(watched) else watched
        epochs.append(Epoch(int(number), loss, reconstruction, mean, validation, seconds, weight, tuple(each)))
    return epochs
