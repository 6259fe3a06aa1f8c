"""The callback interface of the training loop."""

from __future__ import annotations

from typing import Any, ClassVar

from scratchvae.representation import call_repr
from scratchvae.training.state import TrainingState

SKIP, RESTART_EPOCH = "skip", "restart epoch"


class Callback:
    """Base class of callbacks: methods that the training loop calls at fixed points, with its state.

        class PrintLoss(Callback):
            def on_epoch_end(self, state):
                print(state.record.loss)

        trainer.fit(images, 10, callbacks=[PrintLoss()])

    A method may end training after the current step by `state.stop("a reason")`. Callbacks are called in the order of
    the list, and `on_fit_end` in reverse order. If a callback raises an exception, training ends; the model keeps its
    current weights, and the last checkpoint remains.

    Of several processes, each calls its callbacks. One that prints or writes files does so only if `state.is_root`. One
    that changes weights must do the same in all.

    `state_dict` returns the state that a checkpoint saves, so that resumed training gives the same bits: numbers,
    strings, lists, dicts, and arrays. The names and shapes of the arrays must not change during training.
    `on_fit_begin` initializes this state. If a callback sets attributes of other objects, such as
    `state.optimizer.lr`, its `load_state_dict` must set them again; factors set by `state.scale_lr` are saved anyway.
    """

    rolled_back: ClassVar[bool] = True  # False: the state is kept when an epoch is restarted

    __repr__ = call_repr

    def on_fit_begin(self, state: TrainingState) -> None:
        """Called before training changes anything; an exception here leaves the model unchanged."""

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Called before the first step of an epoch, and when training is resumed within an epoch."""

    def on_before_update(self, state: TrainingState) -> str | None:
        """Called between backward and the update, with the gradient (after clipping) in `state.model.dtheta`.

        Return None to do the update, "skip" to leave it out, or "restart epoch" to restore the state at the begin of
        the epoch. No other thread uses the model during the call.
        """
        return None

    def on_step_end(self, state: TrainingState) -> None:
        """Called after each step."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Called after each epoch, with its record in `state.record`."""

    def on_fit_end(self, state: TrainingState) -> None:
        """Called when training ends, also after an exception: see `state.stop_reason` and `state.error`."""

    def state_dict(self) -> dict[str, Any]:
        """The state to save in a checkpoint; arrays by reference, not copied."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""


def overridden(callbacks: list[Callback], method: str) -> list[Callback]:
    """The callbacks whose class overrides this method."""
    base = getattr(Callback, method)
    return [callback for callback in callbacks if getattr(type(callback), method) is not base]
