"""Commands on a user's own table of text."""

import json
from pathlib import Path

import numpy as np
import pytest

import scratchvae
from scratchvae.cli import main
from scratchvae.datasets import load

QUICK = ("--epochs", "1", "--hidden", "16", "--latent", "3", "--quiet", "--no-pictures", "--likelihood", "gaussian")


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    """A labelled table, in table.csv and, with holes in it, in holes.tsv."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(60, 4)), np.arange(60) % 3
    for name, between, hole in (("table.csv", ",", None), ("holes.tsv", "\t", "NA")):
        lines = [between.join(["a", "b", "c", "d", "label"])]
        for k, row in enumerate(rows.tolist()):
            cells = [hole if hole and (k + j) % 7 == 0 else repr(number) for j, number in enumerate(row)]
            lines.append(between.join([*cells, f"class {labels[k]}"]))
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    return rows


def test_a_conditional_model_learns_from_the_label_column_and_embed_writes_it_back(capsys):
    assert main(["train", "table.csv", "--model", "conditional", *QUICK, "--out", "a"]) == 0
    assert main(["embed", "a", "--out", "codes.csv"]) == 0
    codes, rows = load("codes.csv").part("all"), load("table.csv").part("all")
    assert np.array_equal(codes.labels, rows.labels) and np.array_equal(rows.labels, np.arange(60) % 3)
    model = scratchvae.load("a")
    assert np.array_equal(codes.images.astype(np.float32), model.embed(rows.images, rows.labels))


def test_missing_values_are_imputed_with_the_option_missing_and_refused_without(table, capsys):
    assert main(["train", "holes.tsv", "--missing", *QUICK, "--out", "a"]) == 0
    assert main(["impute", "a", "--samples", "10", "--out", "whole.csv"]) == 0
    whole, holes = (load(name).part("all").images for name in ("whole.csv", "holes.tsv"))
    observed = ~np.isnan(holes)
    assert 0 < (~observed).sum() < 40
    assert np.array_equal(whole[observed].astype(np.float32), table[observed].astype(np.float32))
    assert np.isfinite(whole).all()
    assert main(["train", "holes.tsv", *QUICK, "--out", "b"]) == 2
    err = capsys.readouterr().err
    assert "NaN" in err and "missing" in err and err.count("\n") == 1


def test_an_empty_label_is_a_row_to_learn_from_without_one_and_not_to_be_scored_on(table, capsys):
    labels = ["" if k % 4 < 2 else k % 3 for k in range(60)]
    lines = [f"{row[0]},{label}" for row, label in zip(table, labels, strict=True)]
    Path("some.csv").write_text("\n".join(["a,label", *lines]), encoding="utf-8")
    assert main(["train", "some.csv", "--model", "semi-supervised", *QUICK, "--json", "--out", "a"]) == 0
    labelled = int((load("some.csv").test.labels >= 0).sum())
    assert 0 < labelled < 6
    scored = json.loads(capsys.readouterr().out)["accuracy"] * labelled
    assert scored == pytest.approx(round(scored))
    assert main(["evaluate", "a"]) == 0
    assert f", on the {labelled} rows with a label" in capsys.readouterr().out
    Path("none.csv").write_text("\n".join(["a", *(str(row[0]) for row in table)]), encoding="utf-8")
    assert main(["evaluate", "a", "none.csv"]) == 0
    assert "accuracy" not in capsys.readouterr().out


def test_the_only_row_of_a_class_is_for_training(capsys):
    for row in range(60):
        text = "\n".join(["a,label", *(f"{k},{2 if k == row else k % 2}" for k in range(60))])
        Path("odd.csv").write_text(text, encoding="utf-8")
        data = load("odd.csv")
        assert 2 in data.train.labels and 2 not in data.test.labels
    assert main(["train", "odd.csv", "--model", "semi-supervised", *QUICK, "--out", "a"]) == 0
