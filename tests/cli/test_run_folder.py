"""Two runs into one folder."""

import subprocess
from pathlib import Path

import pytest
from child_processes import PYTHON

import scratchvae as sv
from scratchvae.cli import main
from scratchvae.disk import lock, locked
from scratchvae.errors import DataError
from scratchvae.training import Trainer

TRAIN = ["train", "--hidden", "8", "--latent", "2", "--no-pictures"]
LIMIT = 60  # seconds


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("words", "out"), [([], "runs/digits"), (["--out", "run"], "run")])
def test_a_second_run_is_refused_before_it_trains_while_the_first_goes_on(folder, words, out, capsys):
    first = [PYTHON, "-m", "scratchvae", *TRAIN, "--epochs", "100000", *words]
    with subprocess.Popen(first, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stderr.readline().startswith("epoch")
            assert main([*TRAIN, "--epochs", "1", *words]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert f"{Path(out, '.lock')} is locked by process {process.pid}; wait until" in line
            assert [file.name for file in (folder / out).iterdir()] == [".lock"]
        finally:
            process.kill()
    assert main([*TRAIN, "--epochs", "1", *words, "--quiet"]) == 0
    assert not (folder / out / ".lock").exists()
    assert sv.load(out).latent_dim == 2


def test_a_folder_is_locked_from_before_the_training_until_all_is_written(folder, monkeypatch):
    files, fit = [], Trainer.fit

    def list_files_and_fit(*args, **named):
        files.extend(file.name for file in (folder / "run").iterdir())
        return fit(*args, **named)

    monkeypatch.setattr(Trainer, "fit", list_files_and_fit)
    assert main([*TRAIN, "--epochs", "1", "--quiet", "--out", "run"]) == 0
    assert files == [".lock"]


def test_a_model_of_other_settings_is_replaced_with_a_line_on_it(folder, capsys):
    assert main([*TRAIN, "--epochs", "1", "--quiet"]) == 0
    assert main([*TRAIN, "--epochs", "1", "--no-pictures"]) == 0
    assert "replaces" not in capsys.readouterr().out
    assert main([*TRAIN, "--epochs", "2", "--beta", "2", "--missing"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "replaces" in line)
    changes = "--beta was 1.0 and is 2.0; --missing was off and is on; --epochs was 1 and is 2"
    assert line == f"this run replaces the model in {Path('runs/digits')}, of other settings: {changes}"
    (folder / "runs/digits/config.json").unlink()
    assert main([*TRAIN, "--epochs", "1"]) == 0
    assert f"this run replaces the model in {Path('runs/digits')}\n" in capsys.readouterr().out


def test_a_run_that_fails_leaves_no_folder(folder, monkeypatch):
    def fail(*args, **named):
        raise DataError("the file was cut")

    monkeypatch.setattr(Trainer, "fit", fail)
    assert main([*TRAIN, "--epochs", "3", "--quiet", "--out", "run"]) == 2
    assert not list(folder.iterdir())


def test_a_lock_that_this_disk_does_not_know_is_warned_of_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(lock, "try_lock", lambda _: None)
    assert main([*TRAIN, "--epochs", "1", "--quiet", "--out", "run"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"scratchvae train: warning: {Path('run/.lock')} cannot be locked on this disk")


def test_a_folder_that_is_trained_into_can_be_read(capsys):
    assert main([*TRAIN, "--epochs", "1", "--quiet", "--out", "run"]) == 0
    with locked("run/.lock"):
        assert main(["info", "run"]) == 0
