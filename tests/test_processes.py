"""Several processes: those that a program forks or spawns, and those that meet on the same files."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from child_processes import LIMIT, PYTHON, find_backend, go_on, in_child, train, use
from emulated_backend import COMPILER, needs_compiler
from fake_cupy import FAKE_CUPY
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import backends as switch
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
# Newer versions of Python, and JAX once it is imported, warn that what a thread holds may be held for ever in a child:
# what ours hold is not, as is shown here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("kind", "backend", "method"),
    [
        *((kind, "numpy", METHODS[0]) for kind in MODELS),
        *(("VAE", "numpy", method) for method in METHODS[1:]),
        *(pytest.param("VAE", "native", method, marks=needs_compiler) for method in METHODS),
    ],
)
def test_a_child_gets_from_its_parents_model_the_bits_that_the_parent_gets(kind, backend, method):
    model = MODELS[kind](backend=backend)
    model.theta[...] += 0.01  # not those that its seed gives
    before = use(model, X)
    assert same(before, in_child(method, use, model, X))
    assert same(before, use(model, X))


@pytest.mark.parametrize("method", METHODS)
def test_children_train_copies_and_the_same_seed_gives_each_the_same_numbers(method):
    model = MODELS["VAE"]()
    before = model.theta.copy()
    one, two, other = (in_child(method, train, model, X, seed) for seed in (1, 1, 2))
    assert np.array_equal(model.theta, before)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert np.array_equal(one, train(model, X, 1))


@pytest.mark.parametrize(
    ("backend", "method"), [*(("numpy", m) for m in METHODS), pytest.param("native", METHODS[0], marks=needs_compiler)]
)
def test_a_trainer_goes_on_in_a_child_with_the_bits_that_it_has_here(backend, method):
    trainer = sv.Trainer(MODELS["VAE"](backend=backend), batch_size=64, seed=3, clip_norm=5.0)
    trainer.fit(X, 1)
    before = trainer.model.theta.copy()
    theta, losses = in_child(method, go_on, trainer, X)
    assert np.array_equal(trainer.model.theta, before) and len(trainer.history.epochs) == 1
    again, here = go_on(trainer, X)
    assert np.array_equal(theta, again) and losses == here
    assert not np.array_equal(theta, before)


@needs_fork
def test_a_forked_child_does_not_wait_for_a_lock_that_another_thread_holds():
    model = MODELS["VAE"]()
    before, held, over = use(model, X), threading.Event(), threading.Event()

    def hold():
        with model.lock, model.locks.exclusive_fit():
            held.set()
            over.wait(LIMIT)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    try:
        assert held.wait(LIMIT)
        assert same(before, in_child("fork", use, model, X))
        in_child("fork", train, model, X, 0)
    finally:
        over.set()
        thread.join(LIMIT)
    assert same(before, use(model, X))


class TwoHalves(sv.optim.Optimizer):
    """Writes all ones, one half of them a good while after the other."""

    def __init__(self):
        super().__init__(1.0)
        self.halfway = threading.Event()

    def step(self, dtheta):
        half = len(self.theta) // 2
        self.theta[:half] = 1.0
        self.halfway.set()
        time.sleep(0.3)  # for the fork to come meanwhile
        self.theta[half:] = 1.0


def weights_of(model):
    return model.theta.copy()


@needs_fork
def test_a_fork_waits_for_an_update_so_that_its_child_has_whole_weights():
    model, optimizer = MODELS["VAE"](), TwoHalves()
    trainer = sv.Trainer(model, optimizer=optimizer)
    thread = threading.Thread(target=trainer.step, args=(X,), daemon=True)
    thread.start()
    assert optimizer.halfway.wait(LIMIT)
    weights = in_child("fork", weights_of, model)
    thread.join(LIMIT)
    assert np.all(weights == 1.0)


@needs_fork
def test_a_fork_waits_until_no_other_thread_computes_with_a_model_so_that_its_child_can():
    model, begun, at_work = MODELS["VAE"](), threading.Event(), [True]
    forward = model.encoder.forward

    def slow_forward(x):
        begun.set()
        time.sleep(0.3)  # for the fork to come meanwhile
        at_work[0] = False
        return forward(x)

    model.encoder.forward = slow_forward
    thread = threading.Thread(target=model.encode, args=(X[:5],), daemon=True)
    thread.start()
    assert begun.wait(LIMIT)
    assert in_child("fork", list, at_work) == [False]
    thread.join(LIMIT)


@needs_fork
def test_a_fork_in_the_middle_of_an_update_of_its_own_thread_does_not_wait_for_itself():
    model, weights = MODELS["VAE"](), []

    def rate(t):
        weights.append(in_child("fork", weights_of, model))
        return 1e-3

    sv.Trainer(model, lr=rate).step(X)
    assert len(weights) == 1
    in_child("fork", use, model, X)
    thread = threading.Thread(target=use, args=(model, X), daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()


@needs_fork
def test_many_threads_that_fork_and_use_models_do_not_stand_in_each_others_way():
    models, errors = [MODELS["VAE"]() for _ in range(3)], []
    trainers = [sv.Trainer(model) for model in models]

    def work(k):
        try:
            for _ in range(4):
                trainers[k].step(X)
                in_child("fork", use, models[k - 1], X)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert not errors and not any(thread.is_alive() for thread in threads)


@needs_fork
def test_a_forked_child_is_refused_a_model_on_a_device_and_no_other():
    device, host = (MODELS["VAE"](backend=backend) for backend in (FAKE_CUPY, "numpy"))
    for work, *args in ((use, device, X), (train, device, X, 0)):
        with pytest.raises(BackendError, match=r"was forked from one that used it.*get_context\('spawn'\)"):
            in_child("fork", work, *args)
    in_child("fork", use, host, X)
    use(device, X)


@needs_fork
def test_a_plan_of_a_model_which_is_nowhere_yet_does_not_keep_a_child_from_its_locks():
    plan, model, held, over = MODELS["VAE"](backend=META), MODELS["VAE"](), threading.Event(), threading.Event()

    def hold():
        with model.lock, plan.lock:
            held.set()
            over.wait(LIMIT)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert held.wait(LIMIT)
    in_child("fork", use, model, X)
    over.set()
    thread.join(LIMIT)


@needs_fork
def test_a_process_that_was_forked_from_one_with_a_gpu_in_use_is_refused_the_gpu(monkeypatch):
    monkeypatch.setattr(switch, "_forked_after_cuda", False)
    assert in_child("fork", find_backend, "auto") == "numpy"
    switch._mark_forked()
    with pytest.raises(BackendError, match="was forked"):
        in_child("fork", find_backend, "cupy")
    assert find_backend("auto") == "numpy"
    with pytest.raises(BackendError, match="was forked"):
        sv.to_numpy(FAKE_CUPY.upload(X))
    use(MODELS["VAE"](), X)


def python(code, *args, **named):
    return subprocess.Popen([PYTHON, "-c", code, *map(str, args)], stderr=subprocess.PIPE, encoding="utf-8", **named)


def wait_for(*processes):
    try:
        for process in processes:
            _, error = process.communicate(timeout=LIMIT)
            assert process.returncode == 0, error
    finally:
        for process in processes:
            process.kill()


SAVES = """
import sys
import scratchvae as sv
vae = sv.load(sys.argv[1])
for _ in range(100):
    sv.save(vae, sys.argv[2])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody read a file while another replaces it")
def test_who_loads_while_two_processes_save_to_one_path_gets_the_one_or_the_other_whole(tmp_path):
    kinds, path = [MODELS["VAE"](seed=seed) for seed in (1, 2)], tmp_path / "vae.npz"
    for k, vae in enumerate(kinds):
        vae.metadata["which"] = k
        sv.save(vae, tmp_path / f"{k}.npz")
    sv.save(kinds[0], path)
    writers = [python(SAVES, tmp_path / f"{k}.npz", path) for k in range(2)]
    found = []
    while any(writer.poll() is None for writer in writers):
        vae = sv.load(path)
        found.append(vae.metadata["which"])
        assert np.array_equal(vae.theta, kinds[found[-1]].theta)
    wait_for(*writers)
    assert set(found) == {0, 1}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.npz", "1.npz", "vae.npz"]


COMPILES = """
import numpy as np
import scratchvae as sv
plain, fused = (sv.VAE(9, 3, (16,), backend=backend) for backend in ("numpy", "native"))
x = np.linspace(0, 1, 90, dtype="float32").reshape(10, 9)
np.testing.assert_allclose(fused.loss_and_grads(x)[0], plain.loss_and_grads(x)[0], rtol=1e-5)
"""
# A compiler that, the first time that it is to compile, waits until another process is to do so too.
BOTH_AT_ONCE = """#!/bin/sh
case "$*" in *--version*) exec {compiler} "$@";; esac
mkdir -p {meeting}/$PPID
n=0
while [ $(ls {meeting} | wc -l) -lt 2 ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done
exec {compiler} "$@"
"""


@pytest.mark.slow
@needs_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="the compiler that waits is a shell script")
def test_two_processes_that_compile_the_same_kernels_at_once_both_compute(tmp_path):
    script, meeting, cache = tmp_path / "c++", tmp_path / "meeting", tmp_path / "cache"
    script.write_text(BOTH_AT_ONCE.format(compiler=" ".join(COMPILER), meeting=meeting), encoding="utf-8")
    script.chmod(0o755)
    env = {**os.environ, "CXX": str(script), "XDG_CACHE_HOME": str(cache)}
    wait_for(*(python(COMPILES, env=env) for _ in range(2)))
    assert len(list(meeting.iterdir())) == 2
    kept = list((cache / "scratchvae" / "native").iterdir())
    assert kept and all(path.suffix == ".so" for path in kept)
