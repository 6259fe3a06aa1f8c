import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np

DEMOS = Path(__file__).parent.parent.parent / "demos"


def test_the_pictures_of_the_readme_can_be_drawn_again(tmp_path):
    main = runpy.run_path(str(DEMOS / "readme_pictures.py"))["main"]
    main(["--only", "digits", "--epochs", "1", "--out", str(tmp_path)])
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (DEMOS / "pictures").glob("digits-*.png")}


def test_your_own_layer_is_checked_in_a_few_lines(capsys):
    runpy.run_path(str(DEMOS / "check_your_layer.py"))
    right, careless, slip, kink = capsys.readouterr().out.strip().split("\n\n")
    assert "every gradient agrees" in right
    assert "wrong" in careless and "1 of 3 WRONG" in careless
    assert "at [3]" in slip
    assert "kink" in kink and "1 of 1 NOT JUDGED" in kink


def test_the_museum_shows_a_bug_its_curve_and_what_catches_it(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "bug_museum.py"))["main"]
    main(["--only", "4", "--epochs", "1", "--out", str(tmp_path / "museum.png")])
    text = capsys.readouterr().out
    assert "- dx *= self.y" in text and "loss after 1 epochs" in text
    assert "caught by  Sigmoid by finite-difference: dx wrong at" in text
    assert (tmp_path / "museum.png").stat().st_size > 10_000


def test_the_benchmark_takes_turns_with_contenders_of_the_same_loss(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(DEMOS))
    main = runpy.run_path(str(DEMOS / "benchmark.py"))["main"]
    out = tmp_path / "grid.json"
    sizes = {"batch": "4", "hidden": "8", "rounds": "2", "seconds": "0.01", "json": str(out)}
    main(
        [word for name, size in sizes.items() for word in (f"--{name}", size)] + ["--only", "products", "torch", "jax"]
    )
    (cell,) = json.loads(out.read_text())
    assert set(cell["found"]) == {"step", "encode", "encode-one"}
    assert {"products", "scratchvae"} <= set(cell["found"]["step"])
    assert all(turn["milliseconds"] > 0 for turns in cell["found"]["step"].values() for turn in turns)
    assert "step, batch 4, hidden 8" in capsys.readouterr().out


def test_the_peak_told_of_a_process_is_not_that_of_whoever_started_it():
    held = np.ones(2**25)  # 256 MB
    told = subprocess.run(
        [sys.executable, "-c", "from measuring.machine import peak_MB; print(peak_MB())"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(DEMOS)},
    )
    assert held.nbytes / 2**20 > 200 > float(told.stdout) > 5
