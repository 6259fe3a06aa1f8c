"""Training in files: all that it depends on, so that it can be resumed and give the same bits.

The format stands in `scratchvae.io`; the model in a checkpoint can be had by `scratchvae.load`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from math import isnan
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.disk import atomic_write, join_names, locked, rotate, versions
from scratchvae.errors import CheckpointWarning, ConfigError, DivergedError, FileError, warn
from scratchvae.io import diff_keys, open_archive, write_archive
from scratchvae.io.migration import require_resumable
from scratchvae.io.model_file import arrays_of, header_of
from scratchvae.training.callback import Callback
from scratchvae.training.history import Epoch
from scratchvae.training.state import Record, Snapshot, TrainingState, is_array
from scratchvae.validation import check_bool, check_int, check_path, short_repr

OVER = ("finished", "early")
HISTORY = ("history/epochs", "history/kl")
ARRAY = "array at"  # in place of an array, in the plain part of a callback's state


class Checkpoint(Callback):
    """Keeps all of a training in the file `path`, of which the last `keep` stay: path, then with .1, .2, … in the name.

    path       ends in .npz
    every      updates from one to the next; None for one at the end of each epoch; there is one at the begin and at the
               end, too
    keep       how many stay
    resume     go on from the file, if it is there: training that was ended anyhow and is resumed gives the same bits,
               on NumPy, as training that was not

    It runs after all other callbacks. Where training diverges, the last checkpoint stays as it was. Raises ConfigError.
    """

    def __init__(
        self, path: str | PathLike[str], every: int | None = None, keep: int = 2, resume: bool = False
    ) -> None:
        self.path = Path(check_path("checkpoint", path, "kept.npz"))
        try:
            named = self.path.suffix == ".npz" and not self.path.is_dir()
        except OSError as error:  # a name that no file can have
            raise FileError(f"cannot write {self.path}: {error.strerror}; choose another place") from None
        if not named:
            raise ConfigError(f"checkpoint={short_repr(path)}: expected the name of a file that ends in .npz")
        self.every = None if every is None else check_int("every", every)
        self.keep = check_int("keep", keep)
        self.resume = check_bool("resume", resume)

    def on_fit_begin(self, state: TrainingState) -> None:
        """Take the path, so that no other process trains into it, and find what to go on from.

        Raises ConfigError where there is an unfinished training that is not to be gone on with, or one that trained in
        another way; FileError where there are checkpoints and none can be read.
        """
        self._written = False
        self._stack = ExitStack()
        self._stack.enter_context(locked(self.path.with_name(f".{self.path.name}.lock")))
        try:
            found = latest_checkpoint(self.path, self.resume, state.settings)
        except BaseException:
            self._stack.close()
            raise
        if found is not None:
            self._written = True
            if found.updates > state.resume_at:
                state.resume_at, state.resume_from = found.updates, partial(found.restore_into, state)

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Write before the first step, so that what cannot be written is told before hours of training."""
        if not self._written:
            self.write(state)

    def on_step_end(self, state: TrainingState) -> None:
        """Write within an epoch, if it is time."""
        if (
            self.every is not None
            and not state.last_batch
            and not state.stop_reason
            and state.updates % self.every == 0
        ):
            self.write(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write between two epochs, unless `every` says when."""
        if self.every is None and not state.finished and not state.stop_reason:
            self.write(state)

    def on_fit_end(self, state: TrainingState) -> None:
        """Write how training ended, unless an error ended it; give the path free."""
        try:
            if state.error is None:
                self.write(state, state.stop_reason)
            elif isinstance(state.error, DivergedError):
                state.error.args = (
                    f"{state.error}; the last checkpoint, {self.path}, is from before: go on from it with resume=True "
                    "and retries=5 (on the command line --resume --retries 5)",
                )
        finally:
            self._stack.close()

    def write(self, state: TrainingState, stopped: str = "") -> None:
        """Write where the training is. The file before is replaced once this one was read again. Raises FileError."""
        plain, arrays = _callbacks_of(state)
        header = {
            "content": "checkpoint",
            **header_of(state.model),
            "settings": state.settings,
            "run": state.state_dict(),
            "callbacks": plain,
            "stopped": stopped if stopped in OVER else "",
        }
        on_host = {name: to_numpy(array) for name, array in {**_places(state), **arrays}.items()}
        try:
            with atomic_write(self.path, partial(rotate, self.path, self.keep)) as file:
                write_archive(file, header, {**on_host, **_table(state.history.epochs)})
        except FileError as error:
            if not versions(self.path):
                raise
            go_on = "then go on from the last checkpoint by resume=True (on the command line --resume)"
            raise FileError(f"{error}; {go_on}") from None
        self._written = True


def latest_checkpoint(path: Path, resume: bool, settings: Record) -> LoadedCheckpoint | None:
    """What to go on from, if that is asked for and there is something. Raises as `Checkpoint.on_fit_begin`."""
    unread: list[str] = []
    for at in versions(path):
        try:
            found = LoadedCheckpoint(at)
        except FileError as error:
            unread.append(str(error))
            continue
        for reason in unread:
            warn(f"{reason}; the one before it, {at}, was taken", CheckpointWarning)
        if resume:
            found.require(settings)
            return found
        if not found.header.get("stopped"):
            require_resumable(at, found.format)
            raise ConfigError(
                f"checkpoint={str(path)!r} is of a run that has not ended: go on with it by resume=True (on "
                "the command line --resume), take another name, or remove the file to begin anew"
            )
        return None
    if unread:
        raise FileError(f"{'; '.join(unread)}; take copies of them, or begin anew with another checkpoint")
    return None


class LoadedCheckpoint:
    """A checkpoint that was read, whole, and has not been put to use yet. Raises FileError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_archive(path) as archive:
            self.header = archive.header
            if self.header.get("content") != "checkpoint" or not isinstance(self.header.get("settings"), dict):
                raise FileError("it is no checkpoint; expected what training with checkpoints wrote")
            self.format = archive.format
            self.arrays = {name: archive.read(name) for name in archive.described}

    @property
    def updates(self) -> int:
        """How many updates it has behind it; 0 where it does not say."""
        run = self.header.get("run")
        updates = run.get("updates") if isinstance(run, dict) else None
        return updates if isinstance(updates, int) else 0

    def require(self, settings: Record) -> None:
        """Raises ConfigError unless the training was set up in the way that `settings` tell; FileError for 0.1.0."""
        require_resumable(self.path, self.format)
        held, wanted = dict(_leaves(self.header["settings"])), dict(_leaves(settings))
        odd = [name for name in {**wanted, **held} if held.get(name) != wanted.get(name)]  # in the order of settings
        if odd:
            differ = "; ".join(f"{name} was {held.get(name)!r} and is {wanted.get(name)!r}" for name in odd)
            why = " (the number of epochs and of batches makes the length of a schedule)"
            raise ConfigError(
                f"{self.path} cannot be resumed in another way than it was begun: {differ}"
                f"{why if any(name.endswith('.steps') for name in odd) else ''}; set it as it was, or begin anew with "
                "another checkpoint"
            )

    def restore_into(self, state: TrainingState) -> None:
        """Let the training be where the checkpoint was. Raises FileError, and then leaves it where it is."""
        places = _places(state)
        plain, expected = _callbacks_of(state)
        held = {name: array for name, array in self.arrays.items() if name not in HISTORY}
        before = Snapshot(state)
        try:
            there = {**_forms(held), **_names(self.header["callbacks"])}
            if odd := diff_keys(there, {**_forms({**places, **expected}), **_names(plain)}):
                raise FileError(f"it does not hold what this training keeps: see {join_names(odd)}")
            epochs = _epochs(*(self.arrays[name] for name in HISTORY))
            state.load_state_dict(self.header["run"])
            backend = state.model.backend
            for name, place in places.items():
                backend.copy_from_host(place, held[name])
            for name, callback in state.named_callbacks().items():
                kept = _joined(self.header["callbacks"].get(name, {}), {of: held[of] for of in expected})
                if kept:
                    callback.load_state_dict(_uploaded(kept, state))
        except Exception as error:  # whatever a made-up header can bring about
            before.restore()
            raise FileError(f"{self.path} cannot be resumed: {error}") from None
        state.history.epochs[:] = epochs


def _leaves(settings: Record, within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{within}{name}.")
        else:
            yield within + name, value


def _places(state: TrainingState) -> dict[str, Array]:
    """The arrays of model and optimizer, by the names that a checkpoint has for them; θ is cut into parameters."""
    return {**arrays_of(state.model), **{name: array for name, array in state.arrays().items() if name != "theta"}}


def _callbacks_of(state: TrainingState) -> tuple[dict[str, Any], dict[str, Array]]:
    """The states of the callbacks, plain, and the arrays in them by the names that a checkpoint has for them."""
    arrays: dict[str, Array] = {}
    plain = {}
    for name, callback in state.named_callbacks().items():
        kept = callback.state_dict()
        if not isinstance(kept, dict):
            raise ConfigError(f"{name}.state_dict returned {short_repr(kept)}; expected a dict")
        if kept:
            plain[name] = _split(kept, f"callbacks/{name}", arrays)
    return plain, arrays


def _split(tree: Any, name: str, arrays: dict[str, Array]) -> Any:
    if isinstance(tree, dict):
        return {key: _split(value, f"{name}/{key}", arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_split(value, f"{name}/{k}", arrays) for k, value in enumerate(tree)]
    if is_array(tree):
        arrays[name] = tree
        return {ARRAY: name}
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise ConfigError(
        f"{name.removeprefix('callbacks/')} of a callback's state is {short_repr(tree)}; keep numbers, strings, lists, "
        "dicts and arrays"
    )


def _joined(tree: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(tree, dict):
        return arrays[tree[ARRAY]] if ARRAY in tree else {key: _joined(value, arrays) for key, value in tree.items()}
    return [_joined(value, arrays) for value in tree] if isinstance(tree, list) else tree


def _uploaded(tree: Any, state: TrainingState) -> Any:
    if isinstance(tree, dict):
        return {key: _uploaded(value, state) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_uploaded(value, state) for value in tree]
    return state.model.backend.upload(tree) if is_array(tree) else tree


def _names(callbacks: dict[str, Any]) -> dict[str, Any]:
    return {f"callbacks/{name}": "a state" for name in callbacks}


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
