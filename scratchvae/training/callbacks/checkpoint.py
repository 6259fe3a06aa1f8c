"""Checkpoints: files with the complete state of training, from which it can be resumed with the same bits.

`scratchvae.io` describes the format. `scratchvae.load` reads the model in a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.disk import atomic_write, join_names, locked, rotate, versions
from scratchvae.errors import CheckpointWarning, ConfigError, DivergedError, FileError, warn
from scratchvae.io import diff_keys, open_archive, write_archive
from scratchvae.io.migration import require_resumable
from scratchvae.io.model_file import arrays_of, header_of
from scratchvae.models import Model
from scratchvae.models.schema import Schema
from scratchvae.parallel import ProcessGroup
from scratchvae.training.callback import Callback
from scratchvae.training.fingerprint import describe, flat, is_incomparable, without_algorithm
from scratchvae.training.history import epochs_from_arrays, epochs_to_arrays
from scratchvae.training.state import Record, Snapshot, TrainingState, is_array
from scratchvae.validation import check_bool, check_int, check_path, short_repr, shorten, suggest_arguments

T = TypeVar("T")
COMPLETED = ("finished", "early")
WEIGHTS = "weights"  # as `resume`
SAME_NETWORKS = ("activation", "likelihood")  # settings that the shapes of the weights do not show
HISTORY = ("history/epochs", "history/kl")
ARRAY_KEY = "array at"  # {"array at": name} replaces an array in the JSON part of a callback's state


class Checkpoint(Callback):
    """Writes the complete state of training to the file `path`, and keeps the last `keep` versions of it.

    path       a file name that ends in .npz; older versions have .1, .2, … before the suffix
    every      number of updates between two checkpoints; None: one at the end of each epoch. One is also written when
               training begins and when it ends
    keep       number of versions
    resume     True: continue from the file, if it exists. On NumPy, interrupted and resumed training gives the same
               bits as uninterrupted training. "weights": take only the weights and the schema from the file, and begin
               a new training with them, of other data or with other settings

    A training that began with the weights of a file, and was interrupted, is resumed by True.

    Of several processes, the first one reads and writes, and training may be resumed with another number of them.

    It is called after all other callbacks. If training diverges, the last checkpoint is not overwritten. Raises
    ConfigError.
    """

    _inherits_schema = False  # True if the schema is from a file, not learned from the data

    @suggest_arguments
    def __init__(
        self, path: str | PathLike[str], every: int | None = None, keep: int = 2, resume: bool | str = False
    ) -> None:
        self.path = Path(check_path("checkpoint", path, "checkpoint.npz"))
        try:
            valid = self.path.suffix == ".npz" and not self.path.is_dir()
        except OSError as error:  # an invalid file name
            raise FileError(f"cannot write {shorten(self.path)}: {error.strerror}; choose another path") from None
        if not valid:
            raise ConfigError(f"checkpoint={short_repr(path)}: expected a file name that ends in .npz")
        self.every = None if every is None else check_int("every", every)
        self.keep = check_int("keep", keep)
        self.resume = check_resume(resume)

    def on_fit_begin(self, state: TrainingState) -> None:
        """Lock the path against other processes, and read the checkpoint to resume from.

        Raises ConfigError if the file is a checkpoint of unfinished training and `resume` is False, or if the settings
        differ; FileError if no existing checkpoint can be read.
        """
        self._written = False
        self._stack = ExitStack()
        found = on_root(state.group, partial(self._lock_and_find, state))
        if found is not None:
            self._written = True
            if found.updates > state.resume_at:
                state.resume_at, state.resume_from = found.updates, partial(found.restore_into, state)

    def _lock_and_find(self, state: TrainingState) -> LoadedCheckpoint | None:
        self._stack.enter_context(locked(self.path.with_name(f".{self.path.name}.lock")))
        try:
            return None if self.resume == WEIGHTS else latest_checkpoint(self.path, bool(self.resume), state.settings)
        except BaseException:
            self._stack.close()
            raise

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Write before the first step, so that a file that cannot be written is reported before training."""
        if not self._written:
            self.write(state)

    def on_step_end(self, state: TrainingState) -> None:
        """Write within an epoch, after each `every` updates."""
        if (
            self.every is not None
            and not state.last_batch
            and not state.stop_reason
            and state.updates % self.every == 0
        ):
            self.write(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write between two epochs, if `every` is None."""
        if self.every is None and not state.finished and not state.stop_reason:
            self.write(state)

    def on_fit_end(self, state: TrainingState) -> None:
        """Write the final state, unless an exception ended training; release the lock."""
        try:
            if state.error is None:
                self.write(state, state.stop_reason)
            elif isinstance(state.error, DivergedError):
                state.error.args = (
                    f"{state.error}; the last checkpoint, {self.path}, is not affected: continue from it with "
                    "resume=True and retries=5 (on the command line --resume --retries 5)",
                )
        finally:
            self._stack.close()

    def write(self, state: TrainingState, stopped: str = "") -> None:
        """Write the state of training. The old file is replaced after the new one was verified. Raises FileError.

        Of several processes, each must call it; ProcessError if they differ.
        """
        state.require_same_weights()
        on_root(state.group, partial(self._write, state, stopped))
        self._written = True

    def _write(self, state: TrainingState, stopped: str) -> None:
        plain, arrays = _callback_states(state)
        header = {
            "content": "checkpoint",
            **header_of(state.model),
            "settings": state.settings,
            "run": state.state_dict(),
            "callbacks": plain,
            "stopped": stopped if stopped in COMPLETED else "",
            **({"inherits_schema": True} if self._inherits_schema else {}),
        }
        on_host = {name: to_numpy(array) for name, array in {**_state_arrays(state), **arrays}.items()}
        history = dict(zip(HISTORY, epochs_to_arrays(state.history.epochs), strict=True))
        try:
            with atomic_write(self.path, partial(rotate, self.path, self.keep)) as file:
                write_archive(file, header, {**on_host, **history})
        except FileError as error:
            if not versions(self.path):
                raise
            resume_hint = "then continue from the last checkpoint by resume=True (on the command line --resume)"
            raise FileError(f"{error.message}; {resume_hint}") from None


def on_root(group: ProcessGroup | None, function: Callable[[], T]) -> T:
    """The result of a function that reads or writes files: of several processes, the first one calls it for all."""
    return function() if group is None else group.root_value(function)


def latest_checkpoint(path: Path, resume: bool, settings: Record) -> LoadedCheckpoint | None:
    """The latest readable checkpoint if `resume`, else None. Raises as `Checkpoint.on_fit_begin`."""
    checkpoint = latest_readable(path)
    if checkpoint is None:
        return None
    if resume:
        checkpoint.require(settings)
        return checkpoint
    if not checkpoint.header.get("stopped"):
        require_resumable(checkpoint.path, checkpoint.format)
        raise ConfigError(
            f"checkpoint={str(checkpoint.path)!r} is of a run that has not ended: continue it by resume=True (on "
            "the command line --resume), choose another name, or remove the file to start again"
        )
    return None


def inherited(
    checkpoint: Checkpoint | None, model: Model, group: ProcessGroup | None
) -> tuple[LoadedCheckpoint | None, Schema | None]:
    """The file of which a training takes only the weights, and the schema that it takes from a file; None for none.

    A resumed training takes the schema if the interrupted one had it from a file. Raises ConfigError or FileError.
    """
    return (None, None) if checkpoint is None else on_root(group, partial(_inherited, checkpoint, model))


def _inherited(checkpoint: Checkpoint, model: Model) -> tuple[LoadedCheckpoint | None, Schema | None]:
    checkpoint._inherits_schema = checkpoint.resume == WEIGHTS
    if checkpoint.resume == WEIGHTS:
        found = latest_readable(checkpoint.path)
        if found is None:
            raise FileError(f"there is no checkpoint {checkpoint.path} to take the weights from; name another file")
        found.require_same_networks(model)
        return found, schema_for(model, found.path, found.header.get("schema"))
    for version in versions(checkpoint.path) if checkpoint.resume else ():
        with suppress(FileError), open_archive(version) as archive:  # reported when it is read as a whole
            checkpoint._inherits_schema = archive.header.get("inherits_schema") is True
            content = archive.header.get("schema")
            return None, schema_for(model, version, content) if checkpoint._inherits_schema else None
    return None, None


def schema_for(model: Model, path: Path, content: Any) -> Schema:
    """The schema of a checkpoint. Raises ConfigError if `model` has another setting of the scale."""
    try:
        schema = Schema.from_json(content, model.input_dim, model.classes)
    except (ConfigError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} has no valid schema: {shorten(error, 100)}; use another file") from None
    setting = model.config["scale"]
    if schema.scale is not None and setting not in ("auto", schema.scale.kind):
        raise ConfigError(
            f"{path} is of data with the scale {schema.scale.kind!r}, and the model has scale={setting!r}; make the "
            "model as before"
        )
    return schema


def latest_readable(path: Path) -> LoadedCheckpoint | None:
    """The latest version of the checkpoint that can be read, with a warning if it is not the last; None without one.

    Raises FileError if none of them can be read.
    """
    unreadable: list[str] = []
    for version in versions(path):
        try:
            checkpoint = LoadedCheckpoint(version)
        except FileError as error:
            unreadable.append(error.message)
            continue
        for reason in unreadable:
            warn(f"{reason}; the previous checkpoint, {version}, is used instead", CheckpointWarning)
        return checkpoint
    if unreadable:
        reason = unreadable[0].partition("; ")[0]
        more = f", nor can {len(unreadable) - 1} earlier versions of it" if len(unreadable) > 1 else ""
        raise FileError(f"{reason}{more}; restore a copy of it, or start again with another checkpoint")
    return None


def check_resume(resume: Any) -> bool | str:
    """`resume` if it is True, False or WEIGHTS. Raises ConfigError."""
    if isinstance(resume, str):
        if resume != WEIGHTS:
            raise ConfigError(f"resume={short_repr(resume)}: expected True, False or {WEIGHTS!r}")
        return WEIGHTS
    return check_bool("resume", resume)


class LoadedCheckpoint:
    """The complete contents of a checkpoint file. Raises FileError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_archive(path) as archive:
            self.header = archive.header
            if self.header.get("content") != "checkpoint" or not isinstance(self.header.get("settings"), dict):
                raise FileError("it is not a checkpoint; expected a file written by Checkpoint")
            self.format = archive.format
            self.arrays = {name: archive.read(name) for name in archive.headers}

    @property
    def updates(self) -> int:
        """The number of updates at that time; 0 if unknown."""
        run = self.header.get("run")
        updates = run.get("updates") if isinstance(run, dict) else None
        return updates if isinstance(updates, int) else 0

    def require(self, settings: Record) -> None:
        """Raises ConfigError if the checkpoint has other settings than `settings`; FileError for version 0.1.0.

        Fingerprints of data that were made by another version are no other data, but cannot be compared.
        """
        require_resumable(self.path, self.format)
        before, now = flat(self.header["settings"]), flat(settings)
        changed = [name for name in {**now, **before} if before.get(name) != now.get(name)]  # in the order of settings
        incomparable = [name for name in changed if is_incomparable(before.get(name), now.get(name))]
        if changed and changed == incomparable:
            raise ConfigError(
                f"{self.path} cannot be resumed: its fingerprint of {join_names(incomparable)} was made by another "
                "version; resume it with that version, or use another file"
            )
        changed = [name for name in changed if name not in incomparable]
        if changed:
            changes = "; ".join(
                f"{name} was {_shown(before.get(name))} and is {_shown(now.get(name))}" for name in changed[:3]
            )
            if len(changed) > 3:
                changes += f"; {len(changed) - 3} more changed"
            reason = " (the length of a schedule follows from the number of epochs and of batches)"
            raise ConfigError(
                f"{self.path} cannot be resumed with other settings: {changes}"
                f"{reason if any(name.endswith('.steps') for name in changed) else ''}; restore these settings, or "
                "use another file"
            )

    def require_same_networks(self, model: Model) -> None:
        """Raises ConfigError unless the weights are those of a model such as `model`; FileError for version 0.1.0."""
        require_resumable(self.path, self.format)
        before, now = (self.header.get("model"), self.header.get("config")), (type(model).__name__, model.to_config())
        settings = [{"model": kind, **(config if isinstance(config, dict) else {})} for kind, config in (before, now)]
        for name in ("model", *SAME_NETWORKS):
            old, new = (describe(one.get(name)) for one in settings)
            if old != new:
                raise ConfigError(
                    f"{self.path} has the weights of another model: its {name} was {_shown(old)} and is {_shown(new)}; "
                    "make the model as before"
                )
        expected = _shapes_and_dtypes(arrays_of(model))
        found = {name: one for name, one in _shapes_and_dtypes(self.arrays).items() if name.startswith("params/")}
        if different := diff_keys(found, expected):
            raise ConfigError(
                f"{self.path} has the weights of another model, of other shapes or dtype: see "
                f"{join_names(different)}; make the model as before"
            )

    def copy_weights_into(self, model: Model) -> None:
        """Set the weights, after `require_same_networks`."""
        for name, target in arrays_of(model).items():
            model.backend.copy_from_host(target, self.arrays[name])

    def restore_into(self, state: TrainingState) -> None:
        """Restore the state of the checkpoint. Raises FileError, and then leaves `state` unchanged."""
        targets = _state_arrays(state)
        plain, callback_arrays = _callback_states(state)
        arrays = {name: array for name, array in self.arrays.items() if name not in HISTORY}
        before = Snapshot(state)
        try:
            found = {**_shapes_and_dtypes(arrays), **_callback_keys(self.header["callbacks"])}
            expected = {**_shapes_and_dtypes({**targets, **callback_arrays}), **_callback_keys(plain)}
            if different := diff_keys(found, expected):
                raise FileError(f"it does not match the state of this training: see {join_names(different)}")
            epochs = epochs_from_arrays(*(self.arrays[name] for name in HISTORY))
            state.load_state_dict(self.header["run"])
            backend = state.model.backend
            for name, target in targets.items():
                backend.copy_from_host(target, arrays[name])
            for name, callback in state.named_callbacks().items():
                tree = self.header["callbacks"].get(name, {})
                callback_state = _insert_arrays(tree, {key: arrays[key] for key in callback_arrays})
                if callback_state:
                    callback.load_state_dict(_upload_arrays(callback_state, state))
        except Exception as error:  # a forged header may cause any exception
            before.restore()
            raise FileError(f"{self.path} cannot be resumed: {error}") from None
        state.history.epochs[:] = epochs


def _shown(setting: Any) -> str:
    return short_repr(without_algorithm(setting))


def _state_arrays(state: TrainingState) -> dict[str, Array]:
    """The parameters, and the arrays of the optimizer, by their names in a checkpoint."""
    return {**arrays_of(state.model), **{name: array for name, array in state.arrays().items() if name != "theta"}}


def _callback_states(state: TrainingState) -> tuple[dict[str, Any], dict[str, Array]]:
    """The JSON part of the callbacks' states, and the arrays in them by their names in a checkpoint."""
    arrays: dict[str, Array] = {}
    plain = {}
    for name, callback in state.named_callbacks().items():
        callback_state = callback.state_dict()
        if not isinstance(callback_state, dict):
            raise ConfigError(f"{shorten(name)}.state_dict returned {short_repr(callback_state)}; expected a dict")
        if callback_state:
            plain[name] = _extract_arrays(callback_state, f"callbacks/{name}", arrays)
    return plain, arrays


def _extract_arrays(tree: Any, name: str, arrays: dict[str, Array]) -> Any:
    if isinstance(tree, dict):
        return {key: _extract_arrays(value, f"{name}/{key}", arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_extract_arrays(value, f"{name}/{k}", arrays) for k, value in enumerate(tree)]
    if is_array(tree):
        arrays[name] = tree
        return {ARRAY_KEY: name}
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise ConfigError(
        f"{shorten(name.removeprefix('callbacks/'))} in the state of a callback is {short_repr(tree)}; expected "
        "numbers, strings, lists, dicts and arrays"
    )


def _insert_arrays(tree: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(tree, dict):
        if ARRAY_KEY in tree:
            return arrays[tree[ARRAY_KEY]]
        return {key: _insert_arrays(value, arrays) for key, value in tree.items()}
    return [_insert_arrays(value, arrays) for value in tree] if isinstance(tree, list) else tree


def _upload_arrays(tree: Any, state: TrainingState) -> Any:
    if isinstance(tree, dict):
        return {key: _upload_arrays(value, state) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_upload_arrays(value, state) for value in tree]
    return state.model.backend.upload(tree) if is_array(tree) else tree


def _callback_keys(callbacks: dict[str, Any]) -> dict[str, Any]:
    return {f"callbacks/{name}": "a state" for name in callbacks}


def _shapes_and_dtypes(arrays: dict[str, Array]) -> dict[str, Any]:
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}
