"""A warm training step allocates no memory that grows with the batch."""

import tracemalloc

import numpy as np
import pytest
from strategies import in_support, uniform

import scratchvae as sv
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.training import Callback, Checkpoint, EarlyStopping, KLWarmUp, MaxTime, SaltAndPepper
from scratchvae.training.minibatches import Minibatches, MinibatchSource

ALLOWED = 8192 * 8 + 8_000  # NumPy's casting buffer of 8192 numbers, and Python objects


def peak_of(run):
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


class NoHooks:
    """Replaces all callbacks."""

    def before_update(self, state):
        return None


class MeasuredTrainer(sv.Trainer):
    """Measures the allocation of a warm step in `fit`, the second of epoch 3; `alone` excludes the callbacks."""

    alone = True

    def _train_step(self, state, hooks, x):
        if (state.epoch, state.batch) != (3, 1):
            return super()._train_step(state, hooks, x)
        used_hooks = NoHooks() if self.alone else hooks
        results = []
        self.peak = peak_of(lambda: results.append(super(MeasuredTrainer, self)._train_step(state, used_hooks, x)))
        return results[0]

    def peak_in_fit(self, rows):
        """The peak in bytes, in a fit with three batches per epoch."""
        self.fit(rows, 3)
        return self.peak


class MeasuredTrainerWithCallbacks(MeasuredTrainer):
    alone = False


class MeasureLoop(Callback):
    """Measures the allocation of `fit` between the ends of the first and second step of epoch 3."""

    def on_step_end(self, state):
        if (state.epoch, state.batch) == (3, 1):
            tracemalloc.start()
            self._before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
        elif (state.epoch, state.batch) == (3, 2):
            self.peak = tracemalloc.get_traced_memory()[1] - self._before
            tracemalloc.stop()


CONFIGURATIONS = [
    (activation, optimizer, "bernoulli") for activation in ACTIVATIONS for optimizer in ("Adam", "AdamW", "SGD")
]
CONFIGURATIONS += [("relu", "Adam", likelihood) for likelihood in LIKELIHOODS if likelihood != "bernoulli"]


@pytest.mark.parametrize(("activation", "optimizer", "likelihood"), CONFIGURATIONS)
def test_a_warm_training_step_allocates_no_arrays(activation, optimizer, likelihood):
    peaks = []
    for batch in (128, 512):
        vae = sv.VAE(200, 8, (64,), activation, likelihood)
        trainer = MeasuredTrainer(vae, batch_size=batch, optimizer=getattr(sv.optim, optimizer)(), clip_norm=1.0)
        rows = in_support(likelihood, uniform(0, 3 * batch, 200)).astype("float32")
        peaks.append(trainer.peak_in_fit(rows))
    assert max(peaks) < ALLOWED
    assert abs(peaks[1] - peaks[0]) < 8 * 512  # the sums of the epoch use eight bytes per row, in NumPy's buffer


@pytest.mark.parametrize(
    ("settings", "training"),
    [({"free_bits": 0.1}, {}), ({}, {"kl_weight": KLWarmUp(10)}), ({}, {"corrupt": SaltAndPepper(0.3)})],
    ids=["free bits", "warm-up", "corruption"],
)
def test_a_warm_step_with_free_bits_warm_up_or_corruption_allocates_no_arrays(settings, training):
    peaks = []
    for batch in (1024, 4096):  # NumPy's buffers have their full size
        vae = sv.VAE(20, 8, (16,), **settings)
        trainer = MeasuredTrainerWithCallbacks(vae, batch_size=batch, **training)
        peaks.append(trainer.peak_in_fit(uniform(0, 3 * batch, 20).astype("float32")))
    assert max(peaks) < ALLOWED + 8192  # the sums use eight bytes per number
    assert abs(peaks[1] - peaks[0]) < 1_000


def test_the_training_loop_with_callbacks_allocates_no_arrays(tmp_path):
    peaks = []
    for batch in (2048, 4096):
        trainer = sv.Trainer(sv.VAE(20, 8, (16,)), batch_size=batch, clip_norm=1.0)
        rows, measure = uniform(0, 3 * batch, 20).astype("float32"), MeasureLoop()
        callbacks = [measure, Checkpoint(tmp_path / f"{batch}.npz"), EarlyStopping(5), MaxTime(600)]
        trainer.fit(rows, 3, validation=rows, retries=3, callbacks=callbacks)
        peaks.append(measure.peak)
    assert max(peaks) < 2 * ALLOWED  # gathering rows has its own buffer
    assert abs(peaks[1] - peaks[0]) < 1_000


def test_gathering_and_binarizing_a_warm_minibatch_allocates_no_arrays():
    images = uniform(0, 2048, 200).astype("float32")
    trainer = sv.Trainer(sv.VAE(200, 8, (64,)), batch_size=512, binarize="dynamic")
    order = trainer._streams["training order"]
    rows = iter(Minibatches(MinibatchSource(trainer.model, images, 512, order, trainer._preprocess)))
    next(rows)
    assert peak_of(lambda: next(rows)) < ALLOWED


def test_trainer_step_allocates_no_arrays():
    x = uniform(0, 512, 200).astype("float32")
    trainer = sv.Trainer(sv.VAE(200, 8, (64,)), batch_size=512)
    for _ in range(2):
        trainer.step(x)
    assert peak_of(lambda: trainer.step(x)) < ALLOWED


@pytest.mark.parametrize("kind", [sv.VAE, sv.IWAE])
def test_a_warm_step_of_incomplete_rows_allocates_no_arrays(kind):
    peaks = []
    for batch in (128, 256):
        model = kind(100, 8, (32,), missing=True)
        x = uniform(0, 3 * batch, 100).astype("float32")
        x[uniform(1, 3 * batch, 100) < 0.3] = np.nan
        peaks.append(MeasuredTrainer(model, batch_size=batch).peak_in_fit(x))
    assert max(peaks) < ALLOWED
    assert abs(peaks[1] - peaks[0]) < 1_000
