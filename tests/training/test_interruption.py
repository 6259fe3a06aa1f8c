"""Ctrl-C ends training between two steps and preserves the weights."""

import signal
import threading

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.training.interrupt import DeferredInterrupt

IMAGES = uniform(0, 50, 9).astype("float32")


@pytest.fixture(autouse=True)
def signals():
    """Handle SIGINT even if this process was started to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def interrupt_at(vae, step):
    forward, count = vae.forward, iter(range(10**9))

    def interrupting_forward(x, eps):
        if next(count) == step:
            press_ctrl_c()
        return forward(x, eps)

    vae.forward = interrupting_forward


def test_ctrl_c_ends_training_after_the_current_step():
    vae, reference = sv.VAE(9, 2, (8,)), sv.VAE(9, 2, (8,))
    interrupt_at(vae, 5)
    trainer = sv.Trainer(vae, batch_size=25)
    history = trainer.fit(IMAGES, 100)
    assert history.stopped == "interrupted"
    assert trainer.optimizer.t == 6
    assert len(history.epochs) == 3  # the current step was the last of its epoch
    sv.Trainer(reference, batch_size=25).fit(IMAGES, 3)
    assert np.array_equal(vae.theta, reference.theta)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_epoch_interrupted_by_ctrl_c_is_not_recorded():
    vae = sv.VAE(9, 2, (8,))
    interrupt_at(vae, 4)
    trainer = sv.Trainer(vae, batch_size=25)
    history = trainer.fit(IMAGES, 100)
    assert (history.stopped, trainer.optimizer.t, len(history.epochs)) == ("interrupted", 5, 2)


def test_ctrl_c_with_early_stopping_restores_the_best_weights():
    vae = sv.VAE(9, 2, (8,))
    interrupt_at(vae, 9)
    history = sv.Trainer(vae, batch_size=25).fit(IMAGES, 100, validation=IMAGES, patience=50)
    assert history.stopped == "interrupted"
    assert -sv.score(vae, IMAGES).value == min(history.validation)


def test_a_second_ctrl_c_interrupts_at_once():
    reasons = []
    with pytest.raises(KeyboardInterrupt), DeferredInterrupt(reasons.append):
        press_ctrl_c()
        assert reasons == ["interrupted"]
        press_ctrl_c()
    assert reasons == ["interrupted"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outside_the_main_thread_no_signal_handler_is_installed():
    result = []

    def fit():
        result.append(sv.Trainer(sv.VAE(9, 2, (8,)), batch_size=25).fit(IMAGES, 2).stopped)

    thread = threading.Thread(target=fit)
    thread.start()
    thread.join(60)
    assert result == ["finished"]
