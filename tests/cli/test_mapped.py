"""Files that are mapped instead of read, on the command line: the results are the same to the bit."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.cli import main
from scratchvae.rows import RowSelection, ShardedRows

QUICK = ("--epochs", "2", "--hidden", "8", "--latent", "2", "--quiet", "--no-pictures")
PICTURES = np.random.default_rng(0).integers(0, 256, (75, 4, 4)).astype("u1")
NUMBERS = np.random.default_rng(1).normal(3, 2, (75, 5))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(PICTURES)
    return tmp_path


def write(rows):
    """The rows as whole.npy, and in the files of the folder shards."""
    Path("shards").mkdir(exist_ok=True)
    np.save("whole.npy", rows)
    for k, part in enumerate(np.split(rows, [20, 21, 60])):
        np.save(f"shards/{k}.npy", part)


def train(*line, out="run"):
    assert main(["train", line[0], *QUICK, *line[1:], "--out", out]) == 0
    return sv.load(out)


def history(out):
    with Path(out, "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    seconds = rows[0].index("seconds")
    return [row[:seconds] + row[seconds + 1 :] for row in rows]


MAPPED = {"file": ("whole.npy", "--mmap"), "pattern": ("shards/*.npy",), "folder": ("shards",)}
OPTIONS = {
    "pictures": (PICTURES, ()),
    "rows": (PICTURES.reshape(75, -1)[:, :9], ("--patience", "2", "--binarize", "dynamic")),
    "numbers": (NUMBERS, ("--checkpoint",)),
    "minmax": (NUMBERS, ("--scale", "minmax", "--patience", "2")),
    "float32": (NUMBERS.astype("f4") / 20 + 0.1, ("--likelihood", "gaussian_learned", "--scale", "standardize")),
    "missing": (np.where(NUMBERS > 5, np.nan, NUMBERS), ("--missing",)),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_mapped_training_gives_the_bits_of_one_that_reads_the_file(name):
    rows, options = OPTIONS[name]
    write(rows)
    expected = train("whole.npy", *options, out="read")
    for form, data in MAPPED.items():
        model = train(*data, *options, out=form)
        assert model.theta.tobytes() == expected.theta.tobytes()
        assert model.schema.as_json() == expected.schema.as_json()
        assert model.config == expected.config
        assert history(form) == history("read")


@pytest.mark.parametrize("form", MAPPED)
def test_other_commands_find_the_mapped_training_data(form, folder, monkeypatch):
    train("whole.npy", out="read")
    train(*MAPPED[form])
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    for run in ("run", "read"):
        assert main(["embed", f"../{run}", "--out", f"{run}.npy"]) == 0
        assert main(["score", f"../{run}", "--samples", "4", "--out", f"{run}.csv"]) == 0
        for command in ("reconstruct", "interpolate", "denoise --draws 1"):
            name, *options = command.split()
            option = "--picture" if name == "denoise" else "--out"
            assert main([name, f"../{run}", *options, option, f"{run}-{name}.png"]) == 0
    assert np.load("run.npy").shape == (75, 2)
    assert Path("run.npy").read_bytes() == Path("read.npy").read_bytes()
    assert Path("run.csv").read_text() == Path("read.csv").read_text()


@pytest.mark.parametrize("form", MAPPED)
def test_evaluate_reads_the_same_rows(form, capsys):
    train("whole.npy", out="read")
    train(*MAPPED[form])
    capsys.readouterr()
    results = []
    for line in (("run",), ("read",), ("run", "whole.npy"), ("read", *MAPPED[form])):
        assert main(["evaluate", *line, "--part", "test", "--json"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert results[0] == results[1] == results[2] == results[3]
    assert results[0]["rows"] == 7


def test_mapped_bytes_are_brought_into_the_units_of_a_model_of_fractions(folder):
    np.save("fractions.npy", PICTURES / np.float32(255))
    train("fractions.npy", out="run")
    for name, data in {"mapped": ("shards",), "read": ("whole.npy",)}.items():
        assert main(["embed", "run", *data, "--out", f"{name}.npy"]) == 0
    assert Path("mapped.npy").read_bytes() == Path("read.npy").read_bytes()


def test_the_run_folder_has_the_name_of_the_folder_of_a_pattern():
    assert main(["train", "shards/*.npy", *QUICK]) == 0
    assert Path("runs/shards/model.npz").exists()


def test_settings_of_a_mapped_run_are_used_again():
    train("whole.npy", "--mmap", out="first")
    assert json.loads(Path("first/config.json").read_text())["command"]["mmap"] is True
    assert main(["train", "--config", "first", "--out", "again", "--quiet", "--no-pictures"]) == 0
    assert sv.load("again").metadata["mmap"] is True
    train("shards/*.npy", out="pattern")
    assert main(["train", "--config", "pattern", "--out", "again", "--quiet", "--no-pictures"]) == 0
    assert sv.load("again").theta.tobytes() == sv.load("first").theta.tobytes()


def test_a_training_on_shards_is_resumed():
    train("shards/*.npy", "--checkpoint", "--schedule", "constant")
    resumed = train("shards/*.npy", "--resume", "--schedule", "constant", "--epochs", "4")
    expected = train("whole.npy", "--schedule", "constant", "--epochs", "4", out="read")
    assert resumed.theta.tobytes() == expected.theta.tobytes()


def test_pictures_of_shards_are_drawn():
    pytest.importorskip("matplotlib")
    line = [option for option in QUICK if option != "--no-pictures"]
    assert main(["train", "shards", *line, "--out", "run"]) == 0
    assert Path("run/reconstructions.png").stat().st_size


REFUSED = {
    "digits --mmap": "mmap has no effect",
    "table.csv --mmap": "only for .npy files",
    "arrays.npz --mmap": "only for .npy files",
    "none/*.npy": "there is no data",
    "shards/q*.npy": "there is no data",
    "mixed": "expected the same in all files",
    "mixed/*.npy": "expected the same in all files",
    "damaged/*.npy": "neither a .npy nor an .npz file",
    "few/*.npy": "expected at least 10",
    "shards --color rgb": "only for a folder of images",
    "shards --size 4 4": "only for a folder of images",
    "shards --model conditional": "has no class labels",
    "channels/*.npy": "move the channels to the end",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_mapped_is_refused_without_a_traceback(line, capsys):
    Path("table.csv").write_text("a,b\n1,2\n3,4\n")
    np.savez("arrays.npz", a=NUMBERS)
    for name, parts in {
        "mixed": (NUMBERS, NUMBERS[:, :2]),
        "few": (NUMBERS[:3], NUMBERS[:4]),
        "channels": (np.ones((20, 3, 4, 4), "u1"),),
    }.items():
        Path(name).mkdir()
        for k, part in enumerate(parts):
            np.save(f"{name}/{k}.npy", part)
    Path("damaged").mkdir()
    Path("damaged/0.npy").write_text("no array")
    try:
        code = main(["train", *line.split(), *QUICK, "--out", "run"])
    except SystemExit as leaving:
        code = leaving.code
    error = capsys.readouterr().err
    assert code == 2
    assert "Traceback" not in error
    assert REFUSED[line] in " ".join(error.split()) or (line == "digits --mmap" and "only for .npy files" in error)
    assert not Path("run/model.npz").exists()


def test_load_maps_files():
    for source, options in (("whole.npy", {"mmap": True}), ("shards/*.npy", {}), (Path("shards"), {})):
        data, read = sv.datasets.load(source, **options), sv.datasets.load("whole.npy", scale="none")
        assert data.image_shape == read.image_shape == (4, 4)
        assert isinstance(data.train.images, RowSelection)
        assert isinstance(data.part("all").images, ShardedRows)
        for part in ("train", "test", "all"):
            np.testing.assert_array_equal(np.asarray(data.part(part).images), read.part(part).images)
        np.testing.assert_array_equal(data.test_mask, read.test_mask)
        assert "75" not in repr(data) and "68 train" in repr(data)


def test_a_folder_with_images_remains_a_folder_of_images():
    pillow = pytest.importorskip("PIL.Image")
    for k in range(12):
        pillow.fromarray(PICTURES[k]).save(f"shards/{k}.png")
    with pytest.warns(UserWarning, match="not read, as not images"):
        data = sv.datasets.load("shards")
    assert len(data.part("all").images) == 12
