"""Settings from a file."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scratchvae
from scratchvae.cli import main
from scratchvae.cli.parser import make_parser
from scratchvae.cli.train_options import OPTIONS

NOT_REUSABLE = {option.dest for option in OPTIONS if not option.reusable}


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "settings.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    return write


def parsed(*words):
    return vars(make_parser().parse_args(["train", *words]))


LINE = (
    "train digits --model semi-supervised --epochs 1 --hidden 16 8 --latent 3 --labels 100 --alpha 2 --lr 3e-3 "
    "--seed 7 --kl-warmup 1 --clip-norm 5 --batch-size 100 --no-pictures --quiet --out"
)


def test_what_train_wrote_trains_the_same_model_bit_for_bit_again(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    assert main([*LINE.split(), str(a)]) == 0
    assert main(["train", "--config", str(a / "config.json"), "--out", str(b)]) == 0
    assert (a / "model.npz").read_bytes() == (b / "model.npz").read_bytes()
    records = [json.loads((out / "config.json").read_text(encoding="utf-8")) for out in (a, b)]
    for record in records:
        del record["result"]["seconds"]
        record["command"] = {name: value for name, value in record["command"].items() if name not in NOT_REUSABLE}
    assert records[0] == records[1]
    assert main(["train", "--seed", "8", "--config", str(a), "--out", str(c)]) == 0  # its folder will do
    assert (a / "model.npz").read_bytes() != (c / "model.npz").read_bytes()


def test_what_is_typed_goes_before_the_file_wherever_it_stands(written):
    path = written({"latent": 3, "hidden": [5, 6], "data": "sprites", "epochs": 9, "quiet": True, "sigma": 2})
    plain = parsed()
    assert parsed("--config", path) == {
        **plain, "latent": 3, "hidden": [5, 6], "data": "sprites", "epochs": 9, "quiet": True, "sigma": 2.0
    }  # fmt: skip
    for words in (["--latent", "10", "--hidden", "512"], ["--hidden", "512", "--latent", "10"]):
        for line in ([*words, "--config", path], ["--config", path, *words], ["--conf", path, *words]):
            settings = parsed("digits", *line)
            assert (settings["latent"], settings["hidden"], settings["data"], settings["epochs"]) == (
                10,
                [512],
                "digits",
                9,
            )


def test_names_may_be_written_as_they_are_typed(written):
    from_file = parsed("--config", written({"batch-size": 7, "no-pictures": True}))
    assert from_file == parsed("--batch-size", "7", "--no-pictures")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"latnet": 3}, ["sets 'latnet'", "latent?"]),
        ({"learning_rate": 3}, ["sets 'learning_rate'", "did you mean lr?"]),
        ({"xyzzy": 3}, ["sets 'xyzzy'", "no option of train (see scratchvae train --help)"]),
        ({"config": "x"}, ["'config'"]),
        ({"help": True}, ["'help'"]),
        ({"batch-size": 1, "batch_size": 2}, ["twice"]),
        (b'{"latent": 1, "latent": 2}', ["'latent' is set twice"]),
        ({"latent": "3"}, ["sets latent to '3'", "whole number"]),
        ({"latent": 3.0}, ["sets latent to 3.0", "whole number"]),
        ({"latent": True}, ["sets latent to true", "whole number"]),
        ({"latent": None}, ["sets latent to null", "whole number"]),
        ({"latent": [3]}, ["sets latent to a list of 1", "whole number"]),
        ({"lr": "fast"}, ["sets lr to 'fast'", "a number"]),
        ({"lr": False}, ["sets lr to false", "a number"]),
        ({"hidden": 512}, ["sets hidden to 512", "a list"]),
        ({"hidden": [512, "a"]}, ["sets hidden to a list of 2", "whole number"]),
        ({"hidden": {"a": 1}}, ["sets hidden to an object of 1"]),
        ({"quiet": 1}, ["sets quiet to 1", "true or false"]),
        ({"data": 5}, ["sets data to 5", "a text"]),
        ({"model": "gan"}, ["sets model to 'gan'", "vae"]),
        ({"model": "conditionel"}, ["sets model to 'conditionel'", "did you mean conditional?"]),
        ({"model": "x" * 1000}, ["x" * 18 + "…", "choose one of vae, iwae"]),
        ({"command": 5}, ["holds 5", "object"]),
        ([1, 2], ["holds a list of 2", "object"]),
        (7, ["holds 7", "object"]),
        (b"", ["JSON"]),
        (b"{", ["JSON"]),
        (b"latent: 3", ["JSON"]),
        (b'{"lr": NaN}', ["NaN"]),
        (b'{"seed": 9223372036854775808}', ["9223372036854775808 is too large"]),
        (b'{"seed": ' + b"9" * 100_000 + b"}", ["99… is too large"]),
        (b"[" * 100_000, ["nested too deep"]),
        (b'{"data":' * 100_000, ["nested too deep"]),
        (b"\xff\xfe{}", ["UTF-8"]),
        (b'{"seed": 1}' + b" " * (1 << 20), ["larger than 1048576"]),
    ],
)
def test_what_is_no_setting_is_refused_in_one_line(written, capsys, content, words):
    path = written(content)
    with pytest.raises(SystemExit) as leaving:
        main(["train", "--config", path])
    out, err = capsys.readouterr()
    assert (leaving.value.code, out, err.count("\n")) == (2, "", 1)
    assert len(err) <= 201
    for word in ("scratchvae train: ", Path(path).name, *words):
        assert word in err


@pytest.mark.parametrize("path", ["missing.json", "", "a\0b", ".", "/dev/zero", "pipe"])
def test_what_is_no_file_is_refused_in_one_line(tmp_path, monkeypatch, capsys, path):
    monkeypatch.chdir(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe")
    with pytest.raises(SystemExit):
        main(["train", "--config", path])
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "cannot be read" in err


def test_a_large_file_is_not_read(written):
    path = written(b"[" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(SystemExit):
            main(["train", "--config", path])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6


SMALL = ("--epochs", "1", "--hidden", "4", "--latent", "2", "--no-pictures", "--quiet")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the file mine.npy, and an empty folder elsewhere."""
    project = tmp_path / "project"
    (tmp_path / "elsewhere").mkdir()
    project.mkdir()
    np.save(project / "mine.npy", np.random.default_rng(0).random((40, 4)))
    monkeypatch.chdir(project)
    return project


def recorded(folder):
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))["command"]


def make_relative(folder, **paths):
    """Change the record of a run to that of an earlier version, with paths as they were typed."""
    record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    record["command"] |= paths
    (folder / "config.json").write_text(json.dumps(record), encoding="utf-8")


def trains_the_same(run, *words):
    assert main(["train", "--config", str(run), "--out", "again", *words]) == 0
    return np.array_equal(scratchvae.load("again").theta, scratchvae.load(run).theta)


def test_the_paths_in_the_record_of_a_run_are_absolute(project):
    words = ("--checkpoint", "kept/c.npz", "--data-dir", ".", "--out", "run")
    assert main(["train", "mine.npy", *SMALL, *words]) == 0
    command, here = recorded(project / "run"), project.resolve()
    assert (command["data"], command["data_dir"]) == (str(here / "mine.npy"), str(here))
    assert (command["out"], command["checkpoint"]) == (str(here / "run"), str(here / "kept" / "c.npz"))
    assert main(["train", *SMALL, "--out", "named", "--checkpoint"]) == 0
    command = recorded(project / "named")
    assert (command["data"], command["checkpoint"]) == ("digits", "")


@pytest.mark.parametrize("data", ["mine.npy", "../project/mine.npy"])
@pytest.mark.parametrize("config", ["../project/run", "../project/run/config.json"])
def test_a_run_is_trained_again_from_another_folder(project, monkeypatch, data, config):
    assert main(["train", data, *SMALL, "--out", "run"]) == 0
    monkeypatch.chdir(project.parent / "elsewhere")
    assert main(["train", "--config", config, "--out", "again"]) == 0
    assert Path("again/model.npz").read_bytes() == (project / "run" / "model.npz").read_bytes()
    assert recorded(Path("again"))["data"] == str(project.resolve() / "mine.npy")


def test_the_relative_path_of_an_earlier_version_is_found_here_first_then_by_the_model(project, monkeypatch):
    assert main(["train", "mine.npy", *SMALL, "--out", "run"]) == 0
    make_relative(project / "run", data="mine.npy")
    monkeypatch.chdir(project.parent / "elsewhere")
    assert trains_the_same(project / "run")
    np.save("mine.npy", np.random.default_rng(1).random((40, 4)))
    assert not trains_the_same(project / "run")
    assert recorded(Path("again"))["data"] == str(Path("mine.npy").resolve())


def test_the_data_of_an_unfinished_run_of_an_earlier_version_are_named_by_its_checkpoint(project, monkeypatch):
    assert main(["train", "mine.npy", *SMALL, "--out", "run", "--checkpoint"]) == 0
    make_relative(project / "run", data="mine.npy")
    (project / "run" / "model.npz").unlink()
    monkeypatch.chdir(project.parent / "elsewhere")
    assert main(["train", "--config", str(project / "run"), "--out", "again"]) == 0


def test_a_moved_run_keeps_working_with_its_data_or_without(project, monkeypatch):
    assert main(["train", "mine.npy", *SMALL, "--out", "runs/mine"]) == 0
    (project / "runs" / "mine").rename(project.parent / "moved")
    monkeypatch.chdir(project.parent / "elsewhere")
    assert trains_the_same(project.parent / "moved")
    (project.parent / "moved").rename(project / "runs" / "mine")
    project.rename(project.parent / "renamed")
    assert trains_the_same(project.parent / "renamed" / "runs" / "mine")


def test_data_that_are_nowhere_are_refused_by_name_unless_others_are_typed(project, monkeypatch, capsys):
    assert main(["train", "mine.npy", *SMALL, "--out", "run"]) == 0
    (project / "mine.npy").rename(project / "other.npy")
    for path, words in ((str(project / "mine.npy"), "it may have been moved"), ("mine.npy", "where its model names")):
        make_relative(project / "run", data=path)
        with pytest.raises(SystemExit):
            main(["train", "--config", "run", "--out", "again"])
        err = capsys.readouterr().err
        assert "mine.npy" in err and words in err and "DATA" in err and len(err) <= 201
    assert main(["train", "other.npy", "--config", "run", "--out", "again"]) == 0


def test_the_data_of_another_model_are_not_taken(project, monkeypatch):
    np.save("theirs.npy", np.random.default_rng(1).random((40, 4)))
    assert main(["train", "theirs.npy", *SMALL, "--out", "run"]) == 0
    make_relative(project / "run", data="mine.npy")
    monkeypatch.chdir(project.parent / "elsewhere")
    with pytest.raises(SystemExit):
        main(["train", "--config", str(project / "run"), "--out", "again"])


def test_the_same_data_by_another_path_are_no_change(project, capsys):
    assert main(["train", "mine.npy", *SMALL, "--out", "run"]) == 0
    make_relative(project / "run", data="mine.npy")
    assert main(["train", "../project/mine.npy", *SMALL[:-1], "--out", "run"]) == 0
    assert "other settings" not in capsys.readouterr().out


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
)


@given(st.dictionaries(st.sampled_from(["latent", "lr", "hidden", "quiet", "model", "data", "out"]), VALUES))
def test_any_value_is_taken_as_what_it_is_or_refused(tmp_path_factory, settings):
    path = tmp_path_factory.mktemp("any") / "config.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    try:
        read = parsed("--config", str(path))
    except SystemExit:
        return
    for name, value in settings.items():
        assert read[name] == value
        assert type(read[name]) is (float if name == "lr" else type(value))
