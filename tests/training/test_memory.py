"""A warm step allocates nothing that grows with the batch."""

import tracemalloc

import numpy as np
import pytest
from drawing import uniform

import scratchvae as sv
from scratchvae.models.likelihoods import LIKELIHOODS
from scratchvae.models.network import ACTIVATIONS
from scratchvae.training import KLWarmUp, SaltAndPepper
from scratchvae.training.minibatches import Minibatches
from scratchvae.training.tally import Tally

ALLOWED = 8192 * 8 + 8_000  # the buffer of 8192 numbers through which NumPy casts and broadcasts, and Python objects


def peak_of(run):
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


PIECES = [(activation, optimizer, "bernoulli") for activation in ACTIVATIONS for optimizer in ("Adam", "AdamW", "SGD")]
PIECES += [("relu", "Adam", likelihood) for likelihood in LIKELIHOODS if likelihood != "bernoulli"]


@pytest.mark.parametrize(("activation", "optimizer", "likelihood"), PIECES)
def test_a_warm_training_step_allocates_no_arrays(activation, optimizer, likelihood):
    peaks = []
    for batch in (128, 512):
        vae = sv.VAE(200, 8, (64,), activation, likelihood)
        trainer = sv.Trainer(vae, batch_size=batch, optimizer=getattr(sv.optim, optimizer)(), clip_norm=1.0)
        images = uniform(0, 2 * batch, 200).astype("float32")
        batches = Minibatches(images, batch, trainer.steps.streams["training order"], None, vae.backend, vae.dtype)
        for _ in range(2):
            for x in batches:
                trainer.steps.update(x)
        peaks.append(peak_of(lambda trainer=trainer, x=x: trainer.steps.update(x)))
    assert max(peaks) < ALLOWED
    assert abs(peaks[1] - peaks[0]) < 1_000


@pytest.mark.parametrize(
    ("settings", "training"),
    [({"free_bits": 0.1}, {}), ({}, {"kl_weight": KLWarmUp(10)}), ({}, {"corrupt": SaltAndPepper(0.3)})],
    ids=["free bits", "warm-up", "corruption"],
)
def test_neither_does_one_that_charges_weighs_corrupts_and_tallies(settings, training):
    peaks = []
    for batch in (1024, 4096):  # at which NumPy's buffers are as large as they get
        vae = sv.VAE(20, 8, (16,), **settings)
        trainer = sv.Trainer(vae, batch_size=batch, **training)
        images = uniform(0, 8 * batch, 20).astype("float32")
        batches = Minibatches(
            images,
            batch,
            trainer.steps.streams["training order"],
            None,
            vae.backend,
            vae.dtype,
            corruptor=trainer.steps.corruptor,
        )
        tally, rows = Tally(vae, batch), iter(batches)

        def step(trainer=trainer, tally=tally, rows=rows, batches=batches):
            trainer.steps.update(next(rows), batches.corrupted)
            tally.add()

        for _ in range(4):
            step()
        peaks.append(peak_of(step))
    assert max(peaks) < ALLOWED + 8192  # numbers of eight bytes, those of the tally
    assert abs(peaks[1] - peaks[0]) < 1_000


def test_gathering_and_binarising_a_warm_minibatch_allocates_no_arrays():
    images = uniform(0, 2048, 200).astype("float32")
    trainer = sv.Trainer(sv.VAE(200, 8, (64,)), batch_size=512, binarize="dynamic")
    batches = Minibatches(
        images,
        512,
        trainer.steps.streams["training order"],
        trainer.steps.binarizer,
        trainer.model.backend,
        np.dtype("float32"),
    )
    rows = iter(batches)
    next(rows)
    assert peak_of(lambda: next(rows)) < ALLOWED


def test_the_front_doors_step_allocates_no_arrays_either():
    x = uniform(0, 512, 200).astype("float32")
    trainer = sv.Trainer(sv.VAE(200, 8, (64,)), batch_size=512)
    for _ in range(2):
        trainer.step(x)
    assert peak_of(lambda: trainer.step(x)) < ALLOWED


@pytest.mark.parametrize("kind", [sv.VAE, sv.IWAE])
def test_nor_does_a_warm_step_of_rows_that_are_not_all_there(kind):
    peaks = []
    for batch in (128, 256):
        model = kind(100, 8, (32,), missing=True)
        trainer = sv.Trainer(model, batch_size=batch)
        x = uniform(0, batch, 100).astype("float32")
        x[uniform(1, batch, 100) < 0.3] = np.nan
        for _ in range(2):
            trainer.steps.update(x)
        peaks.append(peak_of(lambda trainer=trainer, x=x: trainer.steps.update(x)))
    assert max(peaks) < ALLOWED
    assert abs(peaks[1] - peaks[0]) < 1_000
