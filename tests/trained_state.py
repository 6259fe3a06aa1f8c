"""The state of a training that has ended, from which single steps can be made."""

from scratchvae.training import Callback


class StateRecorder(Callback):
    def on_fit_end(self, state):
        self.state = state


def state_after(trainer, x, epochs=1, **settings):
    """The state of the training that `trainer` runs on x: `state.train_step(batch)` makes one step more."""
    recorder = StateRecorder()
    trainer.fit(x, epochs, callbacks=[recorder], **settings)
    return recorder.state
