"""The callbacks of one fit, and the order in which they are called."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.training.callback import RESTART_EPOCH, SKIP, Callback, overridden
from scratchvae.training.callbacks import Checkpoint, EarlyStopping, FiniteCheck, HistoryRecorder, ReduceLROnPlateau
from scratchvae.training.history import stop_reason_of
from scratchvae.training.state import Snapshot, TrainingState, name_callbacks
from scratchvae.validation import check_type, short_repr, shorten


class Hooks:
    """All callbacks of a fit: the user's, those of the arguments of `fit` (`shorthands`), and those `always` present.

    The history is recorded first, and checkpoints are written last. The others are called in the order of the list,
    except that FiniteCheck takes its snapshots after all of them. Raises ConfigError.
    """

    def __init__(
        self,
        callbacks: Sequence[Callback],
        shorthands: Mapping[type[Callback], Callback | None],
        always: Sequence[type[Callback]],
    ) -> None:
        if not isinstance(callbacks, list | tuple):
            raise ConfigError(
                f"callbacks={short_repr(callbacks)}: expected a list of callbacks, such as [EarlyStopping(5)]"
            )
        for k, callback in enumerate(callbacks):
            check_type(f"callbacks[{k}]", callback, Callback, "a callback, such as EarlyStopping(5)")
            for name in dir(type(callback)):
                if name.startswith("on_") and not hasattr(Callback, name):
                    hooks = ", ".join(hook for hook in dir(Callback) if hook.startswith("on_"))
                    raise ConfigError(
                        f"{shorten(f'{type(callback).__name__}.{name}')} is never called; the hooks are {hooks}"
                    )
        for kind, shorthand in shorthands.items():
            if shorthand is not None and any(isinstance(callback, kind) for callback in callbacks):
                name = {"EarlyStopping": "patience", "FiniteCheck": "retries"}.get(kind.__name__, kind.__name__.lower())
                raise ConfigError(f"{name}= and {kind.__name__} among the callbacks exclude each other; leave one out")
        from_arguments = [callback for callback in shorthands.values() if callback is not None]
        present = (*callbacks, *from_arguments)
        missing = [kind() for kind in always if not any(isinstance(callback, kind) for callback in present)]
        self.callbacks = sorted((*missing, *from_arguments, *callbacks), key=_call_order)
        finite_check_late = sorted(self.callbacks, key=_late_call_order)
        self._begin_epoch = overridden(finite_check_late, "on_epoch_begin")
        self._end_step = overridden(finite_check_late, "on_step_end")
        self._before_update = overridden(self.callbacks, "on_before_update")
        self._may_restart = any(
            not isinstance(callback, FiniteCheck) or callback.retries for callback in self._before_update
        )

    def find(self, kind: type[Callback]) -> Any:
        """The first callback of this class, or None."""
        return next((callback for callback in self.callbacks if isinstance(callback, kind)), None)

    def weight_changing_callbacks(self) -> dict[str, Any]:
        """The callbacks that change the weights: class and settings by name. Resumed training must have the same."""
        kinds = (EarlyStopping, ReduceLROnPlateau)
        own_updates = self._before_update[1:]  # the first is FiniteCheck
        acting = [callback for callback in self.callbacks if isinstance(callback, kinds) or callback in own_updates]
        return {name: _settings_of(callback) for name, callback in name_callbacks(acting).items()}

    def begin_fit(self, state: TrainingState) -> None:
        """Call `on_fit_begin`. If a callback raises, call `on_fit_end` of those that were called before it."""
        begun: list[Callback] = []
        try:
            with nullcontext() if state.group is None else state.group.together():
                for callback in self.callbacks:
                    callback.on_fit_begin(state)
                    begun.append(callback)
        except BaseException as error:
            state.error, state.stop_reason = error, stop_reason_of(error)
            self._end(begun, state)
            raise

    @contextmanager
    def running(self, state: TrainingState) -> Iterator[None]:
        """A context for the run: when it ends, normally or by an exception, call `on_fit_end` of all callbacks."""
        try:
            yield
        except BaseException as error:
            state.error, state.stop_reason = error, stop_reason_of(error)
            raise
        finally:
            self._end(list(self.callbacks), state)

    def _end(self, begun: list[Callback], state: TrainingState) -> None:
        try:
            if begun:
                begun.pop().on_fit_end(state)
        except BaseException as error:
            state.error = state.error or error
            raise
        finally:
            if begun:
                self._end(begun, state)

    def begin_epoch(self, state: TrainingState) -> None:
        """Call `on_epoch_begin`; take a snapshot if a callback may restart the epoch."""
        for callback in self._begin_epoch:
            callback.on_epoch_begin(state)
        if self._may_restart:
            if state.epoch_start is None:
                state.epoch_start = Snapshot(state)
            else:
                state.epoch_start.save()

    def before_update(self, state: TrainingState) -> str | None:
        """Call `on_before_update` until a callback returns an action, and return that. Raises ConfigError."""
        for callback in self._before_update:
            action = callback.on_before_update(state)
            if action is not None:
                if not isinstance(action, str) or action not in (SKIP, RESTART_EPOCH):
                    raise ConfigError(
                        f"{shorten(type(callback).__name__)}.on_before_update returned {short_repr(action)}; "
                        f"expected None, {SKIP!r} or {RESTART_EPOCH!r}"
                    )
                return action
        return None

    def end_step(self, state: TrainingState) -> None:
        """Call `on_step_end`."""
        for callback in self._end_step:
            callback.on_step_end(state)

    def end_epoch(self, state: TrainingState) -> None:
        """Call `on_epoch_end`, until a callback requests a restart of the epoch."""
        for callback in self.callbacks:
            callback.on_epoch_end(state)
            if state.restart_requested:
                return


def _settings_of(callback: Callback) -> dict[str, Any]:
    """The class and the constructor arguments of a callback, without its training state."""
    arguments = inspect.signature(type(callback).__init__).parameters
    settings = {name: value for name, value in vars(callback).items() if name in arguments}
    return {"kind": type(callback).__qualname__, **settings}


def _call_order(callback: Callback) -> int:
    first = (HistoryRecorder, FiniteCheck)
    return next((k for k, kind in enumerate(first) if isinstance(callback, kind)), 3 + isinstance(callback, Checkpoint))


def _late_call_order(callback: Callback) -> float:
    return 3.5 if isinstance(callback, FiniteCheck) else _call_order(callback)
