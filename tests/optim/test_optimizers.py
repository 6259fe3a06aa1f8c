"""Optimizers: their rates, their ends, what they leave alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds

from scratchvae.errors import ConfigError
from scratchvae.optim import SGD, Adam, AdamW, Constant, Cosine, WarmUp, clip_by_global_norm


def trajectory(optimizer, gradients, theta):
    theta = theta.copy()
    optimizer.bind(np, theta)
    path = []
    for g in gradients:
        kept = g.copy()
        optimizer.step(g)
        assert np.array_equal(g, kept)
        path.append(theta.copy())
    return path


@given(seeds, st.sampled_from([lambda lr: SGD(lr, 0.9), Adam, AdamW]))
def test_each_step_takes_the_rate_that_the_schedule_gives_for_it(seed, make):
    schedule = WarmUp(3, Cosine(1e-2, 5, final=1e-4))
    gradients = [normal(seed + t, 4) for t in range(10)]
    given_ = trajectory(make(schedule), gradients, normal(seed, 4))
    theta, by_hand, expected = normal(seed, 4), make(1.0), []
    by_hand.bind(np, theta)
    for t, g in enumerate(gradients):
        by_hand.schedule = Constant(schedule(t))
        by_hand.step(g)
        expected.append(theta.copy())
    assert np.array_equal(given_, expected)


def test_adamw_without_decay_is_adam():
    gradients = [normal(t, 5) for t in range(10)]
    settings = {"lr": 1e-2, "beta1": 0.8, "beta2": 0.99, "eps": 0.1}  # all others than by default
    plain, decayed = (
        trajectory(o, gradients, normal(0, 5)) for o in (Adam(**settings), AdamW(**settings, weight_decay=0.0))
    )
    assert np.array_equal(plain[-1], decayed[-1])


def test_settings_that_nobody_names_are_those_of_the_papers():
    assert (SGD().schedule(0), SGD().momentum) == (1e-2, 0)
    for optimizer in (Adam(), AdamW()):
        rates = (optimizer.schedule(0), optimizer.beta1, optimizer.beta2, optimizer.eps)
        assert rates == (1e-3, 0.9, 0.999, 1e-8)
    assert AdamW().weight_decay == 1e-2
    assert Cosine(0.1, 5)(5) == 0


@pytest.mark.parametrize(("make", "names"), [(SGD, "v"), (Adam, "mv"), (AdamW, "mv")])
def test_an_optimizer_remembers_under_its_own_names_from_when_it_is_bound(make, names):
    optimizer = make()
    assert optimizer.state == {} and optimizer.t == 0
    optimizer.bind(np, normal(0, 3).astype("float32"))
    assert list(optimizer.state) == list(names)
    for name, memory in optimizer.state.items():
        assert memory is getattr(optimizer, name) and memory.dtype == np.float32 and (memory == 0).all()
    optimizer.step(np.ones(3, np.float32))
    assert optimizer.t == 1 and all((memory != 0).all() for memory in optimizer.state.values())


SETTINGS = {
    SGD: {"lr": 0.3, "momentum": 0.9},
    Adam: {"lr": 0.3, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3},
    AdamW: {"lr": 0.3, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.2},
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_its_settings_make_it_again_not_bound(kind):
    optimizer = kind(**SETTINGS[kind])
    optimizer.bind(np, normal(0, 3))
    optimizer.step(np.ones(3))
    assert optimizer.config() == SETTINGS[kind]
    again = kind.from_config(optimizer.config())
    assert type(again) is kind and again.config() == SETTINGS[kind]
    assert again.t == 0 and again.state == {}
    again.bind(np, normal(0, 3))
    schedule = Cosine(0.1, 5)
    assert kind(schedule).config()["lr"] is schedule


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_rate_can_be_set_to_a_number_or_a_schedule_and_goes_for_the_next_update(kind):
    optimizer, schedule = kind(0.3), Cosine(0.1, 5)
    optimizer.bind(np, normal(0, 3))
    for lr, rate in ((0.3, 0.3), (0.2, 0.2), (schedule, schedule(0)), (1, 1.0)):
        optimizer.lr = lr
        assert optimizer.lr == lr and optimizer.learning_rate(np.ones(3)) == rate
    for wrong in (0.0, -1.0, "1", None, Cosine):
        with pytest.raises(ConfigError, match="lr="):
            optimizer.lr = wrong
        assert optimizer.lr == 1


@pytest.mark.parametrize("make", [lambda: SGD(0.1, 0.9), lambda: Adam(0.1), lambda: AdamW(0.1)])
def test_each_optimizer_finds_the_bottom_of_a_bowl(make):
    theta = np.array([3.0, -2.0])
    optimizer = make()
    optimizer.bind(np, theta)
    for _ in range(500):
        optimizer.step(theta * [1.0, 10.0])
    assert np.linalg.norm(theta) < 1e-2


@given(seeds, st.integers(1, 30), st.floats(0.01, 100))
def test_clipping_shortens_a_long_gradient_and_leaves_a_short_one(seed, size, limit):
    g = normal(seed, size)
    before = g.copy()
    norm = clip_by_global_norm(np, g, limit)
    np.testing.assert_allclose(norm, np.linalg.norm(before))
    np.testing.assert_allclose(g, before * min(1.0, limit / np.linalg.norm(before)), rtol=1e-12)


def test_clipping_keeps_zero_and_the_dtype():
    g = np.zeros(3, np.float32)
    clip_by_global_norm(np, g, 1.0)
    assert (g == 0).all() and g.dtype == np.float32


def test_schedules_begin_turn_and_end_where_they_should():
    cosine = Cosine(1.0, 10, final=0.2)
    assert [cosine(0), cosine(5), cosine(10), cosine(99)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    warm = WarmUp(4, cosine)
    assert [warm(t) for t in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert warm(14) == pytest.approx(0.2)
    assert WarmUp(0, Constant(3.0))(0) == 3.0
    assert Cosine(0.1, 5, final=0.1)(3) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(-1e-3),
        lambda: Adam(0.0),
        lambda: Adam(float("nan")),
        lambda: Adam(beta1=1.0),
        lambda: Adam(beta2=-0.1),
        lambda: Adam(eps=0.0),
        lambda: AdamW(weight_decay=-1.0),
        lambda: SGD(momentum=1.5),
        lambda: Cosine(1e-3, 0),
        lambda: Cosine(1e-3, 10, final=1.0),
        lambda: WarmUp(-1, Constant(1.0)),
        lambda: Constant(float("inf")),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigError, match="expected"):
        make()
