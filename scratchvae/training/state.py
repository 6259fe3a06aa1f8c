"""Where a training is: what its callbacks may read and ask for, and a snapshot that it can be put back to."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.models import ELBOTerms, Model
from scratchvae.optim import Optimizer, ScaledSchedule
from scratchvae.training.history import Epoch, History
from scratchvae.training.minibatches import Minibatches
from scratchvae.training.totals import EpochTotals
from scratchvae.validation import check_float, check_int, check_positive, short_repr

Record = dict[str, Any]  # plain values, as JSON can hold them
Streams = dict[str, np.random.Generator]
COUNTS = ("updates", "epochs", "first_epoch", "batch")


class TrainingState:
    """The state of one call of `fit`.

    model, optimizer, history, batches   what is trained, by what, on what
    epochs        asked for in this call
    settings      how the training was set up, as JSON can hold it; what a resumed one has to equal
    validate      the loss of the validation rows; None without such rows
    epoch         the number of the epoch at hand, counted from 1; in `on_epoch_end` that of the next, and
                  `record.epoch` is that of the one that has ended
    batch         batches of the epoch at hand that are done
    updates       updates that the optimizer has made
    terms         `ELBOTerms` of the last step, valid until the next
    totals        `EpochTotals` of the epoch at hand
    record        the `Epoch` that has just ended
    stop_reason   why training ends; "" while it goes on
    error         the exception that ended it
    """

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        history: History,
        batches: Minibatches,
        streams: Streams,
        epochs: int,
        validate: Callable[[], float] | None,
        callbacks: list[Any],
        settings: Record,
    ) -> None:
        self.model, self.optimizer, self.history, self.batches = model, optimizer, history, batches
        self.streams, self.epochs, self.validate, self.settings = streams, epochs, validate, settings
        self.callbacks = callbacks
        self.first_epoch = len(history.epochs)  # of this call
        self.totals: EpochTotals
        self.terms: ELBOTerms | None = None
        self.record: Epoch | None = None
        self.stop_reason = ""
        self.error: BaseException | None = None
        self.train_step: Callable[[Array], Any]  # one step from a batch, as the loop makes it
        self.epoch_start: Snapshot | None = None  # where "restart epoch" goes back to
        self.restart_requested = False
        self.resume_from: Callable[[], None] | None = None  # what a checkpoint asks for, once all is set up
        self.resume_at = -1  # updates that it has behind it: of several, the one that came furthest
        self._lr_factors: dict[str, float] = {}
        self._schedule = self._scaled = optimizer.schedule
        self.reset_epoch()

    @property
    def epoch(self) -> int:
        """The number of the epoch at hand, counted from 1."""
        return len(self.history.epochs) + 1

    @property
    def updates(self) -> int:
        """How many updates the optimizer has made."""
        return self.optimizer.t

    @property
    def batches_done(self) -> int:
        """How many batches of this call are done."""
        return (len(self.history.epochs) - self.first_epoch) * len(self.batches) + self.batch

    @property
    def last_batch(self) -> bool:
        """Whether the step that was just made is the last one of its epoch."""
        return self.batch >= len(self.batches)

    def stop(self, reason: str = "callback") -> None:
        """Let training end after the step at hand. Raises ConfigError."""
        if not isinstance(reason, str) or not reason:
            raise ConfigError(f"reason={short_repr(reason)}: expected a word or a few, such as 'enough'")
        if self.stop_reason in ("", "interrupted"):
            self.stop_reason = reason

    def scale_lr(self, by: str, factor: float) -> None:
        """Multiply the learning rate that was asked for by `factor`, which replaces the last one of the same `by`.

        Raises ConfigError.
        """
        self._set_lr_factors({**self._lr_factors, by: check_positive("factor", factor)})

    def _set_lr_factors(self, factors: dict[str, float]) -> None:
        if self.optimizer.schedule is not self._scaled:  # somebody has set another one
            self._schedule = self.optimizer.schedule
        self._lr_factors, factor = factors, prod(factors.values())
        self._scaled = self._schedule if factor == 1 else ScaledSchedule(self._schedule, factor)
        self.optimizer.schedule = self._scaled

    def restart_epoch(self) -> None:
        """Go back to where the epoch began, with the learning rate as it is now."""
        assert self.epoch_start is not None
        factors = self._lr_factors
        with self.model.write_lock():
            self.epoch_start.restore()
        self._set_lr_factors(factors)
        self.epoch_start.save()
        self.restart_requested = False

    @property
    def finished(self) -> bool:
        """Whether all epochs that were asked for have ended."""
        return len(self.history.epochs) - self.first_epoch >= self.epochs

    def reset_epoch(self) -> None:
        """Let an epoch begin."""
        self.order = self.streams["training order"].bit_generator.state  # from which the rest of it can be had again
        self.batch = 0
        self.seconds = 0.0  # that the epoch's steps took

    def start_clock(self) -> None:
        """Count the seconds of the epoch from now on."""
        self._began = time.perf_counter() - self.seconds

    def stop_clock(self) -> float:
        """The seconds of the epoch so far."""
        self.seconds = time.perf_counter() - self._began
        return self.seconds

    def arrays(self) -> dict[str, Array]:
        """The weights and what the optimizer remembers, which change in place."""
        memory = {f"optimizer/{name}": array for name, array in self.optimizer.state.items()}
        return {"theta": self.model.theta, **memory}

    def state_dict(self) -> Record:
        """How many updates were made, where each random stream is, and where in the epoch we are.

        The stream of the order is where it was when the epoch began: so the rest of the order can be had again.
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
        """Go on from what `state_dict` gave."""
        count = {name: check_int(name, record[name], minimum=0) for name in COUNTS}
        factors = {str(by): check_float(str(by), factor) for by, factor in record["lr_factors"].items()}
        set_states(self.streams, record["streams"])
        self.order = record["streams"]["training order"]
        self.optimizer.t = count["updates"]
        del self.history.epochs[count["epochs"] :]
        self.first_epoch, self.batch = count["first_epoch"], count["batch"]
        self.seconds = check_float("seconds", record["seconds"])
        self._set_lr_factors(factors)

    def named_callbacks(self) -> dict[str, Any]:
        """The callbacks by name."""
        return name_callbacks(self.callbacks)


def name_callbacks(callbacks: list[Any]) -> dict[str, Any]:
    """Each callback by the name of its class, with a number where there are several."""
    named: dict[str, Any] = {}
    for callback in callbacks:
        name, number = type(callback).__name__, 1
        while (full := name if number == 1 else f"{name}.{number}") in named:
            number += 1
        named[full] = callback
    return named


class Snapshot:
    """A copy in memory of where a training is, that it can be put back to."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._kept: dict[str, Any] = {}
        self.save()

    def save(self) -> None:
        """Copy where the training is now."""
        state = self._state
        self._record = state.state_dict()
        states = {name: each.state_dict() for name, each in state.named_callbacks().items() if each.rolled_back}
        self._kept = copy_into(self._kept, {"": state.arrays(), **states})

    def restore(self) -> None:
        """Put the training back to where it was."""
        state = self._state
        for name, array in state.arrays().items():
            array[...] = self._kept[""][name]
        state.load_state_dict(self._record)
        for name, callback in state.named_callbacks().items():
            if self._kept.get(name):
                callback.load_state_dict(copy_into({}, self._kept[name]))  # what it may go on in is not ours


def copy_into(kept: Any, new: Any) -> Any:
    """A copy of a tree of dicts, lists, arrays and plain values, in the memory of the one that was `kept` before."""
    if isinstance(new, dict):
        kept = kept if isinstance(kept, dict) else {}
        return {name: copy_into(kept.get(name), value) for name, value in new.items()}
    if isinstance(new, list | tuple):
        return type(new)(copy_into(None, value) for value in new)
    if not is_array(new):
        return new
    if is_array(kept) and kept.shape == new.shape and kept.dtype == new.dtype:
        kept[...] = new
        return kept
    return new.copy()


def is_array(value: Any) -> bool:
    """Whether it is an array, on the host or on a device; NumPy's numbers are none."""
    return (
        not isinstance(value, np.generic)
        and isinstance(getattr(value, "shape", None), tuple)
        and hasattr(value, "dtype")
        and hasattr(value, "copy")
    )


def states_of(streams: Streams) -> Record:
    """Where each stream is, as JSON can hold it."""
    return {purpose: rng.bit_generator.state for purpose, rng in streams.items()}


def set_states(streams: Streams, states: Record) -> None:
    """Let each stream go on from there."""
    for purpose, rng in streams.items():
        rng.bit_generator.state = states[purpose]
