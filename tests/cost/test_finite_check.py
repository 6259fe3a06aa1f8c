"""Tests of the script that measures the cost of the finite check."""

import runpy
from pathlib import Path

import pytest

from scratchvae.training import FiniteCheck


@pytest.fixture
def finite_check():
    return runpy.run_path(str(Path(__file__).parent / "finite_check.py"))


@pytest.mark.filterwarnings("ignore::scratchvae.errors.CollapseWarning")
def test_the_script_prints_the_cost_of_a_step(finite_check, capsys):
    assert finite_check["main"](["--rounds", "2", "--epochs", "2", "--steps", "3", "--only", "small"]) in (0, 1)
    output = capsys.readouterr().out
    assert (
        output.startswith("small")
        and "3 checks of the loss, 1 of the state in 3 steps" in output
        and "quartiles" in output
    )


@pytest.mark.filterwarnings("ignore::scratchvae.errors.CollapseWarning")
def test_a_training_without_checks_is_refused(finite_check, monkeypatch):
    monkeypatch.setattr(FiniteCheck, "on_before_update", lambda check, state: None)
    with pytest.raises(SystemExit, match="nothing to measure"):
        finite_check["main"](["--rounds", "2", "--steps", "3", "--only", "small"])


def test_the_checks_are_active_again_after_a_measurement(finite_check):
    run = finite_check["Run"](4, 8, 2, 1, 0, "numpy", width=9)
    checks = run.count_checks()
    assert checks == (2, 1)
    finite_check["cost"](run, 2)
    assert run.count_checks() == checks
