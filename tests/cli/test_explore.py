"""Tests of `scratchvae explore`: where the page is, what it holds, and what the line says."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.cli import main


def data_of(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', Path(path).read_text(encoding="utf-8"))[1])


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(line, code=0):
        assert main(line.split()) == code, capsys.readouterr()
        out, err = capsys.readouterr()
        assert (out if code else err) == ""
        return (err if code else out).rstrip("\n")

    return run


@pytest.fixture
def train(run):
    def train(words):
        run(f"train {words} --epochs 1 --hidden 8 --quiet --no-pictures")

    return train


def test_the_page_is_in_the_folder_of_the_run(run, train):
    train("digits --latent 3")
    line = run("explore runs/digits")
    size = Path("runs/digits/explore.html").stat().st_size
    rows = "297 rows of the test part of digits"
    assert line == f"wrote runs/digits/explore.html: {size / 1e6:.1f} MB, {rows}; open it in a browser"
    data = data_of("runs/digits/explore.html")
    digits = sv.datasets.load("digits")
    assert (data["title"], data["part"], data["rows"]["count"]) == ("digits", "test", 297)
    assert data["rows"]["labels"] == digits.test.labels.tolist() and data["classNames"] == list("0123456789")
    assert data["shape"] == [8, 8, 1] and data["about"].endswith("trained on digits")


def test_a_model_file_has_its_page_beside_it_and_may_have_other_rows(run, train):
    train("digits --latent 3 --out first")
    Path("first/model.npz").rename("mine.npz")
    np.save("mine.npy", np.random.default_rng(0).random((12, 64), np.float32))
    line = run("explore mine.npz mine.npy --rows 5")
    assert line.startswith("wrote explore.html: ") and "5 rows of the all part of mine.npy" in line
    data = data_of("explore.html")
    assert (data["title"], data["rows"]["count"], data["rows"]["of"], data["rows"]["labels"]) == ("mine", 5, 12, None)


def test_the_number_of_rows_and_the_precision_are_options(run, train):
    train("digits --latent 3")
    run("explore runs/digits --rows 40 --weights float32 --part train --out page.html")
    data = data_of("page.html")
    assert (data["rows"]["count"], data["precision"], data["part"]) == (40, "float32", "train")


def test_without_rows_the_data_is_not_needed(run, train):
    np.savez("mine.npz", x=np.random.default_rng(0).random((40, 6), np.float32))
    train("mine.npz --latent 2")
    Path("mine.npz").unlink()
    error = run("explore runs/mine", code=2)
    assert error.startswith("scratchvae explore: the training data of runs/mine is no longer at ")
    assert "name DATA after MODEL" in error
    assert "no rows" in run("explore runs/mine --rows 0")
    assert data_of("runs/mine/explore.html")["rows"]["count"] == 0


def test_a_conditional_model_has_the_classes_of_its_rows(run, train):
    train("digits --model conditional --latent 2")
    run("explore runs/digits")
    data = data_of("runs/digits/explore.html")
    vae, digits = sv.load("runs/digits"), sv.datasets.load("digits")
    assert data["model"]["classes"] == 10 and data["planes"] == {}
    assert data["kl"] == pytest.approx(
        sv.evaluation.active_units(vae, digits.test.images, digits.test.labels).kl, rel=1e-2
    )


def test_a_table_of_several_kinds_has_columns_instead_of_pictures(run, train):
    rows = "".join(f"{('cat', 'dog')[k % 2]},{k / 2},{k % 4}\n" for k in range(40))
    Path("pets.csv").write_text(f"kind,weight,visits\n{rows}", encoding="utf-8")
    train("pets.csv --latent 2")
    run("explore runs/pets")
    data = data_of("runs/pets/explore.html")
    assert data["shape"] is None and data["rows"]["count"] == 4
    assert [column["name"] for column in data["columns"]] == ["kind", "weight", "visits"]


def test_the_page_needs_no_matplotlib(run, train, monkeypatch):
    train("digits --latent 2")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run("explore runs/digits")


def test_a_page_that_is_too_large_is_refused_with_its_size(run, train):
    train("digits --latent 2")
    error = run("explore runs/digits --max-mb 0.05", code=2)
    assert re.match(
        r"scratchvae explore: --max-mb 0\.05 is less than the page needs: 0\.\d MB for 1,\d+ weights", error
    )
    assert not Path("runs/digits/explore.html").exists()
