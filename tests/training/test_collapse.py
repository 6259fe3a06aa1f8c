"""CollapseDetector: it warns of a collapsed posterior with remedies, and not of a healthy one or during warm-up."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import CollapseWarning, warn
from scratchvae.training import CollapseDetector, KLWarmUp
from scratchvae.training.callbacks.collapse_warning import collapsed
from scratchvae.training.history import Epoch

MODEL = sv.VAE(4, 2, (3,))
DIGITS = sv.datasets.load("digits").train.images


def fit_and_collect_warnings(epochs, kl_weight=None, trainer=None, images=DIGITS, **settings):
    trainer = trainer or sv.Trainer(sv.VAE(64, 10, (64,), **settings), lr=2e-3, kl_weight=kl_weight)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(images, epochs)
    return caught, trainer.history


def test_a_beta_of_50_gives_one_warning_at_the_call_of_fit():
    (warning,), history = fit_and_collect_warnings(45, beta=50.0)
    assert warning.category is CollapseWarning and warning.filename == __file__
    text = str(warning.message)
    assert "0 of 10 latent dimensions" in text and "0.01 nats" in text
    for remedy in ("beta below 50", "KLWarmUp", "--kl-warmup", "free_bits", "smaller decoder"):
        assert remedy in text
    assert max(history.kl_per_dimension[-1]) < 0.01
    assert history.active_units[-1] == 0


def test_a_gaussian_as_wide_as_the_data_gives_a_warning_suggesting_a_smaller_sigma():
    (warning,), _ = fit_and_collect_warnings(45, likelihood="gaussian", image_shape=(8, 8))
    assert "Try a sigma below 1 or likelihood='gaussian_learned', a beta below 1, kl_weight=KLWarmUp" in str(
        warning.message
    )
    assert fit_and_collect_warnings(45, likelihood="gaussian", sigma=0.2)[0] == []


@pytest.mark.parametrize(
    "settings",
    [{}, {"beta": 2.0}, {"beta": 50.0, "free_bits": 0.1}, {"latent_dim": 60}],
    ids=["plain", "beta", "free bits", "more dimensions than needed"],
)
def test_healthy_runs_give_no_warning(settings):
    trainer = sv.Trainer(sv.VAE(**{"input_dim": 64, "latent_dim": 10, "hidden": (64,), **settings}), lr=2e-3)
    caught, history = fit_and_collect_warnings(45, trainer=trainer)
    assert caught == []
    assert sum(history.kl_per_dimension[-1]) > 0.5


def test_no_warning_is_given_while_the_kl_weight_rises():
    caught, history = fit_and_collect_warnings(45, beta=50.0, kl_weight=KLWarmUp(10**9))
    assert caught == []
    caught, history = fit_and_collect_warnings(45, beta=50.0, kl_weight=lambda t: 0.98)
    assert caught == [] and history.active_units[-1] == 0


def test_an_autoencoder_gives_no_warning():
    assert fit_and_collect_warnings(30, trainer=sv.Trainer(sv.Autoencoder(64, 10, (64,)), lr=2e-3))[0] == []


def epoch_with(active, dimensions=20, weight=1.0):
    return Epoch(1, 0.0, 0.0, 0.0, None, 0.0, weight, (1.0,) * active + (0.001,) * (dimensions - active))


@pytest.mark.parametrize(
    ("active", "dimensions", "weight", "is_so"),
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
def test_collapse_is_judged_by_the_share_of_active_dimensions_at_full_weight(active, dimensions, weight, is_so):
    assert collapsed(epoch_with(active, dimensions, weight)) is is_so


def test_a_warning_needs_five_epochs_and_300_updates_in_a_row():
    def warning_count(epochs, steps):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            state = SimpleNamespace(
                model=MODEL, history=SimpleNamespace(epochs=epochs), batches=range(steps), warn=warn
            )
            detector = CollapseDetector()
            detector.on_fit_begin(state)
            detector.on_epoch_end(state)
            detector.on_epoch_end(state)
        return len(caught)

    assert warning_count([epoch_with(0)] * 5, 60) == 1
    assert (
        warning_count([epoch_with(0)] * 5, 59)
        == warning_count([epoch_with(0)] * 4, 1000)
        == warning_count([], 1000)
        == 0
    )
    assert warning_count([epoch_with(0)] * 4 + [epoch_with(9)] + [epoch_with(0)] * 4, 1000) == 0
    assert warning_count([epoch_with(9)] + [epoch_with(0)] * 5, 1000) == 1


def test_a_warning_turned_into_an_error_ends_training():
    trainer = sv.Trainer(sv.VAE(64, 4, (8,), beta=200.0), lr=1e-2)
    with warnings.catch_warnings(), pytest.raises(CollapseWarning):
        warnings.simplefilter("error")
        trainer.fit(DIGITS, 100)
    assert trainer.history.stopped == "failed"
    assert np.isfinite(trainer.model.theta).all()
