"""Checkpoints of several processes: resumed with the same bits, by another number of processes, and after a kill."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from parallel.mpi import TIMEOUT, end, needs_mpiexec, run, start
from parallel.resumable import STEPS, train
from parallel.test_same_result import assert_same

import scratchvae as sv

PROGRAM = Path(__file__).with_name("resumable.py")
LIMIT = 10  # seconds from a kill to the end of all

pytestmark = needs_mpiexec


def result_in(folder):
    with np.load(folder / "result.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(2, PROGRAM, folder)
    return folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupted")
    run(2, PROGRAM, folder, "--stop-after", 17)
    return folder


@pytest.fixture
def copy(interrupted, tmp_path):
    shutil.copytree(interrupted, tmp_path / "copy")
    return tmp_path / "copy"


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert np.array_equal(found[name], values), name


def test_only_the_first_process_writes(interrupted):
    assert {path.name for path in interrupted.iterdir()} == {"run.npz", "run.1.npz"}


def test_the_same_number_of_processes_ends_with_the_same_bits(copy, uninterrupted):
    run(2, PROGRAM, copy)
    assert_same_bits(result_in(copy), result_in(uninterrupted))


def test_one_process_continues_from_a_checkpoint_of_several(copy, uninterrupted):
    assert_same(train(copy, None), result_in(uninterrupted))


def test_more_processes_continue_from_a_checkpoint(copy, uninterrupted):
    run(3, PROGRAM, copy)
    assert_same(result_in(copy), result_in(uninterrupted))


def test_several_processes_continue_from_a_checkpoint_of_one(tmp_path, uninterrupted):
    from parallel.resumable import StopAfter

    train(tmp_path, None, [StopAfter(17)])
    run(2, PROGRAM, tmp_path)
    assert_same(result_in(tmp_path), result_in(uninterrupted))


def kill_at_random(folder, pids, rng):
    """Start a training, kill one of its processes at a random moment; return the seconds until all have ended."""
    program, until = start(2, PROGRAM, folder, "--report", pids), rng.randrange(1, STEPS)
    try:
        for line in program.stdout:
            if line.strip() == str(until):
                break
        processes = [int((pids / str(rank)).read_text()) for rank in range(2)]
        time.sleep(rng.uniform(0, 0.05))
        begin = time.monotonic()
        os.kill(rng.choice(processes), signal.SIGKILL)
        program.communicate(timeout=TIMEOUT)
        seconds = time.monotonic() - begin
    finally:
        end(program)
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    return seconds


@pytest.mark.parametrize("moment", [*range(2), *(pytest.param(k, marks=pytest.mark.slow) for k in range(2, 20))])
def test_a_process_killed_at_any_moment_ends_all_and_the_checkpoint_resumes(moment, tmp_path, uninterrupted):
    (folder := tmp_path / "run").mkdir()
    (pids := tmp_path / "pids").mkdir()
    assert kill_at_random(folder, pids, random.Random(moment)) < LIMIT
    assert sv.load(folder / "run.npz").theta.size
    run(2, PROGRAM, folder)
    assert_same_bits(result_in(folder), result_in(uninterrupted))
