"""Tests with several processes: forked and spawned children, and processes that use the same files."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from child_processes import PYTHON, TIMEOUT, compute_outputs, continue_training, find_backend, in_child, train
from emulated_backend import COMPILER, needs_compiler
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import backends as switch
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import BackendError
from scratchvae.models.model import META

METHODS = [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()]
X = uniform(0, 700, 9).astype("float32")
MODELS = {
    "VAE": lambda **k: sv.VAE(9, 3, (16,), **k),
    "IWAE": lambda **k: sv.IWAE(9, 3, (16,), importance_samples=3, missing=True, **k),
    "ConditionalVAE": lambda **k: sv.ConditionalVAE(9, 3, (16,), classes=4, **k),
    "SemiSupervisedVAE": lambda **k: sv.SemiSupervisedVAE(9, 3, (16,), classes=4, alpha=1.0, **k),
    "Autoencoder": lambda **k: sv.Autoencoder(9, 3, (16,), **k),
}

needs_fork = pytest.mark.skipif("fork" not in METHODS, reason="this platform does not fork")
# Newer versions of Python, and JAX once it is imported, warn that a lock of another thread may stay locked in a child.
# These tests show that ours do not.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
]


def same_arrays(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("kind", "backend", "method"),
    [
        *((kind, "numpy", METHODS[0]) for kind in MODELS),
        *(("VAE", "numpy", method) for method in METHODS[1:]),
        *(pytest.param("VAE", "native", method, marks=needs_compiler) for method in METHODS),
    ],
)
def test_a_child_computes_the_same_bits_with_the_model_of_its_parent(kind, backend, method):
    model = MODELS[kind](backend=backend)
    model.theta[...] += 0.01  # other weights than the initial ones
    before = compute_outputs(model, X)
    assert same_arrays(before, in_child(method, compute_outputs, model, X))
    assert same_arrays(before, compute_outputs(model, X))


@pytest.mark.parametrize("method", METHODS)
def test_children_train_copies_and_repeat_the_numbers_of_a_seed(method):
    model = MODELS["VAE"]()
    before = model.theta.copy()
    first, same_seed, other_seed = (in_child(method, train, model, X, seed) for seed in (1, 1, 2))
    assert np.array_equal(model.theta, before)
    assert np.array_equal(first, same_seed)
    assert not np.array_equal(first, other_seed)
    assert np.array_equal(first, train(model, X, 1))


@pytest.mark.parametrize(
    ("backend", "method"), [*(("numpy", m) for m in METHODS), pytest.param("native", METHODS[0], marks=needs_compiler)]
)
def test_a_trainer_continues_in_a_child_with_the_same_bits(backend, method):
    trainer = sv.Trainer(MODELS["VAE"](backend=backend), batch_size=64, seed=3, clip_norm=5.0)
    trainer.fit(X, 1)
    before = trainer.model.theta.copy()
    theta, losses = in_child(method, continue_training, trainer, X)
    assert np.array_equal(trainer.model.theta, before) and len(trainer.history.epochs) == 1
    theta_here, losses_here = continue_training(trainer, X)
    assert np.array_equal(theta, theta_here) and losses == losses_here
    assert not np.array_equal(theta, before)


@needs_fork
def test_a_forked_child_does_not_wait_for_locks_of_other_threads():
    model = MODELS["VAE"]()
    before, locked, release = compute_outputs(model, X), threading.Event(), threading.Event()

    def hold_locks():
        with model.lock, model.locks.exclusive_fit():
            locked.set()
            release.wait(TIMEOUT)

    thread = threading.Thread(target=hold_locks, daemon=True)
    thread.start()
    try:
        assert locked.wait(TIMEOUT)
        assert same_arrays(before, in_child("fork", compute_outputs, model, X))
        in_child("fork", train, model, X, 0)
    finally:
        release.set()
        thread.join(TIMEOUT)
    assert same_arrays(before, compute_outputs(model, X))


class SlowOptimizer(sv.optim.Optimizer):
    """Sets all weights to one, the second half 0.3 s after the first."""

    def __init__(self):
        super().__init__(1.0)
        self.halfway = threading.Event()

    def step(self, dtheta):
        half = len(self.theta) // 2
        self.theta[:half] = 1.0
        self.halfway.set()
        time.sleep(0.3)  # for the fork to come meanwhile
        self.theta[half:] = 1.0


def copy_weights(model):
    return model.theta.copy()


@needs_fork
def test_a_fork_waits_for_the_end_of_an_update():
    model, optimizer = MODELS["VAE"](), SlowOptimizer()
    trainer = sv.Trainer(model, optimizer=optimizer)
    thread = threading.Thread(target=trainer.step, args=(X,), daemon=True)
    thread.start()
    assert optimizer.halfway.wait(TIMEOUT)
    weights = in_child("fork", copy_weights, model)
    thread.join(TIMEOUT)
    assert np.all(weights == 1.0)


@needs_fork
def test_a_fork_waits_for_other_threads_that_compute_with_a_model():
    model, started, computing = MODELS["VAE"](), threading.Event(), [True]
    forward = model.encoder.forward

    def slow_forward(x):
        started.set()
        time.sleep(0.3)  # for the fork to come meanwhile
        computing[0] = False
        return forward(x)

    model.encoder.forward = slow_forward
    thread = threading.Thread(target=model.encode, args=(X[:5],), daemon=True)
    thread.start()
    assert started.wait(TIMEOUT)
    assert in_child("fork", list, computing) == [False]
    thread.join(TIMEOUT)


@needs_fork
def test_a_fork_within_an_update_of_the_same_thread_does_not_deadlock():
    model, weights = MODELS["VAE"](), []

    def rate(t):
        weights.append(in_child("fork", copy_weights, model))
        return 1e-3

    sv.Trainer(model, lr=rate).step(X)
    assert len(weights) == 1
    in_child("fork", compute_outputs, model, X)
    thread = threading.Thread(target=compute_outputs, args=(model, X), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    assert not thread.is_alive()


@needs_fork
def test_threads_that_fork_and_use_models_do_not_deadlock():
    models, errors = [MODELS["VAE"]() for _ in range(3)], []
    trainers = [sv.Trainer(model) for model in models]

    def work(k):
        try:
            for _ in range(4):
                trainers[k].step(X)
                in_child("fork", compute_outputs, models[k - 1], X)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert not errors and not any(thread.is_alive() for thread in threads)


@needs_fork
def test_a_forked_child_can_use_a_host_model_and_not_a_device_model():
    device, host = (MODELS["VAE"](backend=backend) for backend in (FAKE_CUPY, "numpy"))
    for work, *args in ((compute_outputs, device, X), (train, device, X, 0)):
        with pytest.raises(BackendError, match=r"was forked from one that used it.*get_context\('spawn'\)"):
            in_child("fork", work, *args)
    in_child("fork", compute_outputs, host, X)
    compute_outputs(device, X)


@needs_fork
def test_a_child_can_use_models_while_a_meta_model_is_locked():
    meta_model, model, locked, release = (
        MODELS["VAE"](backend=META),
        MODELS["VAE"](),
        threading.Event(),
        threading.Event(),
    )

    def hold_locks():
        with model.lock, meta_model.lock:
            locked.set()
            release.wait(TIMEOUT)

    thread = threading.Thread(target=hold_locks, daemon=True)
    thread.start()
    assert locked.wait(TIMEOUT)
    in_child("fork", compute_outputs, model, X)
    release.set()
    thread.join(TIMEOUT)


@needs_fork
def test_a_process_forked_after_the_gpu_was_used_cannot_use_the_gpu(monkeypatch):
    monkeypatch.setattr(switch, "_forked_after_cuda", False)
    assert in_child("fork", find_backend, "auto") == "numpy"
    switch._mark_forked()
    with pytest.raises(BackendError, match="was forked"):
        in_child("fork", find_backend, "cupy")
    assert find_backend("auto") == "numpy"
    with pytest.raises(BackendError, match="was forked"):
        sv.to_numpy(FAKE_CUPY.upload(X))
    compute_outputs(MODELS["VAE"](), X)


def start_python(code, *args, **options):
    return subprocess.Popen([PYTHON, "-c", code, *map(str, args)], stderr=subprocess.PIPE, encoding="utf-8", **options)


def wait_for(*processes):
    try:
        for process in processes:
            _, error = process.communicate(timeout=TIMEOUT)
            assert process.returncode == 0, error
    finally:
        for process in processes:
            process.kill()


SAVE_REPEATEDLY = """
import sys
import scratchvae as sv
vae = sv.load(sys.argv[1])
for _ in range(100):
    sv.save(vae, sys.argv[2])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows a file cannot be read while it is replaced")
def test_loading_during_concurrent_saves_returns_one_complete_model(tmp_path):
    models, path = [MODELS["VAE"](seed=seed) for seed in (1, 2)], tmp_path / "vae.npz"
    for k, vae in enumerate(models):
        vae.metadata["which"] = k
        sv.save(vae, tmp_path / f"{k}.npz")
    sv.save(models[0], path)
    writers = [start_python(SAVE_REPEATEDLY, tmp_path / f"{k}.npz", path) for k in range(2)]
    loaded = []
    while any(writer.poll() is None for writer in writers):
        vae = sv.load(path)
        loaded.append(vae.metadata["which"])
        assert np.array_equal(vae.theta, models[loaded[-1]].theta)
    wait_for(*writers)
    assert set(loaded) == {0, 1}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.npz", "1.npz", "vae.npz"]


COMPILE_KERNELS = """
import numpy as np
import scratchvae as sv
plain, fused = (sv.VAE(9, 3, (16,), backend=backend) for backend in ("numpy", "native"))
x = np.linspace(0, 1, 90, dtype="float32").reshape(10, 9)
np.testing.assert_allclose(fused.loss_and_grads(x)[0], plain.loss_and_grads(x)[0], rtol=1e-5)
"""
# A compiler that waits, at its first compilation, until another process compiles too.
WAITING_COMPILER = """#!/bin/sh
case "$*" in *--version*) exec {compiler} "$@";; esac
mkdir -p {meeting}/$PPID
n=0
while [ $(ls {meeting} | wc -l) -lt 2 ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done
exec {compiler} "$@"
"""


@pytest.mark.slow
@needs_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="the waiting compiler is a shell script")
def test_two_processes_can_compile_the_same_kernels_at_once(tmp_path):
    script, meeting, cache = tmp_path / "c++", tmp_path / "meeting", tmp_path / "cache"
    script.write_text(WAITING_COMPILER.format(compiler=" ".join(COMPILER), meeting=meeting), encoding="utf-8")
    script.chmod(0o755)
    env = {**os.environ, "CXX": str(script), "XDG_CACHE_HOME": str(cache)}
    wait_for(*(start_python(COMPILE_KERNELS, env=env) for _ in range(2)))
    assert len(list(meeting.iterdir())) == 2
    libraries = list((cache / "scratchvae" / "native").iterdir())
    assert libraries and all(path.suffix == ".so" for path in libraries)
