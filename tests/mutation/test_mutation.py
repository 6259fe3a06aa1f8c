"""Tests of the mutants, and of a short run in two sittings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

cst = pytest.importorskip("libcst", reason="mutmut is not installed")
pytest.importorskip("mutmut")
HERE = Path(__file__).parent


@pytest.fixture
def mutants(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    return __import__("mutants")


def test_each_mutant_of_cpp_changes_one_place(mutants):
    from operators import change_cpp

    changed = [node.value for node in change_cpp(cst.SimpleString('"y = a < T(0) ? b : exp(a) + log1p(exp(c))"'))]
    assert changed == [
        '"y = a < T(0) ? b : exp(a) - log1p(exp(c))"',
        '"y = a <= T(0) ? b : exp(a) + log1p(exp(c))"',
        '"y = a < T(0) ? b : expm1(a) + log1p(exp(c))"',
        '"y = a < T(0) ? b : exp(a) + log1p(expm1(c))"',
        '"y = a < T(0) ? b : exp(a) + log(exp(c))"',
        '"y = a < T(1) ? b : exp(a) + log1p(exp(c))"',
        '"y = a < T(0) ? b : exp(a)"',
        '"y = a < T(0) ? exp(a) : b + log1p(exp(c))"',
    ]


def test_a_sample_is_the_same_for_the_same_seed(mutants):
    found = mutants.find_all(["scratchvae/optim/sgd.py", "scratchvae/fused/kernels.py"], HERE.parents[1])
    first, again, other = (mutants.draw(found, 20, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len({mutant.key for mutant in first}) == 20
    assert {mutant.is_cpp for mutant in first} == {True, False}


def test_a_mutant_names_its_line_and_its_method(tmp_path, mutants):
    code = "class A:\n    @property\n    def b(self):\n        return self.c + 1\n"
    (tmp_path / "a.py").write_text(code, encoding="utf-8")
    minus, two = mutants.draw(mutants.find_all(["a.py"], tmp_path), None, 0)
    assert minus.key == ("a.py", 4, "A.b", "return self.c + 1 → return self.c - 1")
    assert two.code == code.replace("1", "2")


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(tmp_path):
    command = [sys.executable, str(HERE / "run.py"), "scratchvae/optim", "--sample", "4", "--jobs", "1"]
    command += ["--tests", "tests/optim", "--results", str(tmp_path / "results")]
    stopped = subprocess.run([*command, "--limit-minutes", "0"], capture_output=True, encoding="utf-8", timeout=300)
    assert "4 mutants are left" in stopped.stdout, stopped.stderr
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    results = [json.loads(line) for line in (tmp_path / "results").read_text(encoding="utf-8").splitlines()]
    assert len(results) == 4 and "killed" in {result["status"] for result in results}, ended.stderr
    assert (ended.returncode == 1) == ("0 of them not listed" not in ended.stdout)
    again = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert "4 of them tested before" in again.stdout and "are left" not in again.stdout
