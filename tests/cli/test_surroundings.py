"""The command among other things: pipes, terminals, other folders, earlier runs."""

import errno
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.cli import main
from scratchvae.cli.arguments import as_json
from scratchvae.cli.outputs import Printer, discard_stdout, is_broken_pipe
from scratchvae.plotting import REPORT_PICTURES

QUICK = ["--epochs", "1", "--hidden", "16", "--latent", "3", "--quiet"]
SCRATCHVAE = [sys.executable, "-m", "scratchvae"]


def test_a_closed_pipe_does_not_end_the_run(tmp_path):
    read, write = os.pipe()
    os.close(read)
    command = [*SCRATCHVAE, "train", "--epochs", "1", "--hidden", "16", "--no-pictures", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, encoding="utf-8", timeout=120)
    os.close(write)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert (tmp_path / "run" / "config.json").exists()


def test_each_line_is_printed_at_once(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(written), newline="\n"))
    Printer(silent=False)("epoch 1")
    assert written.getvalue() == b"epoch 1\n"
    Printer(silent=True)("epoch 2")
    assert written.getvalue() == b"epoch 1\n"


def test_another_error_of_the_output_ends_the_run(monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OSError, match="No space left"):
        Printer(silent=False)("epoch 1")


def test_json_is_for_people_too():
    assert as_json({"a": 1, "b": [0.5, float("nan")]}) == '{\n  "a": 1,\n  "b": [\n    0.5,\n    null\n  ]\n}'


def test_after_a_closed_pipe_nothing_is_printed(tmp_path, monkeypatch):
    with (tmp_path / "out").open("w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        print("before", flush=True)
        discard_stdout()
        print("after", flush=True)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "before\n"


def test_on_windows_a_closed_pipe_is_an_invalid_argument(monkeypatch):
    closed, unspecific = BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.EINVAL, "Invalid argument")
    file_error = OSError(errno.EINVAL, "Invalid argument", "a.npy")
    for platform, expected in (("linux", [True, False, False]), ("win32", [True, True, False])):
        monkeypatch.setattr(sys, "platform", platform)
        assert [is_broken_pipe(error) for error in (closed, unspecific, file_error)] == expected


def test_a_terminal_that_knows_no_greek_gets_question_marks():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*SCRATCHVAE, "info", "--help"], env=environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_data_is_found_again_from_another_folder(tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "table.npy", np.random.default_rng(0).random((40, 6)))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "table.npy", *QUICK, "--no-pictures", "--out", "run"]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["evaluate", "../run"]) == 0
    assert "4 rows (test)" in capsys.readouterr().out


@pytest.mark.slow
def test_pictures_of_an_earlier_run_do_not_stay_beside_a_new_model(tmp_path):
    out, pictures = ["--out", str(tmp_path)], set(REPORT_PICTURES) - {"manifold"}  # that is for two latent dimensions
    assert main(["train", *QUICK, *out]) == 0
    assert {path.stem for path in tmp_path.glob("*.png")} == pictures - {"class_swaps"}
    assert main(["train", *QUICK, *out, "--model", "conditional"]) == 0
    assert {path.stem for path in tmp_path.glob("*.png")} == pictures - {"interpolation"}
    assert main(["train", *QUICK, *out, "--model", "autoencoder"]) == 0
    assert {path.stem for path in tmp_path.glob("*.png")} == pictures - {"samples", "class_swaps"}
    assert main(["train", *QUICK, *out, "--no-pictures"]) == 0
    assert not list(tmp_path.glob("*.png"))


def test_a_picture_that_no_run_of_ours_drew_is_left_alone(tmp_path):
    (tmp_path / "latent.png").write_bytes(b"mine")
    assert main(["train", *QUICK, "--no-pictures", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "latent.png").read_bytes() == b"mine"


def test_json_has_null_where_a_model_has_gone_to_infinity(tmp_path, capsys):
    vae = sv.VAE(64, 2, ())
    vae.params["encoder.0.b"][2:] = 1000.0
    sv.save(vae, tmp_path / "vae.npz")
    assert main(["evaluate", str(tmp_path / "vae.npz"), "digits", "--json"]) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest_fail(word))
    assert report["kl_per_dimension"] == [None, None]


def pytest_fail(word):
    raise AssertionError(f"{word} is no JSON")


def test_a_default_folder_that_holds_another_datas_model_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder, width in (("a", 6), ("b", 7)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "faces.npy", np.random.default_rng(0).random((40, width)))
    assert main(["train", "a/faces.npy", *QUICK, "--no-pictures"]) == 0
    assert main(["train", "a/faces.npy", *QUICK, "--no-pictures"]) == 0
    assert main(["train", "b/faces.npy", *QUICK, "--no-pictures"]) == 2
    assert "--out" in capsys.readouterr().err
    assert sv.load("runs/faces").input_dim == 6
