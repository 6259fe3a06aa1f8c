"""KL weights: schedules, their use in training, and their effect on history and early stopping."""

import copy
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.optim import SGD
from scratchvae.training import EarlyStopping, KLCycles, KLWarmUp, TrainingState
from scratchvae.training.history import Epoch

IMAGES = uniform(0, 50, 9).astype("float32")
HELD_OUT = uniform(1, 20, 9).astype("float32")


def test_warm_up_rises_linearly_from_0_to_1_and_stays():
    assert [KLWarmUp(4)(t) for t in range(7)] == [0, 0.25, 0.5, 0.75, 1, 1, 1]


def test_each_cycle_rises_in_its_first_half_and_stays_in_its_second():
    assert [KLCycles(16, 2)(t) for t in range(20)] == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1] * 2 + [1] * 4
    assert [KLCycles(8, 2, rise=1.0)(t) for t in range(9)] == [0, 0.25, 0.5, 0.75] * 2 + [1]


@given(steps=st.integers(1, 200), cycles=st.integers(1, 200), rise=st.floats(0.01, 1))
def test_the_number_of_cycles_does_not_depend_on_the_number_of_steps(steps, cycles, rise):
    if cycles > steps:
        with pytest.raises(ConfigError, match="no more cycles than steps"):
            KLCycles(steps, cycles, rise)
        return
    weights, slow = ([KLCycles(steps, cycles, share)(t) for t in range(steps + 1)] for share in (rise, 1.0))
    assert all(0 <= weight <= 1 for weight in weights)
    assert weights[0] == 0 and weights[-1] == 1
    if steps >= 2 * cycles:
        assert sum(after < before for before, after in pairwise(slow)) == cycles - 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KLWarmUp(0), "steps=0"),
        (lambda: KLWarmUp(2.5), "steps=2.5"),
        (lambda: KLCycles(10, 0), "cycles=0"),
        (lambda: KLCycles(10, 2, rise=0.0), "rise"),
        (lambda: KLCycles(10, 2, rise=1.5), "share of a cycle"),
        (lambda: sv.Trainer(sv.Autoencoder(9, 2, (8,)), kl_weight=KLWarmUp(3)), "no KL"),
        (lambda: sv.Trainer(sv.VAE(9, 2, (8,)), kl_weight=lambda t: -1.0).step(IMAGES), "kl_weight=-1.0"),
        (lambda: sv.Trainer(sv.VAE(9, 2, (8,)), kl_weight=lambda t: float("nan")).fit(IMAGES, 1), "kl_weight=nan"),
    ],
)
def test_invalid_settings_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_bug14_each_step_descends_the_loss_it_returns_with_the_current_weight():
    vae = sv.VAE(9, 2, (8,), beta=3.0, dtype="float64")
    trainer = sv.Trainer(vae, optimizer=SGD(0.1), kl_weight=KLWarmUp(4))
    for t in range(6):
        reference = sv.VAE(**{**vae.config, "beta": 3.0 * min(t / 4, 1)})
        reference.theta[...] = vae.theta
        reference.initialize_output_bias(IMAGES[:5].mean(axis=0, dtype="float64"))  # of the first step
        loss = trainer.step(IMAGES[:5])
        expected, grads = reference.loss_and_grads(IMAGES[:5], trainer._eps)
        assert loss == pytest.approx(expected, rel=1e-12)
        for name, grad in grads.items():
            np.testing.assert_allclose(vae.params[name], reference.params[name] - 0.1 * grad, rtol=1e-9, atol=1e-12)


def test_bug14_the_history_has_the_annealed_loss_and_the_full_validation_loss():
    vae = sv.VAE(9, 2, (8,), beta=2.0)
    vae.initialize_output_bias(IMAGES.mean(axis=0))
    frozen = sv.Trainer(vae, optimizer=SGD(1e-30), batch_size=50, kl_weight=KLWarmUp(4))
    history = frozen.fit(IMAGES, 6, validation=HELD_OUT)
    assert history.kl_weight == [0, 0.25, 0.5, 0.75, 1, 1]
    for epoch in history.epochs:
        assert epoch.loss == pytest.approx(-epoch.reconstruction + 2 * epoch.kl_weight * epoch.kl, rel=1e-6)
        assert epoch.validation == -sv.score(vae, HELD_OUT).value == history.validation[0]
    assert sv.score(vae, HELD_OUT).value == pytest.approx(vae.elbo(HELD_OUT).value.mean(), rel=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: sv.IWAE(9, 2, (8,), importance_samples=3),
        lambda: sv.VAE(9, 2, (8,), objective=sv.objectives.ImportanceWeighted(3)),
        lambda: sv.SemiSupervisedVAE(9, 2, (8,), classes=2, beta=2.0),
        lambda: sv.VAE(9, 2, (8,), free_bits=0.1),
    ],
    ids=["IWAE", "VAE of several draws", "SemiSupervisedVAE", "free bits"],
)
def test_the_history_of_every_objective_has_the_weight_in_force_and_the_kl_without_it(make):
    def frozen(**settings):
        trainer = sv.Trainer(make(), optimizer=SGD(1e-30), batch_size=50, **settings)
        return trainer.fit(IMAGES, 6, labels=np.arange(50) % 2 if trainer.model.classes else None)

    annealed, full = frozen(kl_weight=KLWarmUp(4)), frozen()
    assert annealed.kl_weight == [0, 0.25, 0.5, 0.75, 1, 1] and full.kl_weight == [1] * 6
    np.testing.assert_allclose(annealed.kl, full.kl, rtol=0.3)  # the same draws; of several, other ones weigh most
    assert annealed.kl[4:] == full.kl[4:] and annealed.loss[4:] == full.loss[4:]
    assert annealed.loss[0] < full.loss[0]


def test_bug14_the_steps_of_an_iwae_descend_the_bound_with_the_current_weight():
    iwae = sv.IWAE(9, 2, (8,), dtype="float64", importance_samples=3)
    iwae.initialize_output_bias(IMAGES.mean(axis=0))  # as the first step would do
    trainer = sv.Trainer(iwae, optimizer=SGD(0.1), kl_weight=KLWarmUp(4))
    for t in range(6):
        reference = copy.deepcopy(iwae)
        loss = trainer.step(IMAGES[:5])
        weight = min(t / 4, 1.0)
        terms = reference.forward(IMAGES[:5].astype("float64"), trainer._eps, kl_weight=weight)
        assert loss == pytest.approx(-terms.value.mean(), rel=1e-12)
        reference.backward()
        np.testing.assert_allclose(iwae.theta, reference.theta - 0.1 * reference.dtheta, rtol=1e-9, atol=1e-12)


def test_early_stopping_of_an_iwae_waits_for_the_end_of_the_warm_up():
    iwae = sv.IWAE(9, 2, (8,), importance_samples=3)
    trainer = sv.Trainer(iwae, optimizer=SGD(1e-30), batch_size=50, kl_weight=KLWarmUp(10))
    history = trainer.fit(IMAGES, 30, validation=HELD_OUT, patience=3)  # the validation never improves
    assert history.stopped == "early" and len(history.epochs) == 10 + 3


def test_the_kl_weight_of_training_does_not_affect_the_model():
    vae = sv.VAE(9, 2, (8,), dtype="float64")
    sv.Trainer(vae, kl_weight=lambda t: 0.0).fit(IMAGES, 2)
    loss, _ = vae.loss_and_grads(IMAGES)
    terms = vae.elbo(IMAGES)
    assert loss == pytest.approx(np.mean(terms.kl - terms.reconstruction), rel=1e-12)


def test_a_weight_of_1_changes_no_bit():
    plain, weighted = sv.VAE(9, 2, (8,)), sv.VAE(9, 2, (8,))
    sv.Trainer(plain, batch_size=16).fit(IMAGES, 3)
    sv.Trainer(weighted, batch_size=16, kl_weight=lambda t: 1.0).fit(IMAGES, 3)
    assert np.array_equal(plain.theta, weighted.theta)


def test_a_second_fit_continues_the_warm_up():
    trainer = sv.Trainer(sv.VAE(9, 2, (8,)), batch_size=25, kl_weight=KLWarmUp(8))
    trainer.fit(IMAGES, 2)
    trainer.fit(IMAGES, 3)
    assert trainer.history.kl_weight == [1 / 16, 5 / 16, 9 / 16, 13 / 16, 1]


# The objective gets worse while the weight rises: this neither ends training nor counts as an improvement.
def test_patience_begins_when_the_weight_is_1():
    trainer = sv.Trainer(sv.VAE(1, 1, ()), optimizer=SGD(0.1))
    theta, optimizer = trainer.model.theta, trainer.optimizer
    batches = SimpleNamespace(batch_size=1)
    state = TrainingState(
        trainer.model, optimizer, trainer.history, batches, trainer._streams, 20, lambda: 0.0, [], settings={}
    )
    best = EarlyStopping(patience=2)
    best.on_fit_begin(state)

    def end_epoch(number, validation, weight):
        theta[...] = optimizer.t = number
        state.record = Epoch(number, 0.0, 0.0, 0.0, validation, 0.0, weight)
        best.on_epoch_end(state)
        return state.stop_reason

    assert not any(end_epoch(number, 5.0 + number, number / 10) for number in range(1, 10))
    assert [end_epoch(10, 14.0, 1.0), end_epoch(11, 13.0, 1.0)] == ["", "early"]
    best.on_fit_end(state)
    # although trained with a tenth of the weight, the first epoch is the best by the full objective
    assert trainer.history.best_epoch == optimizer.t == 1
    assert (theta == 1.0).all()


def test_a_warm_up_longer_than_the_patience_is_completed():
    vae = sv.VAE(9, 2, (16,), beta=2.0)
    trainer = sv.Trainer(vae, lr=2e-2, batch_size=10, kl_weight=KLWarmUp(100))
    history = trainer.fit(IMAGES, 200, validation=HELD_OUT, patience=3)
    assert min(history.validation[1:4]) > history.validation[0]  # without warm-up this would end training
    assert history.stopped == "early" and len(history.epochs) >= 20 + 3
    assert min(history.validation) < history.validation[0] - 0.1
    assert -sv.score(vae, HELD_OUT).value == min(history.validation)
