"""The script that measures the finite check measures it."""

import runpy
from pathlib import Path

import pytest

from scratchvae.training import FiniteCheck


@pytest.fixture
def finite_check():
    return runpy.run_path(str(Path(__file__).parent / "finite_check.py"))


@pytest.mark.filterwarnings("ignore::scratchvae.errors.CollapseWarning")
def test_it_takes_turns_and_tells_what_a_step_costs(finite_check, capsys):
    assert finite_check["main"](["--rounds", "2", "--epochs", "2", "--steps", "3", "--only", "small"]) in (0, 1)
    told = capsys.readouterr().out
    assert told.startswith("small") and "3 looks at the loss, 1 at the state in 3 steps" in told and "quartiles" in told


@pytest.mark.filterwarnings("ignore::scratchvae.errors.CollapseWarning")
def test_it_refuses_to_measure_a_training_that_does_not_look(finite_check, monkeypatch):
    monkeypatch.setattr(FiniteCheck, "on_before_update", lambda check, state: None)
    with pytest.raises(SystemExit, match="nothing to measure"):
        finite_check["main"](["--rounds", "2", "--steps", "3", "--only", "small"])


def test_whoever_is_blind_for_a_turn_sees_again_after_it(finite_check):
    run = finite_check["Run"](4, 8, 2, 1, 0, "numpy", width=9)
    looks = run.looks()
    assert looks == (2, 1)
    finite_check["cost"](run, 2)
    assert run.looks() == looks
