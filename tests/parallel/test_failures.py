"""A process that fails, differs or is killed ends all, with one message."""

import time
from pathlib import Path

import pytest
from parallel.mpi import needs_mpiexec, run

PROGRAM = Path(__file__).with_name("failing.py")
LIMIT = 10  # seconds from the failure to the end of all

pytestmark = needs_mpiexec

# The way to fail, and what the one message says.
DIFFERENCES = {
    "data": "process 1 differs from process 0 in images: ",
    "seed": "process 1 differs from process 0 in seed: 1, not 0; start all processes with the same version",
    "dtype": "process 1 differs from process 0 in model.dtype: 'float32', not 'float64'",
    "setting": "process 1 differs from process 0 in clip_norm: 1.0, not None",
    "epochs": "process 1 differs from process 0 in epochs: 11, not 10",
    "model": "process 1 differs from process 0 in model: 'IWAE', not 'VAE'",
    "version": "process 1 differs from process 0 in scratchvae: '0.2.1', not ",
    "initial weights": "process 1 differs from process 0 in weights: ",
    "stream": "process 1 differs from process 0 in batches: ",
    "weights": "process 1 differs from process 0 in weights: ",
    "range": "images holds values from ",
    "small batches": "batch_size=2 is less than the number of processes, 3: make it larger, or start fewer",
    "nan": "training diverged in step 21, epoch 4: 3 of 72 numbers of encoder.0.W are nan",
}
QUICK = "data", "stream", "weights", "range", "nan"
FAILURES = {
    "exception": ("KeyError: 'no such key'", 1),
    "stall": ("has waited 2 s for the others: one of them has stalled", 1),
    "exit": ("process 1 of 3 has called sys.exit in training, which ends all processes", 4),
}


def messages(err, text):
    return [line for line in err.splitlines() if text in line]


@pytest.mark.parametrize(
    "way", [way if way in QUICK else pytest.param(way, marks=pytest.mark.slow) for way in DIFFERENCES]
)
def test_processes_that_differ_all_raise_the_same_error(way):
    out, err = run(3, PROGRAM, way, code=1)
    assert not out
    assert len(messages(err, DIFFERENCES[way])) == 1
    assert err.count("Traceback") == 1
    assert "MPI_Abort" not in err  # each has ended by itself


@pytest.mark.parametrize("way", FAILURES)
def test_a_process_that_fails_ends_all_with_one_message(way):
    message, code = FAILURES[way]
    begin = time.monotonic()
    out, err = run(3, PROGRAM, way, code=code)
    assert time.monotonic() - begin < LIMIT + 10  # with the start of three processes
    assert not out
    assert len(messages(err, message)) == 1
    assert err.count("Traceback") == (way != "exit")


def test_a_killed_process_ends_all():
    begin = time.monotonic()
    out, _ = run(3, PROGRAM, "kill", code=None)
    assert time.monotonic() - begin < LIMIT + 10
    assert "finished" not in out


@pytest.mark.parametrize(
    ("way", "reason"), [("stop", "enough"), pytest.param("interrupt", "interrupted", marks=pytest.mark.slow)]
)
def test_a_request_of_one_process_stops_all_after_the_same_step(way, reason):
    out, _ = run(3, PROGRAM, way)
    assert sorted(out.splitlines()) == [f"process {rank}: {reason}, 20 updates, 0 halvings" for rank in range(3)]


def test_all_processes_restart_an_epoch_when_one_diverges():
    out, err = run(3, "-W", "default", PROGRAM, "retries")
    assert sorted(out.splitlines()) == [f"process {rank}: finished, 60 updates, 1 halvings" for rank in range(3)]
    assert err.count("DivergenceWarning") == 1
