"""The callbacks of one fit, and the order in which each moment calls them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.training.callback import RESTART_EPOCH, SKIP, Callback, overridden
from scratchvae.training.callbacks import Checkpoint, EarlyStopping, FiniteCheck, HistoryRecorder, ReduceLROnPlateau
from scratchvae.training.history import stop_reason_of
from scratchvae.training.state import Snapshot, TrainingState, name_callbacks
from scratchvae.validation import check_type, short_repr


class Hooks:
    """The callbacks that are given, those that `fit` always has, and those that its arguments stand for.

    The history is recorded first, and checkpoints are written last; between them all are called in the order in which
    they are given, but that finite numbers are kept once all others have done their part. Raises ConfigError.
    """

    def __init__(
        self,
        given: Sequence[Callback],
        shorthands: Mapping[type[Callback], Callback | None],
        always: Sequence[type[Callback]],
    ) -> None:
        if not isinstance(given, list | tuple):
            raise ConfigError(
                f"callbacks={short_repr(given)}: expected a list of callbacks, such as [EarlyStopping(5)]"
            )
        for k, callback in enumerate(given):
            check_type(f"callbacks[{k}]", callback, Callback, "a callback, such as EarlyStopping(5)")
            for name in dir(type(callback)):
                if name.startswith("on_") and not hasattr(Callback, name):
                    hooks = ", ".join(hook for hook in dir(Callback) if hook.startswith("on_"))
                    raise ConfigError(f"{type(callback).__name__}.{name} is never called; write one of {hooks}")
        for kind, short in shorthands.items():
            if short is not None and any(isinstance(callback, kind) for callback in given):
                name = {"EarlyStopping": "patience", "FiniteCheck": "retries"}.get(kind.__name__, kind.__name__.lower())
                raise ConfigError(f"{name}= and a {kind.__name__} among the callbacks were both given: leave one out")
        made = [callback for callback in shorthands.values() if callback is not None]
        missing = [kind() for kind in always if not any(isinstance(each, kind) for each in (*given, *made))]
        self.callbacks = sorted((*missing, *made, *given), key=_place)
        late = sorted(self.callbacks, key=_late_place)
        self._begin_epoch, self._end_step = overridden(late, "on_epoch_begin"), overridden(late, "on_step_end")
        self._before_update = overridden(self.callbacks, "on_before_update")
        self._may_restart = any(
            each.retries if isinstance(each, FiniteCheck) else not isinstance(each, HistoryRecorder)
            for each in self._before_update
        )

    def find(self, kind: type[Callback]) -> Any:
        """The callback of that kind; None without."""
        return next((callback for callback in self.callbacks if isinstance(callback, kind)), None)

    def weight_changing_callbacks(self) -> dict[str, Any]:
        """The callbacks that a resumed training has to have as well, by name: the kind of each, and how it is set."""
        kinds = (EarlyStopping, ReduceLROnPlateau)
        acting = [each for each in self.callbacks if isinstance(each, kinds) or each in self._before_update[2:]]
        return {name: _settings_of(callback) for name, callback in name_callbacks(acting).items()}

    def begin_fit(self, state: TrainingState) -> None:
        """Training is about to begin; where a callback refuses it, it ends for those that were called before."""
        begun: list[Callback] = []
        try:
            for callback in self.callbacks:
                callback.on_fit_begin(state)
                begun.append(callback)
        except BaseException as error:
            state.error, state.stop_reason = error, stop_reason_of(error)
            self._end(begun, state)
            raise

    @contextmanager
    def running(self, state: TrainingState) -> Iterator[None]:
        """While training runs; at its end, however it comes, each callback is called."""
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
        """A new epoch begins; keep where, if training may go back there."""
        for callback in self._begin_epoch:
            callback.on_epoch_begin(state)
        if self._may_restart:
            if state.epoch_start is None:
                state.epoch_start = Snapshot(state)
            else:
                state.epoch_start.save()

    def before_update(self, state: TrainingState) -> str | None:
        """The first answer of a callback that is not None. Raises ConfigError for an answer that is none."""
        for callback in self._before_update:
            answer = callback.on_before_update(state)
            if answer is not None:
                if not isinstance(answer, str) or answer not in (SKIP, RESTART_EPOCH):
                    raise ConfigError(
                        f"{type(callback).__name__}.on_before_update answered {short_repr(answer)}; "
                        f"expected None, {SKIP!r} or {RESTART_EPOCH!r}"
                    )
                return answer
        return None

    def end_step(self, state: TrainingState) -> None:
        """A step was made."""
        for callback in self._end_step:
            callback.on_step_end(state)

    def end_epoch(self, state: TrainingState) -> None:
        """An epoch was run to its end."""
        for callback in self.callbacks:
            callback.on_epoch_end(state)
            if state.restart_requested:
                return


def _settings_of(callback: Callback) -> dict[str, Any]:
    """The arguments that it was made with, and not what it has come to since."""
    arguments = inspect.signature(type(callback).__init__).parameters
    settings = {name: value for name, value in vars(callback).items() if name in arguments}
    return {"kind": type(callback).__qualname__, **settings}


def _place(callback: Callback) -> int:
    order = (HistoryRecorder, FiniteCheck)
    return next((k for k, kind in enumerate(order) if isinstance(callback, kind)), 3 + isinstance(callback, Checkpoint))


def _late_place(callback: Callback) -> float:
    return 3.5 if isinstance(callback, FiniteCheck) else _place(callback)
