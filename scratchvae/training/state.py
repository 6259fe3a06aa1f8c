"""The state of a training run, which callbacks read and change, and snapshots of it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, ProcessError, warn
from scratchvae.models import ELBOTerms, Model
from scratchvae.optim import Optimizer, ScaledSchedule
from scratchvae.parallel import ProcessGroup
from scratchvae.training.cuda_graph import CUDAGraphs
from scratchvae.training.history import Epoch, History
from scratchvae.training.minibatches import Batches
from scratchvae.training.totals import EpochTotals
from scratchvae.validation import check_float, check_int, check_positive, short_repr

Record = dict[str, Any]  # JSON values
Streams = dict[str, np.random.Generator]
COUNTS = ("updates", "epochs", "first_epoch", "batch")


class TrainingState:
    """The state of one call of `fit`.

    model, optimizer, history, batches   the objects of this run
    epochs        the number of epochs of this call
    settings      the settings that a resumed training must share, as JSON values; see `fingerprint`
    validate      a function that computes the validation loss; None without validation rows
    epoch         number of the current epoch, counted from 1. In `on_epoch_end` it is that of the next epoch;
                  `record.epoch` is that of the epoch that has ended
    batch         number of finished batches of the current epoch
    updates       number of updates of the optimizer
    terms         `ELBOTerms` of the last step, valid until the next step
    totals        `EpochTotals` of the current epoch
    record        the `Epoch` that has just ended
    stop_reason   the reason why training ends; "" while it continues
    error         the exception that ended training, or None
    group         the `ProcessGroup` of a training in several processes, or None
    is_root       True in the process that prints and writes files: of several, the first one
    """

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        history: History,
        batches: Batches,
        streams: Streams,
        epochs: int,
        validate: Callable[[], float] | None,
        callbacks: list[Any],
        settings: Record,
        group: ProcessGroup | None = None,
    ) -> None:
        self.group = group
        self.model, self.optimizer, self.history, self.batches = model, optimizer, history, batches
        self.streams, self.epochs, self.validate, self.settings = streams, epochs, validate, settings
        self.callbacks = callbacks
        self.first_epoch = len(history.epochs)  # of this call
        self.totals: EpochTotals
        self.terms: ELBOTerms | None = None
        self.record: Epoch | None = None
        self.stop_reason = ""
        self._stop_request = ""  # of this process of several
        self.error: BaseException | None = None
        self.train_step: Callable[[Array], Any]  # one step of the loop on a batch
        self.graphs: CUDAGraphs | None = None
        self.epoch_start: Snapshot | None = None  # the state that "restart epoch" restores
        self.restart_requested = False
        self.resume_from: Callable[[], None] | None = None  # restores the checkpoint to resume from
        self.resume_at = -1  # the number of updates of that checkpoint; of several, the latest is taken
        self._lr_factors: dict[str, float] = {}
        self._schedule = self._scaled = optimizer.schedule
        self.reset_epoch()

    @property
    def epoch(self) -> int:
        """The number of the current epoch, counted from 1."""
        return len(self.history.epochs) + 1

    @property
    def updates(self) -> int:
        """The number of updates of the optimizer."""
        return self.optimizer.t

    @property
    def batches_done(self) -> int:
        """The number of finished batches of this call."""
        return (len(self.history.epochs) - self.first_epoch) * len(self.batches) + self.batch

    @property
    def last_batch(self) -> bool:
        """True if the last step was the last one of its epoch."""
        return self.batch >= len(self.batches)

    def remaining_batches(self) -> Iterator[Array]:
        """The batches of the current epoch that are not finished, on the model's device."""
        return self.batches.after(self.batch, self.epoch, len(self.history.epochs) - self.first_epoch)

    def stop(self, reason: str = "callback") -> None:
        """End training after the current step. Raises ConfigError.

        Of several processes, one suffices: they agree on it when the step, or the callbacks of an epoch, have ended.
        """
        if not isinstance(reason, str) or not reason:
            raise ConfigError(f"reason={short_repr(reason)}: expected a short text, such as 'enough'")
        if self.group is not None:
            if self._stop_request in ("", "interrupted"):
                self._stop_request = reason
        elif self.stop_reason in ("", "interrupted"):
            self.stop_reason = reason

    def must_stop(self) -> bool:
        """True if training is to end; in all processes or in none, each of which must call it."""
        if self.group is not None:
            self.stop_reason = self.group.first_value(self._stop_request)
        return bool(self.stop_reason)

    @property
    def is_root(self) -> bool:
        """True in the process that prints and writes files: of several, the first one."""
        return self.group is None or self.group.is_root

    def warn(self, message: str, category: type[Warning]) -> None:
        """Issue a warning; of several processes, in the first one."""
        if self.is_root:
            warn(message, category)

    def require_same_weights(self) -> None:
        """Raise ProcessError in all processes if their weights, or what their next steps depend on, differ."""
        if self.group is None:
            return
        counters = {name: value for name, value in self.state_dict().items() if name != "seconds"}
        values = {
            "batches": getattr(self.batches, "checksum", None),
            "weights": digest_of(self.model.theta),
            "optimizer": digest_of(*self.optimizer.state.values()),
            "counters": digest_of(np.frombuffer(json.dumps(counters, sort_keys=True).encode(), np.uint8)),
        }
        hint = "resume from the last checkpoint, with the same callbacks, threads and kind of machine for all"
        self.group.require_same(values, hint, ProcessError)

    def scale_lr(self, name: str, factor: float) -> None:
        """Multiply the learning rate by `factor`, which replaces an earlier factor of the same `name`.

        The factors of different names are multiplied. Raises ConfigError.
        """
        self._set_lr_factors({**self._lr_factors, name: check_positive("factor", factor)})

    def _set_lr_factors(self, factors: dict[str, float]) -> None:
        if self.optimizer.schedule is not self._scaled:  # the user has set another schedule
            self._schedule = self.optimizer.schedule
        self._lr_factors, factor = factors, prod(factors.values())
        self._scaled = self._schedule if factor == 1 else ScaledSchedule(self._schedule, factor)
        self.optimizer.schedule = self._scaled

    def restart_epoch(self) -> None:
        """Restore the state at the begin of the epoch, except the learning-rate factors."""
        assert self.epoch_start is not None
        factors = self._lr_factors
        with self.model.write_lock():
            self.epoch_start.restore()
        self._set_lr_factors(factors)
        self.epoch_start.save()
        self.restart_requested = False

    @property
    def finished(self) -> bool:
        """True if all epochs of this call have ended."""
        return len(self.history.epochs) - self.first_epoch >= self.epochs

    def reset_epoch(self) -> None:
        """Reset the counters at the begin of an epoch."""
        self.order = self.streams["training order"].bit_generator.state  # from it, the order can be drawn again
        self.batch = 0
        self.seconds = 0.0

    def start_clock(self) -> None:
        """Start or continue the clock of the epoch."""
        self._start_time = time.perf_counter() - self.seconds

    def stop_clock(self) -> float:
        """Read the clock: the seconds of the epoch so far."""
        self.seconds = time.perf_counter() - self._start_time
        return self.seconds

    def arrays(self) -> dict[str, Array]:
        """The weights and the state of the optimizer, by reference."""
        optimizer = {f"optimizer/{name}": array for name, array in self.optimizer.state.items()}
        return {"theta": self.model.theta, **optimizer}

    def state_dict(self) -> Record:
        """The counters, the states of the random streams and the learning-rate factors, as JSON values.

        The stream of the row order has its state at the begin of the epoch, from which the order can be drawn again.
        """
        return {
            "updates": self.optimizer.t,
            "streams": {**states_of(self.streams), "training order": self.order},
            "epochs": len(self.history.epochs),
            "first_epoch": self.first_epoch,
            "batch": self.batch,
            "seconds": self.seconds,
            "lr_factors": dict(self._lr_factors),
        }

    def load_state_dict(self, record: Record) -> None:
        """Restore what `state_dict` returned."""
        counts = {name: check_int(name, record[name], minimum=0) for name in COUNTS}
        factors = {str(name): check_float(str(name), factor) for name, factor in record["lr_factors"].items()}
        set_states(self.streams, record["streams"])
        self.order = record["streams"]["training order"]
        self.optimizer.t = counts["updates"]
        del self.history.epochs[counts["epochs"] :]
        self.first_epoch, self.batch = counts["first_epoch"], counts["batch"]
        self.seconds = check_float("seconds", record["seconds"])
        self._set_lr_factors(factors)

    def named_callbacks(self) -> dict[str, Any]:
        """The callbacks by name."""
        return name_callbacks(self.callbacks)


def name_callbacks(callbacks: list[Any]) -> dict[str, Any]:
    """The callbacks by the names of their classes, with a number from the second of a class on."""
    named: dict[str, Any] = {}
    for callback in callbacks:
        name, number = type(callback).__name__, 1
        while (full := name if number == 1 else f"{name}.{number}") in named:
            number += 1
        named[full] = callback
    return named


class Snapshot:
    """A copy of a training state in memory, which can be restored."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._copies: dict[str, Any] = {}  # of the arrays under "", and of the states of the callbacks by name
        self.save()

    def save(self) -> None:
        """Copy the current state of training."""
        state = self._state
        self._record = state.state_dict()
        callbacks = {name: each.state_dict() for name, each in state.named_callbacks().items() if each.rolled_back}
        self._copies = copy_into(self._copies, {"": state.arrays(), **callbacks})

    def restore(self) -> None:
        """Restore the copied state."""
        state = self._state
        for name, array in state.arrays().items():
            array[...] = self._copies[""][name]
        state.load_state_dict(self._record)
        for name, callback in state.named_callbacks().items():
            if self._copies.get(name):
                callback.load_state_dict(copy_into({}, self._copies[name]))  # a copy, which the callback may change


def copy_into(buffers: Any, source: Any) -> Any:
    """Copy a tree of dicts, lists, arrays and plain values; reuse the arrays of `buffers`, an earlier copy."""
    if isinstance(source, dict):
        buffers = buffers if isinstance(buffers, dict) else {}
        return {name: copy_into(buffers.get(name), value) for name, value in source.items()}
    if isinstance(source, list | tuple):
        return type(source)(copy_into(None, value) for value in source)
    if not is_array(source):
        return source
    if is_array(buffers) and buffers.shape == source.shape and buffers.dtype == source.dtype:
        buffers[...] = source
        return buffers
    return source.copy()


def is_array(value: Any) -> bool:
    """True for arrays on the host or on a device, but not for NumPy scalars."""
    return (
        not isinstance(value, np.generic)
        and isinstance(getattr(value, "shape", None), tuple)
        and hasattr(value, "dtype")
        and hasattr(value, "copy")
    )


def digest_of(*arrays: Array) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the bits of arrays."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(np.ascontiguousarray(to_numpy(array)).data)
    return hashed.hexdigest()[:16]


def states_of(streams: Streams) -> Record:
    """The state of each random stream, as JSON values."""
    return {name: rng.bit_generator.state for name, rng in streams.items()}


def set_states(streams: Streams, states: Record) -> None:
    """Set the state of each random stream."""
    for name, rng in streams.items():
        rng.bit_generator.state = states[name]
