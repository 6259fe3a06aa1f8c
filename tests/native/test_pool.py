"""Tests of the threads of the native backend: the same results as NumPy's, whichever threads compute them."""

import ctypes
import os
import subprocess
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from child_processes import PYTHON, TIMEOUT
from emulated_backend import COMPILER, needs_compiler
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds

import scratchvae as sv
from scratchvae.backend import native, openblas
from scratchvae.backend.native import ElementwiseKernel, ReductionKernel, kernels, windows
from scratchvae.backend.native import pool as module
from scratchvae.backend.native.pool import Pool


def make_pool():
    """A pool of two threads, also where the number of OpenBLAS's threads is limited to one; None if there is none."""
    blas = openblas.find_openblas()
    return None if blas is None or COMPILER is None else Pool(blas, 2)


POOL = make_pool()
needs_threads = pytest.mark.skipif(POOL is None, reason="needs a C++ compiler, and NumPy with OpenBLAS on Linux")


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    for user in (module, kernels, windows, native):
        monkeypatch.setattr(user, "get_pool", lambda: POOL)
    return POOL


@needs_threads
@given(
    seed=seeds,
    sizes=st.tuples(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300)),
    forms=st.tuples(st.sampled_from("CFS"), st.sampled_from("CFS"), st.sampled_from("CS")),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_a_product_in_blocks_equals_that_of_numpy(seed, sizes, forms, dtype):
    m, k, n = sizes
    least, module.SPLIT_FROM = module.SPLIT_FROM, 1
    a, b, out = (
        in_memory(array.astype(dtype), form) for array, form in zip(matrices(seed, m, k, n), forms, strict=True)
    )
    frame = out.base.copy() if out.base is not None else None
    try:
        with POOL:
            assert POOL._arguments(a, b, out) is not None
            assert POOL.matmul(a, b, out=out) is out
    finally:
        module.SPLIT_FROM = least
    exact = a.astype("float64") @ b.astype("float64")
    np.testing.assert_allclose(out, exact, rtol=0, atol=4 * k * np.finfo(dtype).eps * np.abs(exact).max() + 1e-30)
    if frame is not None and forms[2] == "S":  # nothing around it is written
        frame[1:-1, 2:-3] = out
        np.testing.assert_array_equal(out.base, frame)


def matrices(seed, m, k, n):
    return normal(seed, m, k), normal(seed + 1, k, n), np.full((m, n), np.nan)


def in_memory(array, form):
    """The array in rows, in columns, or as a part of a larger one."""
    if form == "S":
        whole = np.full((array.shape[0] + 2, array.shape[1] + 5), 7, array.dtype)
        whole[1:-1, 2:-3] = array
        return whole[1:-1, 2:-3]
    return np.asarray(array, order=form)


@needs_threads
def test_numpy_computes_what_the_pool_cannot(pool):
    a = normal(0, 300, 300)
    read_only, out = np.empty((300, 300)), np.empty((300, 300))
    read_only.flags.writeable = False
    with pool:
        for arguments in (
            (a, a, a),  # the output is an input
            (a, a, a[::-1]),
            (a, a, read_only),
            (a, a[:, ::2], np.empty((300, 150))),
            (a.astype(">f8"), a, out),
            (a.astype("float32"), a, out),
            (a.astype("longdouble"), a.astype("longdouble"), out.astype("longdouble")),
            (a.astype(int), a.astype(int), np.empty((300, 300), int)),
            (a[None], a[None], out[None]),
            (a, a[:10], out),
        ):
            assert pool._arguments(*arguments) is None
        with pytest.raises(ValueError, match="read-only"):
            pool.matmul(a, a, out=read_only)
        with pytest.raises(ValueError, match="mismatch"):
            pool.matmul(a, a[:10], out=out)
        expected = a @ a
        same = a.copy()
        np.testing.assert_allclose(pool.matmul(same, same, out=same), expected)
        np.testing.assert_allclose(pool.matmul(a.tolist(), a), expected)
        np.testing.assert_allclose(pool.matmul(a.tolist(), a, out=out), expected)
        np.testing.assert_allclose(pool.matmul(a, a), expected)


@needs_threads
@pytest.mark.parametrize("shape", [(4096, 40), (1, 100_003), (100_003,)])
def test_a_kernel_in_threads_has_the_bits_of_one_in_a_single_thread(shape):
    x, results = normal(0, *shape).astype("float32"), []
    kernel = ElementwiseKernel("T x, float64 k", "T y", "y = exp(T(k) * x)", "scratchvae_test_threads")
    total = ReductionKernel("T x", "T out", "exp(x)", "a + b", "out = a", "0", "scratchvae_test_sum_threads")
    for shared in (False, True):
        y = np.full_like(x, np.nan)
        out = np.full(shape[0], np.nan, "float32")
        if shared:
            with POOL:
                kernel(x, 0.5, y)
                if len(shape) == 2:
                    total(x, out, axis=1)
        else:
            kernel(x, 0.5, y)
            if len(shape) == 2:
                total(x, out, axis=1)
        results.append((y, out))
    for one, several in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)
    assert np.isfinite(results[0][0]).all()


@needs_threads
@pytest.mark.parametrize("rows", [1, 3, 4, 37])
def test_windows_in_threads_have_the_bits_of_those_in_a_single_thread(rows):
    picture, k, s, p, places = (9, 7, 2), 3, 2, 1, (5, 4)
    copy, x = windows.Windows(picture, k, s, p, places, "float64"), normal(0, rows, 126)
    results = []
    for context in (POOL, nullcontext()):
        matrix, sums = np.full((rows * 20, 18), np.nan), np.full((rows, 126), np.nan)
        with context:
            copy.gather(x, matrix)
            copy.scatter(matrix, sums)
        results.append((matrix, sums))
    for several, one in zip(*results, strict=True):
        np.testing.assert_array_equal(several, one)
        assert np.isfinite(one).all()


def train(seed=0, steps=4, rows=128):
    x = (np.random.default_rng(seed).random((rows, 784)) < 0.3).astype("float32")
    vae = sv.VAE(784, 4, (64,), backend="native", seed=seed)
    trainer = sv.Trainer(vae, seed=seed)
    for _ in range(steps):
        trainer.step(x)
    return vae.theta.copy()


@needs_threads
def test_training_has_the_same_bits_whichever_threads_compute():
    alone, results = [train(seed) for seed in range(2)], {}

    def in_thread(seed):
        results[seed] = [train(seed) for _ in range(5)]

    threads = [threading.Thread(target=in_thread, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(2):  # while one model computes in the pool, the other computes its blocks in its own thread
        for result in results[seed]:
            np.testing.assert_array_equal(result, alone[seed])


@needs_threads
def test_openblas_has_its_threads_back_after_each_step_and_each_error(pool):
    count = pool._blas.get_num_threads()
    seen = []

    class Look(sv.training.Callback):
        def on_step_end(self, state):
            seen.append(pool._blas.get_num_threads())
            seen.append((np.ones((300, 300)) @ np.ones((300, 300)))[0, 0])

        def on_before_update(self, state):
            seen.append(pool._blas.get_num_threads())
            seen.append((np.ones((300, 300)) @ np.ones((300, 300)))[0, 0])

    vae = sv.VAE(784, 4, (64,), backend="native")
    x = np.zeros((256, 784), "float32")
    sv.Trainer(vae, batch_size=256).fit(x, 1, callbacks=[Look()])
    assert seen == [1, 300.0, count, 300.0]
    with pytest.raises(ZeroDivisionError), pool, pool:
        raise ZeroDivisionError
    assert pool._blas.get_num_threads() == count and pool.for_kernels() == (None, 1)


FORK = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
sys.path[:0] = {folders}
import numpy as np
import scratchvae as sv
from scratchvae.backend.native import get_pool
from test_pool import train
assert get_pool().threads == 2

expected, stop = train(), False
def busy():
    while not stop:
        train(1, steps=1)
thread = threading.Thread(target=busy, daemon=True)
thread.start()
for _ in range(20):
    child = os.fork()
    if not child:
        pool = get_pool()
        right = pool._blas.get_num_threads() == pool.threads and pool.for_kernels() == (None, 1)
        os._exit(0 if right and np.array_equal(train(), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop = True
thread.join()
print("equal")
"""


@needs_threads
def test_a_process_forked_in_the_middle_of_a_step_computes_the_same():
    script = FORK.format(folders=[str(Path(__file__).parent), str(Path(__file__).parents[1])])
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    command = [PYTHON, "-c", script]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 0 and result.stdout.strip() == "equal", result.stderr


@needs_compiler
def test_without_openblas_or_with_one_thread_numpy_computes(monkeypatch):
    monkeypatch.setattr(openblas, "_loaded_libraries", list)
    assert openblas.find_openblas.__wrapped__() is None
    pool, a = Pool(None, 4), normal(0, 200, 200)
    with pool:
        assert pool.threads == 1 and pool.for_kernels() == (None, 1)
        np.testing.assert_array_equal(pool.matmul(a, a, out=np.empty((200, 200))), a @ a)


@needs_threads
def test_a_pool_of_one_thread_leaves_openblas_one_too():
    blas, a = openblas.find_openblas(), normal(0, 200, 200)
    count, pool = blas.get_num_threads(), Pool(blas, 1)
    with pool:
        assert blas.get_num_threads() == 1 and pool.for_kernels() == (None, 1)
        np.testing.assert_array_equal(pool.matmul(a, a, out=np.empty((200, 200))), a @ a)
    assert blas.get_num_threads() == count


def test_an_openblas_without_cblas_is_left_alone(monkeypatch):
    functions = SimpleNamespace(openblas_get_num_threads=SimpleNamespace(), openblas_set_num_threads=SimpleNamespace())
    monkeypatch.setattr(openblas, "_loaded_libraries", lambda: ["libopenblas.so"])
    monkeypatch.setattr(ctypes, "CDLL", lambda path: functions)
    assert openblas.find_openblas.__wrapped__() is None


@needs_threads
def test_a_fork_between_two_lines_of_the_context_restores_the_threads_of_openblas(pool):
    count = pool._blas.get_num_threads()
    for users in (0, 1):  # as the thread of another model has left them, at its begin or at its end
        pool._threads_before, pool._users = count, users
        pool._blas.set_num_threads(1)
        pool._forget_users()
        assert pool._blas.get_num_threads() == count and pool.for_kernels() == (None, 1)
