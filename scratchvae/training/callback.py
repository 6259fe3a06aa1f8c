"""The one interface by which everything else hangs on the training loop."""

from __future__ import annotations

from typing import Any, ClassVar

from scratchvae.representation import call_repr
from scratchvae.training.state import TrainingState

SKIP, RESTART_EPOCH = "skip", "restart epoch"


class Callback:
    """What happens beside the steps of a training: each method is called at its moment, with the loop's state.

        class PrintLoss(Callback):
            def on_epoch_end(self, state):
                print(state.record.loss)

        trainer.fit(images, 10, callbacks=[PrintLoss()])

    A method may end training after the step at hand, by `state.stop("a reason")`. Callbacks are called in the order in
    which they are given, on_fit_end in reverse. One that raises ends training: what was learnt stays, and so does the
    last checkpoint.

    `state_dict` is what a checkpoint keeps of a callback, by name: numbers, strings, lists, dicts, and arrays whose
    names and shapes are those of the begin. So training that is resumed goes on with the same bits. `on_fit_begin` sets
    it to where a new training begins. What a callback has set elsewhere, such as `state.optimizer.lr`, it sets again in
    `load_state_dict`; what it asked for by `state.scale_lr` is kept.
    """

    rolled_back: ClassVar[bool] = True  # whether its state goes back with training, where an epoch is run again

    __repr__ = call_repr

    def on_fit_begin(self, state: TrainingState) -> None:
        """Called before anything is changed; what raises here leaves the model as it was."""

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Called before the first step of an epoch, and where a training is resumed."""

    def on_before_update(self, state: TrainingState) -> str | None:
        """Called after backward, with the gradient, clipped if so set, in `state.model.dtheta`.

        No other thread uses the model meanwhile.

        "skip" leaves this update out; "restart epoch" goes back to where the epoch began. None goes on.
        """
        return None

    def on_step_end(self, state: TrainingState) -> None:
        """Called after each step."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Called after each epoch, with its figures in `state.record`."""

    def on_fit_end(self, state: TrainingState) -> None:
        """Called when training ends, however it does: `state.stop_reason` says why, `state.error` is what ended it."""

    def state_dict(self) -> dict[str, Any]:
        """What has to be kept, so that training can be resumed; arrays by reference."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


def overridden(callbacks: list[Callback], method: str) -> list[Callback]:
    """The callbacks whose class has written that method."""
    return [each for each in callbacks if getattr(type(each), method) is not getattr(Callback, method)]
