"""A posterior that has collapsed is told of, with the way out; a healthy one, or one on its way, is not."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import CollapseWarning
from scratchvae.training import CollapseDetector, KLWarmUp
from scratchvae.training.callbacks.collapse_warning import collapsed
from scratchvae.training.history import Epoch

MODEL = sv.VAE(4, 2, (3,))
DIGITS = sv.datasets.load("digits").train.images


def caught(epochs, kl_weight=None, trainer=None, images=DIGITS, **settings):
    trainer = trainer or sv.Trainer(sv.VAE(64, 10, (64,), **settings), lr=2e-3, kl_weight=kl_weight)
    with warnings.catch_warnings(record=True) as kept:
        warnings.simplefilter("always")
        trainer.fit(images, epochs)
    return kept, trainer.history


def test_a_beta_of_50_collapses_and_is_told_of_once_where_fit_was_called():
    (warning,), history = caught(45, beta=50.0)
    assert warning.category is CollapseWarning and warning.filename == __file__
    text = str(warning.message)
    assert "0 of 10 latent dimensions" in text and "0.01 nats" in text
    for way_out in ("beta below 50", "KLWarmUp", "--kl-warmup", "free_bits", "smaller decoder"):
        assert way_out in text
    assert max(history.kl_per_dimension[-1]) < 0.01
    assert history.active_units[-1] == 0


def test_a_gaussian_as_wide_as_the_data_collapses_and_is_told_to_be_narrower():
    (warning,), _ = caught(45, likelihood="gaussian")
    assert "Try a sigma below 1 or likelihood='gaussian_learned', a beta below 1, kl_weight=KLWarmUp" in str(warning.message)
    assert caught(45, likelihood="gaussian", sigma=0.2)[0] == []


@pytest.mark.parametrize(
    "settings",
    [{}, {"beta": 2.0}, {"beta": 50.0, "free_bits": 0.1}, {"latent_dim": 60}],
    ids=["plain", "beta", "free bits", "more dimensions than there is to tell"],
)
def test_healthy_runs_are_left_in_peace(settings):
    trainer = sv.Trainer(sv.VAE(**{"input_dim": 64, "latent_dim": 10, "hidden": (64,), **settings}), lr=2e-3)
    kept, history = caught(45, trainer=trainer)
    assert kept == []
    assert sum(history.kl_per_dimension[-1]) > 0.5


def test_nothing_is_said_while_the_weight_is_on_its_way():
    kept, history = caught(45, beta=50.0, kl_weight=KLWarmUp(10**9))
    assert kept == []
    kept, history = caught(45, beta=50.0, kl_weight=lambda t: 0.98)
    assert kept == [] and history.active_units[-1] == 0


def test_the_front_door_trains_an_autoencoder_in_silence():
    assert caught(30, trainer=sv.Trainer(sv.Autoencoder(64, 10, (64,)), lr=2e-3))[0] == []


def epoch(active, of=20, weight=1.0):
    return Epoch(1, 0.0, 0.0, 0.0, None, 0.0, weight, (1.0,) * active + (0.001,) * (of - active))


@pytest.mark.parametrize(
    ("active", "of", "weight", "is_so"),
    [
        (0, 2, 1.0, True),
        (1, 2, 1.0, False),
        (1, 10, 1.0, True),
        (2, 10, 1.0, False),
        (2, 20, 1.0, True),
        (3, 200, 1.0, False),
        (0, 20, 0.9, False),
        (0, 0, 1.0, False),
    ],
)
def test_what_counts_is_how_many_dimensions_are_unused_at_full_weight(active, of, weight, is_so):
    assert collapsed(epoch(active, of, weight)) is is_so


def test_it_takes_five_epochs_and_three_hundred_updates_in_a_row():
    def told(epochs, steps):
        with warnings.catch_warnings(record=True) as kept:
            warnings.simplefilter("always")
            state = SimpleNamespace(model=MODEL, history=SimpleNamespace(epochs=epochs), batches=range(steps))
            watch = CollapseDetector()
            watch.on_fit_begin(state)
            watch.on_epoch_end(state)
            watch.on_epoch_end(state)
        return len(kept)

    assert told([epoch(0)] * 5, 60) == 1
    assert told([epoch(0)] * 5, 59) == told([epoch(0)] * 4, 1000) == told([], 1000) == 0
    assert told([epoch(0)] * 4 + [epoch(9)] + [epoch(0)] * 4, 1000) == 0
    assert told([epoch(9)] + [epoch(0)] * 5, 1000) == 1


def test_a_warning_made_an_error_ends_training_as_an_error_does():
    trainer = sv.Trainer(sv.VAE(64, 4, (8,), beta=200.0), lr=1e-2)
    with warnings.catch_warnings(), pytest.raises(CollapseWarning):
        warnings.simplefilter("error")
        trainer.fit(DIGITS, 100)
    assert trainer.history.stopped == "failed"
    assert np.isfinite(trainer.model.theta).all()
