"""A training whose steps can be made one by one, once it has ended."""

from scratchvae.training import Callback


class Kept(Callback):
    def on_fit_end(self, state):
        self.state = state


def state_after(trainer, x, epochs=1, **settings):
    """The state of the training that `trainer` runs on x: `state.train_step(batch)` makes one step more."""
    kept = Kept()
    trainer.fit(x, epochs, callbacks=[kept], **settings)
    return kept.state
