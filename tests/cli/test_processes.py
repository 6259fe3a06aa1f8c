"""`train` under mpiexec, and what the other commands say there."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from parallel.mpi import TIMEOUT, end, needs_mpiexec, run, start

import scratchvae as sv
from scratchvae.cli import main

TRAIN = "-m", "scratchvae", "train", "digits", "--hidden", "16", "--no-pictures", "--dtype", "float64"


@needs_mpiexec
def test_train_in_two_processes_writes_the_model_of_one(tmp_path, capsys):
    out, err = run(2, *TRAIN, "--epochs", "2", "--out", tmp_path / "two", "--checkpoint")
    assert out.count("2 processes, each with a part of the rows of each batch") == 1
    assert out.count("wrote model.npz") == 1
    assert err.count("epoch 2/2") == 1
    assert main([*TRAIN[2:], "--epochs", "2", "--out", str(tmp_path / "one"), "--quiet"]) == 0
    one, two = sv.load(tmp_path / "one/model.npz"), sv.load(tmp_path / "two/model.npz")
    assert np.linalg.norm(two.theta - one.theta) <= 1e-12 * np.linalg.norm(one.theta)
    results = [json.loads((tmp_path / name / "config.json").read_text())["result"]["test"] for name in ("one", "two")]
    assert results[1]["value"] == pytest.approx(results[0]["value"], rel=1e-10)
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        *("model.npz", "history.csv", "kl.csv", "config.json", "checkpoint.npz", "checkpoint.1.npz")
    }


@needs_mpiexec
def test_a_mistake_is_reported_once(tmp_path):
    _, err = run(3, *TRAIN, "--batch-size", "2", "--out", tmp_path / "run", code=2)
    assert err.splitlines() == [
        "scratchvae train: --batch-size 2 is less than the number of processes, 3: make it larger, or start fewer"
    ]


@needs_mpiexec
def test_ctrl_c_ends_all_processes_after_a_step(tmp_path):
    program = start(2, *TRAIN, "--epochs", "100000", "--out", tmp_path / "run", "--checkpoint")
    try:
        deadline = time.monotonic() + TIMEOUT
        while not (tmp_path / "run/checkpoint.1.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=TIMEOUT)
    finally:
        end(program)
    assert err.count("scratchvae train: interrupted; the model so far is in") == 1
    assert (tmp_path / "run/model.npz").exists()


@pytest.fixture
def under_mpiexec(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", "0")


def test_other_commands_are_refused_under_mpiexec(under_mpiexec, capsys):
    assert main(["info"]) == 2
    message = "scratchvae info: mpiexec has started 2 processes, and only train uses several; leave mpiexec out\n"
    assert capsys.readouterr().err == message


def test_train_under_mpiexec_needs_mpi4py(under_mpiexec, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert main(["train", "--out", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("scratchvae train: mpiexec has started 2 processes, which need mpi4py")
    assert "pip install 'scratchvae[mpi]'" in err
    assert not (tmp_path / "run").exists()


def test_only_the_first_process_prints(under_mpiexec, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-m", "scratchvae", "info"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={**os.environ, "PMI_RANK": "1"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_the_timeout_is_for_several_processes(capsys):
    assert main(["train", "--mpi-timeout", "3"]) == 2
    assert "--mpi-timeout has no effect in a single process" in capsys.readouterr().err
