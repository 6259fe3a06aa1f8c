import json
import signal
import subprocess
import sys
import threading

import pytest

import scratchvae

LIMIT = 40.0  # seconds


@pytest.fixture
def signals():
    """Children receive SIGINT, even where this process was started to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a single process")
def test_ctrl_c_ends_with_130_and_writes_what_was_learnt_so_far(tmp_path, signals):
    command = [sys.executable, "-m", "scratchvae", "train", "--epochs", "100000", "--hidden", "16", "--latent", "3"]
    with subprocess.Popen(
        [*command, "--out", "run"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        limit = threading.Timer(LIMIT, process.kill)
        limit.start()
        try:
            first = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read().splitlines()
            process.wait()
        finally:
            limit.cancel()
            process.kill()

    assert first.startswith("epoch")
    assert process.returncode == 130
    assert rest[-1] == "scratchvae train: interrupted; the model so far is in run"  # without a checkpoint, no --resume
    assert not any("Traceback" in line for line in rest)

    out = tmp_path / "run"
    assert scratchvae.load(out / "model.npz").latent_dim == 3
    assert (out / "history.csv").read_text(encoding="utf-8").splitlines()[1].startswith("1,")
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["result"]["stopped"] == "interrupted"
    assert (out / "samples.png").stat().st_size
    assert not list(tmp_path.rglob("*.part"))
