"""BusyCoresDetector: it warns where the threads of the matrix products wait for cores, and nowhere else."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from child_processes import PYTHON, TIMEOUT

import scratchvae as sv
from scratchvae.backend import openblas
from scratchvae.errors import BusyCoresWarning
from scratchvae.training.callbacks.busy_cores import CoreTime

X = np.zeros((64, 8), "float32")


class Blas:
    def __init__(self, threads):
        self.get_num_threads = lambda: threads


def warnings_of(monkeypatch, times, threads=2, backend="numpy", epochs=4):
    """The warnings of a training whose epochs end at these times; the first is that of its beginning."""
    remaining = iter(times)
    monkeypatch.setattr(CoreTime, "now", classmethod(lambda kind: next(remaining)))
    monkeypatch.setattr(openblas, "find_openblas", lambda: None if threads is None else Blas(threads))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sv.Trainer(sv.VAE(8, 2, (4,), backend=backend)).fit(X, epochs)
    return [warning for warning in caught if warning.category is BusyCoresWarning]


def ending_at(*pairs):
    return [CoreTime(computing, waiting) for computing, waiting in pairs]


BUSY = ending_at((5.0, 1.0), (5.5, 1.5), (7.0, 3.0), (9.0, 5.0), (11.0, 7.0))


def test_waiting_for_half_of_the_time_gives_one_warning_with_the_remedies(monkeypatch):
    (warning,) = warnings_of(monkeypatch, BUSY)
    assert warning.filename == __file__
    text = str(warning.message)
    for words in ("50% of the time", "OpenBLAS's 2 threads", "OPENBLAS_NUM_THREADS=1", "backend='native'"):
        assert words in text
    assert len(text) <= 200


@pytest.mark.parametrize(
    "settings",
    [
        {"times": ending_at((0, 0), (1, 0.2), (2, 0.4), (3, 0.6), (4, 0.9))},  # a fifth of the time
        {"times": ending_at((0, 0), (0.1, 0.1), (0.2, 0.2), (0.4, 0.4), (0.8, 0.8))},  # less than two seconds
        {"times": BUSY, "threads": 1},
        {"times": BUSY, "threads": None},  # another BLAS
        {"times": [None] * 5},  # another system
    ],
    ids=["little", "short", "one thread", "another BLAS", "another system"],
)
def test_nothing_else_gives_a_warning(monkeypatch, settings):
    assert warnings_of(monkeypatch, **settings) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the times are those of Linux")
def test_the_times_are_those_of_this_thread():
    before = CoreTime.now()
    while CoreTime.now().computing - before.computing < 0.05:
        pass
    after = CoreTime.now()
    assert 0.05 <= after.computing - before.computing < 5 and after.waiting >= before.waiting


TRAIN = """
import warnings, numpy as np, scratchvae as sv
warnings.simplefilter("always")
x = (np.random.default_rng(0).random((512, 784)) < 0.3).astype("float32")
sv.Trainer(sv.VAE(784, 8, (256,))).fit(x, 400, callbacks=[sv.training.MaxTime(20.0)])
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the times are those of Linux")
def test_busy_cores_are_noticed():
    spin = [subprocess.Popen([PYTHON, "-c", "while True: pass"]) for _ in range(2 * len(os.sched_getaffinity(0)))]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    try:
        result = subprocess.run([PYTHON, "-c", TRAIN], env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    finally:
        for process in spin:
            process.kill()
            process.wait()
    assert result.returncode == 0 and result.stderr.count("BusyCoresWarning: other work keeps") == 1, result.stderr
