"""Tests of optimizers, learning rate schedules and gradient clipping."""

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
    thetas = []
    for g in gradients:
        g_before = g.copy()
        optimizer.step(g)
        assert np.array_equal(g, g_before)
        thetas.append(theta.copy())
    return thetas


@given(seeds, st.sampled_from([lambda lr: SGD(lr, 0.9), Adam, AdamW]))
def test_each_step_uses_the_learning_rate_of_the_schedule(seed, make):
    schedule = WarmUp(3, Cosine(1e-2, 5, final=1e-4))
    gradients = [normal(seed + t, 4) for t in range(10)]
    actual = trajectory(make(schedule), gradients, normal(seed, 4))
    theta, optimizer, expected = normal(seed, 4), make(1.0), []
    optimizer.bind(np, theta)
    for t, g in enumerate(gradients):
        optimizer.schedule = Constant(schedule(t))
        optimizer.step(g)
        expected.append(theta.copy())
    assert np.array_equal(actual, expected)


def test_adamw_without_decay_equals_adam():
    gradients = [normal(t, 5) for t in range(10)]
    settings = {"lr": 1e-2, "beta1": 0.8, "beta2": 0.99, "eps": 0.1}  # all different from the defaults
    adam, adamw = (
        trajectory(o, gradients, normal(0, 5)) for o in (Adam(**settings), AdamW(**settings, weight_decay=0.0))
    )
    assert np.array_equal(adam[-1], adamw[-1])


def test_default_settings_are_those_of_the_papers():
    assert (SGD().schedule(0), SGD().momentum) == (1e-2, 0)
    for optimizer in (Adam(), AdamW()):
        defaults = (optimizer.schedule(0), optimizer.beta1, optimizer.beta2, optimizer.eps)
        assert defaults == (1e-3, 0.9, 0.999, 1e-8)
    assert AdamW().weight_decay == 1e-2
    assert Cosine(0.1, 5)(5) == 0


@pytest.mark.parametrize(("make", "names"), [(SGD, "v"), (Adam, "mv"), (AdamW, "mv")])
def test_binding_creates_the_named_state_of_an_optimizer(make, names):
    optimizer = make()
    assert optimizer.state == {} and optimizer.t == 0
    optimizer.bind(np, normal(0, 3).astype("float32"))
    assert list(optimizer.state) == list(names)
    for name, moment in optimizer.state.items():
        assert moment is getattr(optimizer, name) and moment.dtype == np.float32 and (moment == 0).all()
    optimizer.step(np.ones(3, np.float32))
    assert optimizer.t == 1 and all((moment != 0).all() for moment in optimizer.state.values())


SETTINGS = {
    SGD: {"lr": 0.3, "momentum": 0.9},
    Adam: {"lr": 0.3, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3},
    AdamW: {"lr": 0.3, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.2},
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_an_optimizer_can_be_rebuilt_from_its_config(kind):
    optimizer = kind(**SETTINGS[kind])
    optimizer.bind(np, normal(0, 3))
    optimizer.step(np.ones(3))
    assert optimizer.config() == SETTINGS[kind]
    rebuilt = kind.from_config(optimizer.config())
    assert type(rebuilt) is kind and rebuilt.config() == SETTINGS[kind]
    assert rebuilt.t == 0 and rebuilt.state == {}
    rebuilt.bind(np, normal(0, 3))
    schedule = Cosine(0.1, 5)
    assert kind(schedule).config()["lr"] is schedule


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_learning_rate_can_be_set_to_a_number_or_a_schedule(kind):
    optimizer, schedule = kind(0.3), Cosine(0.1, 5)
    optimizer.bind(np, normal(0, 3))
    for lr, rate in ((0.3, 0.3), (0.2, 0.2), (schedule, schedule(0)), (1, 1.0)):
        optimizer.lr = lr
        assert optimizer.lr == lr and optimizer.learning_rate() == rate
    for wrong in (0.0, -1.0, "1", None, Cosine):
        with pytest.raises(ConfigError, match="lr="):
            optimizer.lr = wrong
        assert optimizer.lr == 1


@pytest.mark.parametrize("make", [lambda: SGD(0.1, 0.9), lambda: Adam(0.1), lambda: AdamW(0.1)])
def test_each_optimizer_finds_the_minimum_of_a_quadratic(make):
    theta = np.array([3.0, -2.0])
    optimizer = make()
    optimizer.bind(np, theta)
    for _ in range(500):
        optimizer.step(theta * [1.0, 10.0])
    assert np.linalg.norm(theta) < 1e-2


@given(seeds, st.integers(1, 30), st.floats(0.01, 100))
def test_clipping_scales_a_long_gradient_and_leaves_a_short_one_unchanged(seed, size, limit):
    g = normal(seed, size)
    before = g.copy()
    norm = clip_by_global_norm(np, g, limit)
    np.testing.assert_allclose(norm, np.linalg.norm(before))
    np.testing.assert_allclose(g, before * min(1.0, limit / np.linalg.norm(before)), rtol=1e-12)


def test_clipping_preserves_a_zero_gradient_and_the_dtype():
    g = np.zeros(3, np.float32)
    clip_by_global_norm(np, g, 1.0)
    assert (g == 0).all() and g.dtype == np.float32


def test_schedules_have_the_expected_values():
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
def test_invalid_settings_are_refused(make):
    with pytest.raises(ConfigError, match="expected"):
        make()
