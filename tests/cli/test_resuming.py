"""Interrupted and resumed training on the command line."""

import json
import subprocess
import sys
import time
from math import inf
from pathlib import Path

import numpy as np
import pytest

import scratchvae
from scratchvae.cli import main
from scratchvae.errors import FileError
from scratchvae.io import describe_file
from scratchvae.training import Trainer

QUICK = ("train", "--hidden", "16", "--latent", "3", "--quiet", "--no-pictures", "--binarize", "dynamic")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Killed(BaseException):
    pass


def train(*words):
    try:
        return main([*QUICK, *words])
    except SystemExit as error:
        return error.code


def killed_after(updates, monkeypatch, *words):
    step = Trainer._train_step

    def until(trainer, state, *words):
        if state.updates == updates:
            raise Killed
        return step(trainer, state, *words)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Trainer, "_train_step", until)
        train(*words)


def weights(out):
    return scratchvae.load(out).theta.tobytes()


@pytest.mark.parametrize(
    "more",
    [("--checkpoint",), ("--checkpoint", "--every", "5"), ("--checkpoint", "elsewhere/run.npz", "--keep", "3")],
    ids=" ".join,
)
def test_a_resumed_run_writes_the_same_files_as_an_uninterrupted_one(folder, monkeypatch, more):
    assert train("--epochs", "3", "--out", "whole") == 0
    killed_after(20, monkeypatch, "--epochs", "3", "--out", "broken", *more)
    assert not (folder / "broken" / "model.npz").exists()
    assert train("--epochs", "3", "--out", "broken", "--resume", *more) == 0
    assert weights("broken") == weights("whole")
    tables = [(folder / out / "kl.csv").read_text(encoding="utf-8") for out in ("whole", "broken")]
    assert tables[0] == tables[1]
    assert not list(folder.rglob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_is_resumed(folder):
    words = ["--epochs", "40", "--out", "run", "--checkpoint", "--every", "3"]
    with subprocess.Popen([sys.executable, "-m", "scratchvae", *QUICK, *words]) as process:
        deadline = time.monotonic() + 60
        while not (folder / "run" / "checkpoint.1.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert not (folder / "run" / "model.npz").exists()
    assert train(*words, "--resume") == 0
    assert train("--epochs", "40", "--out", "whole") == 0
    assert weights("run") == weights("whole")


def train_verbose(*words):
    return main([*(word for word in QUICK if word != "--quiet"), *words])


def test_resume_without_a_checkpoint_starts_from_the_beginning(folder, capsys):
    assert train_verbose("--epochs", "1", "--out", "run", "--resume") == 0
    assert "training starts from the beginning" in capsys.readouterr().out
    assert {path.name for path in (folder / "run").iterdir()} == {
        "checkpoint.npz",
        "checkpoint.1.npz",
        "config.json",
        "history.csv",
        "kl.csv",
        "model.npz",
    }


@pytest.mark.parametrize("more", ["", "--batch-size 1500", "--batch-size 1500 --patience 1"])
def test_the_model_before_a_divergence_is_saved(folder, capsys, more):
    assert train("--epochs", "2", "--lr", "1e30", "--out", "run", *more.split()) == 3
    lines = capsys.readouterr().err.splitlines()
    assert "diverged in " in lines[0] and str(Path("run", "last-finite.npz")) in lines[-1]
    assert max(map(len, lines)) <= 200
    assert np.abs(scratchvae.load("run/last-finite.npz").theta).max() < (1e3 if more else inf)
    assert {file.name for file in (folder / "run").iterdir()} == {"config.json", "last-finite.npz"}
    result = json.loads((folder / "run" / "config.json").read_text(encoding="utf-8"))["result"]
    assert result["stopped"] == "diverged" and result["error"].startswith("training diverged in ")
    assert result["epoch"] == 1 and (result["step"] is None) == bool(more)


DIVERGING = ("--epochs", "2", "--lr", "1e30")
COMMANDS = [
    "classify",
    "embed",
    "sample",
    "evaluate",
    "info",
    "reconstruct",
    "impute",
    "denoise",
    "interpolate",
    "traverse",
]


def assert_told_as_diverged(command, capsys, *words):
    capsys.readouterr()
    assert main([command, "run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    for word in (f"scratchvae {command}: ", "run diverged", "last-finite.npz holds the last finite weights", *words):
        assert word in line, line
    assert len(line) <= 200


@pytest.mark.parametrize("checkpoint", [(), ("--checkpoint",), ("--checkpoint", "elsewhere/c.npz")])
def test_every_command_tells_that_a_run_diverged_and_what_to_do(folder, capsys, checkpoint):
    assert train(*DIVERGING, "--out", "run", *checkpoint) == 3
    for command in COMMANDS:
        assert_told_as_diverged(command, capsys, "name that file, or train again with a lower learning rate")
        assert "not ended" not in capsys.readouterr().err
    for read in (scratchvae.load, scratchvae.load_encoder, describe_file):
        with pytest.raises(FileError, match=r"the training in run diverged: last-finite\.npz holds the last finite"):
            read("run")
    assert main(["info", "run/last-finite.npz"]) == 0
    assert "diverged in epoch 1; these weights are those before" in capsys.readouterr().out


def test_the_model_of_an_earlier_run_is_not_taken_for_that_of_a_run_that_diverged(folder, capsys):
    assert train("--epochs", "1", "--out", "run") == 0
    before = {path.name: path.read_bytes() for path in (folder / "run").iterdir()}
    assert train(*DIVERGING, "--out", "run") == 3
    assert_told_as_diverged("embed", capsys, "model.npz is of an earlier", "name one of the two")
    assert all((folder / "run" / name).read_bytes() == content for name, content in before.items())
    assert main(["embed", "run/model.npz"]) == 0


@pytest.mark.parametrize("words", [(), ("--retries", "60"), ("--checkpoint", "--retries", "60")])
def test_a_run_that_diverged_is_forgotten_once_it_is_trained_again(folder, words):
    sgd = "--epochs", "1", "--optimizer", "sgd", "--momentum", "0"
    assert train(*sgd, "--lr", "1e7", "--out", "run") == 3
    assert train(*sgd, "--lr", "1e7" if words else "1e-3", "--out", "run", *words) == 0
    assert not (folder / "run" / "last-finite.npz").exists()
    assert main(["embed", "run"]) == 0


def test_the_default_folder_of_a_run_that_diverged_is_trained_into_again(folder):
    assert train("--epochs", "1") == 0
    assert train(*DIVERGING) == 3
    assert train("--epochs", "1") == 0
    assert main(["embed", "runs/digits"]) == 0


def test_a_run_that_is_killed_after_one_that_diverged_is_not_told_as_diverged(folder, monkeypatch, capsys):
    assert train(*DIVERGING, "--out", "run") == 3
    killed_after(20, monkeypatch, "--epochs", "3", "--out", "run", "--checkpoint")
    capsys.readouterr()
    assert main(["sample", "run"]) == 2
    assert "training has not ended" in capsys.readouterr().err


def test_each_retry_is_reported(capsys):
    words = "--optimizer", "sgd", "--lr", "1e7", "--momentum", "0", "--retries", "60"
    assert train("--epochs", "1", "--out", "run", *words) == 0
    err = capsys.readouterr().err
    assert "with the learning rate multiplied by 0.5" in err
    result = json.loads(Path("run", "config.json").read_text(encoding="utf-8"))["result"]
    assert result["halvings"] == err.count("scratchvae train: warning: training diverged")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--every", "5"), "--every has no effect without checkpoints"),
        (("--keep", "5"), "--keep has no effect without checkpoints"),
        (("--checkpoint", "--every", "0"), "--every 0: expected"),
        (("--checkpoint", "--keep", "0"), "--keep 0: expected"),
        (("--checkpoint", "digits"), "DATA stands before --checkpoint"),
        (("--resume", "--batch-size", "7"), "--batch-size was 128 and is 7"),
        (("--resume", "--lr", "0.1"), "--lr was 0.001 and is 0.1"),
        (("--resume", "--patience", "2"), "cannot be resumed with other settings"),
        (("--resume", "--seed", "1"), "--seed was 0 and is 1"),
        (("--checkpoint",), "--resume"),
        (("--retries", "-1"), "--retries -1: expected"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_refused_in_one_line(folder, monkeypatch, capsys, words, message):
    killed_after(20, monkeypatch, "--epochs", "3", "--out", "run", "--checkpoint")
    capsys.readouterr()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert train("--epochs", "3", "--out", "run", *words) == 2
    err = capsys.readouterr().err
    assert err.startswith("scratchvae train: ") and err.count("\n") == 1 and message in err
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--epochs", "4"), "--epochs was 3 and is 4; restore these settings (only --schedule constant allows more"),
        (("--epochs", "4", "--latent", "4"), "--latent was 3 and is 4; --epochs was 3 and is 4; restore these"),
        (("--batch-size", "7"), "settings: --batch-size was 128 and is 7; restore these settings"),
        (("--patience", "2"), "settings: --patience was unset and is 2; restore these settings"),
    ],
    ids=" ".join,
)
def test_a_run_with_other_settings_is_refused_by_the_names_of_the_options(monkeypatch, capsys, words, message):
    killed_after(20, monkeypatch, "--epochs", "3", "--out", "run", "--checkpoint")
    capsys.readouterr()
    assert train("--epochs", "3", "--out", "run", "--resume", *words) == 2
    err = capsys.readouterr().err
    assert message in err and "steps" not in err and "…" not in err


def test_the_length_of_a_run_whose_kl_weight_is_a_cycle_is_named_too(monkeypatch, capsys):
    cycles = ("--kl-cycles", "2", "--schedule", "constant", "--out", "run")
    killed_after(20, monkeypatch, "--epochs", "3", *cycles, "--checkpoint")
    capsys.readouterr()
    assert train("--epochs", "4", *cycles, "--resume") == 2
    assert "--epochs was 3 and is 4; restore these settings\n" in capsys.readouterr().err


def test_the_record_of_a_later_run_without_checkpoints_names_no_options(monkeypatch, capsys):
    killed_after(20, monkeypatch, "--epochs", "3", "--out", "run", "--checkpoint")
    assert train("--epochs", "1", "--out", "run") == 0
    capsys.readouterr()
    assert train("--epochs", "4", "--out", "run", "--resume") == 2
    assert "--epochs was 1" not in capsys.readouterr().err


def test_the_record_of_another_run_names_no_options(monkeypatch, capsys):
    killed_after(20, monkeypatch, "--epochs", "3", "--out", "run", "--checkpoint", "kept.npz")
    assert train("--epochs", "1", "--out", "other") == 0
    capsys.readouterr()
    assert train("--epochs", "4", "--out", "other", "--resume", "--checkpoint", "kept.npz") == 2
    assert "--epochs was 1" not in capsys.readouterr().err


def test_the_settings_of_a_run_with_checkpoints_can_be_taken_for_another(folder):
    assert train("--epochs", "1", "--out", "one", "--checkpoint", "--every", "5") == 0
    assert main(["train", "--config", "one", "--out", "two"]) == 0
    assert weights("one") == weights("two")
    assert not (folder / "two" / "checkpoint.npz").exists()  # --checkpoint is not reusable
    assert main(["train", "--config", "one", "--seed", "1"]) == 0
    assert weights("one") == weights("two") != weights("runs/digits")


def test_info_describes_a_checkpoint(monkeypatch, capsys):
    killed_after(20, monkeypatch, "--epochs", "3", "--out", "run", "--checkpoint")
    assert main(["info", "run/checkpoint.npz"]) == 0
    facts = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    facts = {name: fact.strip() for name, fact in facts.items()}
    assert (facts["file"], facts["updates"], facts["epochs"]) == ("checkpoint, format 3", "12", "1")
    assert facts["training"].startswith("not ended") and facts["model"] == "VAE"
    assert train("--epochs", "3", "--out", "run", "--resume") == 0
    assert main(["info", "run/checkpoint.npz"]) == main(["info", "run"]) == 0
    out = capsys.readouterr().out
    assert "finished" in out and "model, format 3" in out


def test_a_diverged_run_is_resumed_at_half_the_learning_rate(folder, capsys):
    words = "--epochs", "3", "--out", "run", "--optimizer", "sgd", "--lr", "1e7", "--momentum", "0"
    assert train(*words, "--checkpoint") == 3
    err = capsys.readouterr().err
    assert "the last checkpoint" in err and "--resume --retries 5" in err
    assert {file.name for file in (folder / "run").iterdir()} == {
        "checkpoint.npz",
        "config.json",
        "last-finite.npz",
    }
    assert train(*words, "--resume") == 3
    assert train(*words, "--resume", "--retries", "3") == 3
    assert train(*words, "--resume", "--retries", "60") == 0
    assert not (folder / "run" / "last-finite.npz").exists()


def test_a_killed_run_leaves_its_settings_and_its_checkpoint(folder, monkeypatch, capsys):
    killed_after(20, monkeypatch, "--epochs", "3", "--out", "run", "--checkpoint")
    assert json.loads((folder / "run" / "config.json").read_text(encoding="utf-8"))["result"] is None
    assert main(["sample", "run"]) == 2
    assert f"name a file, such as {Path('run', 'checkpoint.npz')}" in capsys.readouterr().err
    assert main(["train", "--config", "run", "--out", "run", "--resume", "--no-pictures"]) == 0
    assert "continuing from" in capsys.readouterr().out
    assert train("--epochs", "3", "--out", "whole") == 0
    assert weights("run") == weights("whole")


def test_the_checkpoint_before_a_damaged_one_is_resumed_with_a_warning(folder, monkeypatch, capsys):
    killed_after(30, monkeypatch, "--epochs", "3", "--out", "run", "--checkpoint")
    newest = folder / "run" / "checkpoint.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    capsys.readouterr()
    assert train_verbose("--epochs", "3", "--out", "run", "--resume") == 0
    out, err = capsys.readouterr()
    before = Path("run", "checkpoint.1.npz")
    assert f"continuing from {before}: 1 epoch, 12 steps" in out
    assert f"scratchvae train: warning: {Path('run', 'checkpoint.npz')} " in err and str(before) in err
    assert train("--epochs", "3", "--out", "whole") == 0
    assert weights("run") == weights("whole")
