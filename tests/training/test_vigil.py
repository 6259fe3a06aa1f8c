"""What the cheap looks see, when, and what they ask of a device."""

from math import inf, nan

import numpy as np
import pytest
import standin
from drawing import normal, uniform
from emulated import EVERYWHERE

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.training.finding import all_finite, largest, look
from scratchvae.training.vigil import EVERY, Vigil

X = uniform(0, 8, 6).astype("float32")


@pytest.fixture(params=EVERYWHERE)
def trainer(request):
    trainer = sv.Trainer(sv.VAE(6, 2, (4,), backend=request.param), batch_size=8)
    trainer.step(X)
    return trainer


def vigil_of(trainer, **settings):
    model = trainer.model
    model.objective.sums = model.objective.zeros(8)
    return Vigil(model, trainer.optimizer, model.objective.sums.value, **settings)


def test_a_loss_that_is_not_finite_is_seen_until_the_sum_begins_anew(trainer):
    model, vigil = trainer.model, vigil_of(trainer)
    assert vigil.loss() and vigil.state()
    x, eps = model.door.bring(X), model.door.bring(normal(0, 8, 2))
    model.forward(x, eps)
    model.params["encoder.2.b"][...] = 200.0  # an infinite KL of finite weights
    with np.errstate(over="ignore", invalid="ignore"):
        model.forward(x, eps)
    model.params["encoder.2.b"][...] = 0.0
    for _ in range(2):
        assert vigil.loss() == (not model.backend.on_host)  # a device is not waited for at each step
        assert not vigil.state()
        model.forward(x, eps)
    vigil.losses.fill(0.0)
    assert vigil.loss() and vigil.state()


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_one_number_of_the_parameters_or_of_any_moment_is_seen(trainer, value):
    vigil = vigil_of(trainer)
    for array in (trainer.model.theta, *trainer.optimizer.memory.values()):
        for place in (0, array.size // 2, array.size - 1):
            before = array.copy()
            array[place] = value
            assert not vigil.state()
            array[...] = before
            assert vigil.state()


def test_a_device_is_read_once_for_the_state_and_never_for_the_loss():
    trainer = sv.Trainer(sv.VAE(6, 2, (4,), backend=standin.STANDIN), batch_size=8)
    trainer.step(X)
    vigil, reads = vigil_of(trainer), standin.reads
    assert vigil.loss() and standin.reads == reads
    assert vigil.state() and standin.reads == reads + 1


def test_it_is_time_after_every_so_many_updates_and_after_the_last():
    trainer = sv.Trainer(sv.VAE(6, 2, (4,)))
    vigil = vigil_of(trainer, every=3)
    asked = [vigil.due(last=k in (4, 9)) for k in range(12)]
    assert [k for k, due in enumerate(asked) if due] == [2, 4, 7, 9]
    assert vigil_of(trainer).every == EVERY


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_sums_that_overflow_are_no_finding(dtype):
    most = np.full((3, 5), np.finfo(dtype).max, dtype)
    assert all_finite(most) and all_finite(most, -most) and look(most) is None
    assert largest(most) == float(np.finfo(dtype).max)
    most[1, 2] = nan
    assert not all_finite(most) and not all_finite(np.ones(2), most)
    found = look(most)
    assert (found.numbers, found.place) == (1, (1, 2)) and np.isnan(found.value)


def test_what_cancels_is_seen_and_what_is_missing_is_passed_over():
    x = np.array([[1.0, inf, -inf], [nan, 2.0, 3.0]])
    assert look(x)[:2] == (3, (0, 1)) and look(x, nan=True)[:2] == (2, (0, 1))
    assert look(x[1:], nan=True) is None and not all_finite(x[:1])
    assert largest(x) == 3.0 and largest() == 0.0 and largest(np.array([nan])) == 0.0
    assert look(np.empty((3, 0))) is None and look(np.array(inf)) == (1, (), inf)
    assert to_numpy(x) is x
