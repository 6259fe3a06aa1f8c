"""Tests that no optimizer keeps subnormal numbers in its state, and that this changes no weight."""

import tracemalloc

import numpy as np
import pytest
from emulated_backend import ALL_BACKENDS, EMULATED, needs_compiler
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds, uniform

import scratchvae as sv
from scratchvae.backend import fake_cupy, get_backend, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.fused import fused
from scratchvae.optim import SGD, Adam, AdamW
from scratchvae.optim.flush import FlushToZero

OPTIMIZERS = {
    "SGD": lambda beta: SGD(1e-2, beta),
    "Adam": lambda beta: Adam(1e-3, beta),
    "AdamW": lambda beta: AdamW(1e-3, beta),
}
BETA = {"float32": 0.9, "float64": 0.7}
EVERY_OPTIMIZER = pytest.mark.parametrize("kind", OPTIMIZERS)


def subnormal(array):
    """The number of subnormal numbers."""
    return int(((array != 0) & (np.abs(array) < np.finfo(array.dtype).smallest_normal)).sum())


def bound(optimizer, theta, backend="numpy"):
    """The optimizer, or its fused variant, bound to θ on the backend; and θ there."""
    backend = get_backend(backend)
    optimizer, theta = fused(optimizer, backend), backend.upload(theta)
    optimizer.bind(backend.xp, theta)
    return optimizer, theta


def state_of(optimizer):
    return {name: to_numpy(array).copy() for name, array in optimizer.state.items()}


def set_state(optimizer, t, **state):
    """Set t and some of the state."""
    optimizer.t = t
    for name, array in state.items():
        optimizer.state[name][...] = array


def updates_with_dead_units(optimizer, theta, backend, updates):
    """Yield the state after each update; half of the gradient is 0 after the third. v starts close to the limit."""
    backend, dtype = get_backend(backend), theta.dtype
    optimizer, _ = bound(optimizer, theta, backend)
    dead = np.arange(theta.size) % 2 == 0
    if isinstance(optimizer, Adam):
        start = np.where(dead, 8 * np.finfo(dtype).smallest_normal, 1).astype(dtype)
        backend.copy_from_host(optimizer.v, start)
    for t in range(updates):
        g = normal(t % 50, theta.size).astype(dtype)
        g[dead] *= (1e-25 if dtype == "float32" else 1e-170) if t < 3 else 0  # their squares do not change v
        optimizer.step(backend.upload(g))
        yield state_of(optimizer)


@pytest.fixture
def no_flush(monkeypatch):
    """Return a function that disables the flush."""
    return lambda: monkeypatch.setattr(FlushToZero, "after", lambda self, t: None)


@pytest.mark.parametrize(
    ("backend", "dtype"),
    [
        *(
            pytest.param(*b.values, "float32", marks=b.marks, id=b.id) if hasattr(b, "id") else (b, "float32")
            for b in ALL_BACKENDS
        ),
        ("fake-cupy", "float32"),
        ("numpy", "float64"),
        pytest.param("native", "float64", marks=needs_compiler),
        pytest.param("cupy", "float32", marks=pytest.mark.gpu),
    ],
)
@EVERY_OPTIMIZER
def test_no_state_is_subnormal_after_any_of_3000_updates_with_dead_units(kind, backend, dtype, request):
    backend = request.getfixturevalue("gpu") if backend == "cupy" else backend
    optimizer, dead = OPTIMIZERS[kind](BETA[dtype]), slice(0, None, 2)
    for state in updates_with_dead_units(optimizer, normal(1, 6).astype(dtype), backend, 3000):
        assert not any(subnormal(array) for array in state.values())
    assert all((array[dead] == 0).all() and (array[1::2] != 0).all() for array in state.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@EVERY_OPTIMIZER
def test_without_the_flush_the_state_of_dead_units_stays_subnormal(kind, dtype, no_flush):
    no_flush()
    states = updates_with_dead_units(OPTIMIZERS[kind](BETA[dtype]), normal(1, 6).astype(dtype), "numpy", 3000)
    *_, before, last = states
    for name, array in last.items():
        assert subnormal(array) == 3
        assert (name == "v" and kind != "SGD") or np.array_equal(array[::2], before[name][::2])  # stuck


def test_the_state_of_longdouble_is_flushed():
    optimizer, _ = bound(Adam(), np.ones(4, np.longdouble))
    tiny, interval = np.finfo(np.longdouble).smallest_normal, optimizer._flush.interval
    large = tiny / np.longdouble(0.8) ** interval
    set_state(optimizer, interval - 1, m=np.array([large, 2 * tiny, -2 * tiny, tiny / 2]), v=tiny / 4)
    optimizer.step(np.zeros(4, np.longdouble))
    assert optimizer.m.dtype == np.longdouble and (optimizer.m[1:] == 0).all() and (optimizer.v == 0).all()
    assert 0.89 * large < optimizer.m[0] < 0.91 * large


# --- the weights


def trained(kind, backend, dtype, beta):
    """The weights and the state after 1500 updates on the digits, some of whose pixels are always 0."""
    images = sv.datasets.load("digits").train.images[:160]
    vae = sv.VAE(64, 2, (16,), dtype=dtype, backend=backend, seed=1)
    trainer = sv.Trainer(vae, optimizer=OPTIMIZERS[kind](beta), batch_size=16, seed=2, binarize="dynamic")
    trainer.fit(images, 10)
    images = np.where(images < 0.5, 0, images)  # more pixels are always 0 now, which had gradients before
    images[:, ::3] = 0
    trainer.fit(images, 140)
    assert trainer.optimizer.t == 1500
    return to_numpy(vae.theta).copy(), state_of(trainer.optimizer)


@pytest.mark.parametrize(
    ("kind", "backend", "dtype", "beta"),
    [
        *((kind, "numpy", "float32", 0.9) for kind in OPTIMIZERS),
        ("Adam", "numpy", "float64", 0.55),
        pytest.param("Adam", "native", "float32", 0.9, marks=needs_compiler),
    ],
)
def test_the_weights_have_the_same_bits_with_and_without_the_flush(kind, backend, dtype, beta, no_flush):
    theta, state = trained(kind, backend, dtype, beta)
    no_flush()
    theta_without, state_without = trained(kind, backend, dtype, beta)
    first = next(iter(state))  # m, or the velocity of SGD
    assert subnormal(state[first]) == 0 and subnormal(state_without[first]) > 50
    assert np.array_equal(theta, theta_without)


def next_weights(optimizer, theta, g, t, **state):
    """The bits of θ after the updates from the gradients g, which begin at update t with this state."""
    optimizer, theta = bound(optimizer, theta)
    set_state(optimizer, t, **state)
    for gradient in g:
        optimizer.step(np.full_like(theta, gradient))
    return theta


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=seeds, beta1=st.floats(0.55, 0.95), lr=st.sampled_from([1e-4, 1e-2, 1]), eps=st.sampled_from([1e-8, 1e-11]))
def test_what_a_flush_of_adam_removes_is_lost_in_rounding(dtype, seed, beta1, lr, eps):
    adam, (rng, info) = Adam(lr, beta1, eps=eps), (np.random.default_rng(seed), np.finfo(dtype))
    theta = (rng.choice([-1, 1], 40) * 10.0 ** rng.uniform(-5 - (dtype == "float32"), 1, 40)).astype(dtype)
    theta[np.abs(theta) < 4 * lr * info.eps] = 1
    bound(adam, theta)
    (_, small_m), (_, small_v) = adam._flush.limits
    below = 1 - info.eps  # just below the limit
    t = adam._flush.interval
    for later in ([0, 0, 0], [0, 0, 0.3], [-0.3]):  # the gradients that follow
        m, v, one = rng.uniform(-small_m, small_m, 40) * below, rng.uniform(0, small_v, 40) * below, np.ones(40)
        for state, flushed in (
            ({"m": m, "v": one}, {"m": 0, "v": one}),
            ({"m": m, "v": v}, {"m": 0, "v": 0}),
            ({"m": one, "v": v}, {"m": one, "v": 0}),
        ):
            pair = [next_weights(Adam(lr, beta1, eps=eps), theta, later, t, **s) for s in (state, flushed)]
            assert np.array_equal(*pair)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=seeds, momentum=st.floats(0.55, 0.99))
def test_what_a_flush_of_sgd_removes_is_lost_in_rounding(dtype, seed, momentum):
    sgd, rng = SGD(0.1, momentum), np.random.default_rng(seed)
    theta = (rng.choice([-1, 1], 40) * 10.0 ** rng.uniform(-20, 1, 40)).astype(dtype)
    bound(sgd, theta)
    ((_, limit),) = sgd._flush.limits
    v = rng.uniform(-limit, limit, 40)
    for later in ([0, 0, 0], [0, 0, 0.3], [-0.3]):
        pair = [next_weights(SGD(0.1, momentum), theta, later, sgd._flush.interval, v=s) for s in (v, 0)]
        assert np.array_equal(*pair)


# --- when it takes place


@pytest.mark.parametrize(
    ("optimizer", "interval", "count"),
    [
        (Adam(), 75, 2),
        (AdamW(), 75, 2),
        (Adam(beta1=0.0), 7967, 1),  # m = g does not decay
        (Adam(beta1=0.99, beta2=0.9), 75, 2),
        (SGD(momentum=0.9), 75, 1),
        (SGD(momentum=0.5), 1, 0),
        (SGD(), 1, 0),
        (Adam(eps=1e-12), 75, 1),  # the smallest normal number of v is visible beside such an ε
        (Adam(eps=1e-30), 75, 0),
    ],
    ids=repr,
)
def test_the_interval_and_the_number_of_flushed_arrays(optimizer, interval, count):
    bound(optimizer, np.zeros(3, np.float32))
    assert (optimizer._flush.interval, len(optimizer._flush.limits)) == (interval, count)


def test_a_decay_of_one_half_ends_at_zero_without_a_flush():
    v = np.full(9, np.finfo("float32").smallest_normal)
    for _ in range(26):
        v *= np.float32(0.5)
    assert (v == 0).all()


def test_only_what_is_below_the_limit_becomes_zero_and_only_in_the_last_update_of_an_interval():
    optimizer, _ = bound(Adam(), np.ones(7, np.float32))
    (_, limit), _ = optimizer._flush.limits
    m = np.array([limit, -limit, 0.9999 * limit, -0.9999 * limit, np.nan, np.inf, 1], np.float32)
    set_state(optimizer, 0, m=m / np.float32(0.9))
    for t in (74, 75, 76):
        optimizer.m[...] = m
        optimizer._flush.after(t)
        expected = np.where([True, True, t != 75, t != 75, True, True, True], m, 0)
        np.testing.assert_array_equal(optimizer.m, expected)


def test_resumed_training_has_the_same_bits_across_a_flush(tmp_path):
    def trainer():
        return sv.Trainer(sv.VAE(30, 2, (8,), seed=1), optimizer=Adam(1e-3, 0.6), seed=2)  # N = 15

    def train(trainer, updates):
        for _ in range(updates):
            x = uniform(trainer.optimizer.t % 7, 4, 30)
            x[:, 10:] *= trainer.optimizer.t < 5  # these pixels are 0 from then on
            trainer.step(x)

    def numbers(trainer):
        return trainer.model.theta.copy(), *(array.copy() for array in trainer.optimizer.state.values())

    uninterrupted = trainer()
    train(uninterrupted, 152)
    zeros = (uninterrupted.optimizer.m == 0).sum()
    np.savez(tmp_path / "state.npz", **uninterrupted.state_dict())
    train(uninterrupted, 10)
    assert uninterrupted.optimizer._flush.interval == 15 and (uninterrupted.optimizer.m == 0).sum() == zeros
    train(uninterrupted, 3)
    assert (uninterrupted.optimizer.m == 0).sum() > zeros  # flushed after update 165, not 13 or 15 after the checkpoint

    resumed = trainer()
    with np.load(tmp_path / "state.npz") as state:
        resumed.load_state_dict(state)
    train(resumed, 13)
    assert resumed.optimizer.t == uninterrupted.optimizer.t == 165
    for expected, actual in zip(numbers(uninterrupted), numbers(resumed), strict=True):
        assert expected.tobytes() == actual.tobytes()


# --- its cost


@pytest.mark.parametrize(
    ("backend", "launches"), [(FAKE_CUPY, 10), pytest.param(EMULATED, 1, marks=needs_compiler)], ids=["plain", "fused"]
)
def test_a_flush_launches_six_kernels_once_in_75_updates(backend, launches):
    optimizer, _ = bound(Adam(), normal(0, 5).astype("float32"), backend)
    g, counts = backend.upload(np.ones(5, np.float32)), []
    for _ in range(150):
        before = fake_cupy.launches
        optimizer.step(g)
        counts.append(fake_cupy.launches - before)
    assert counts == ([launches] * 74 + [launches + 6]) * 2


@EVERY_OPTIMIZER
def test_a_flush_allocates_no_arrays(kind):
    optimizer, theta = bound(OPTIMIZERS[kind](0.9), np.ones(300_000, np.float32))
    optimizer.step(theta * 0)
    optimizer.t, g = optimizer._flush.interval - 1, theta * 0
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        optimizer.step(g)
        assert tracemalloc.get_traced_memory()[1] - before < 8192 * 8 + 8_000  # NumPy's casting buffer
    finally:
        tracemalloc.stop()
