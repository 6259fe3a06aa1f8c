"""Tests of the demo that trains the models of papers: each model, sittings, and the table."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import DataError

DEMOS = Path(__file__).parent.parent.parent / "demos"


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    names = runpy.run_path(str(DEMOS / "published_results.py"), run_name="published_results")
    rng = np.random.default_rng(0)
    splits = [sv.datasets.Split((rng.random((300, 784)) < 0.2).astype(np.float32), None) for _ in range(3)]
    data = sv.datasets.Dataset("binarized-mnist", splits[0], splits[1], (28, 28), validation=splits[2])
    monkeypatch.setattr(sv.datasets, "load", lambda name: data)
    return names


@pytest.mark.parametrize("name", ["vae", pytest.param("dreg", marks=pytest.mark.slow), "vamp", "iaf"])
def test_each_model_trains_and_has_a_result(demo, name, tmp_path, capsys):
    demo["main"]([name, "--quick", "--backend", "numpy", "--folder", str(tmp_path)])
    found = json.loads((tmp_path / f"{name}-0.json").read_text(encoding="utf-8"))
    assert found["rows"] == 300 and found["samples"] == 20 and np.isfinite(found["nll"])
    assert found["command"] == f"python demos/published_results.py {name} --samples 20"
    assert f"| {found['title']} | {found['nll']:.2f} ± " in capsys.readouterr().out
    demo["main"](["--table", str(tmp_path / f"{name}-0.json")])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_run_in_two_sittings_ends_with_the_same_numbers(demo, tmp_path, capsys):
    command = ["vae", "--quick", "--backend", "numpy", "--folder"]
    demo["main"]([*command, str(tmp_path / "one")])
    demo["main"]([*command, str(tmp_path / "two"), "--minutes", "1e-5"])
    assert "vae: the time is over; the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "two" / "vae-0.json").exists()
    demo["main"]([*command, str(tmp_path / "two")])
    one, two = (json.loads((tmp_path / name / "vae-0.json").read_text(encoding="utf-8")) for name in ("one", "two"))
    same = "nll", "standard error", "validation loss", "epochs", "best epoch"
    assert [one[key] for key in same] == [two[key] for key in same]


def test_an_evaluation_goes_on_after_the_rows_that_it_has(demo, tmp_path):
    model, x = sv.VAE(784, 2, (8,), dtype="float64"), sv.datasets.load("binarized-mnist").test.images.astype(float)
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    assert demo["evaluate"](model, x, two, 20, -np.inf) is None and not two.exists()
    demo["evaluate"](model, x[:200], two, 20, np.inf)
    at_once, in_parts = (demo["evaluate"](model, x, file, 20, np.inf)[0] for file in (one, two))
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-12)
    assert at_once.shape == (3, 300)


def test_names_are_listed_and_checked(demo, capsys, monkeypatch):
    demo["main"]([])
    assert "vamp   VampPrior, K = 500, published: 85.57" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        demo["main"](["vampire"])
    assert "vampire: expected vae, iwae, dreg, vamp, iaf" in capsys.readouterr().err

    def missing(name):
        raise DataError("binarized-mnist is not here")

    monkeypatch.setattr(sv.datasets, "load", missing)
    with pytest.raises(SystemExit, match=r"published_results.py: binarized-mnist is not here"):
        demo["main"](["vae"])
