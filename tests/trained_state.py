"""The state at the end of a training, for tests of single steps."""

from scratchvae.training import Callback


class StateRecorder(Callback):
    def on_fit_end(self, state):
        self.state = state


def state_after(trainer, x, epochs=1, **settings):
    """Train on x and return the state at the end; `state.train_step(batch)` makes one more step."""
    recorder = StateRecorder()
    trainer.fit(x, epochs, callbacks=[recorder], **settings)
    return recorder.state
