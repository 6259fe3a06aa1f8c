"""scratchvae gradcheck: its summary, its table, its progress, its report of a bug, its refusals."""

import json
from math import nan

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.cli import gradcheck, main
from scratchvae.cli.gradcheck_results import NOTHING
from scratchvae.verification import CASES, CHECKS, ORACLES, Comparison, oracles
from scratchvae.verification.museum import KNOWN_BUGS, inject_bug


def run(line):
    try:
        return main(line.split())
    except SystemExit as error:
        return error.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("table.npy", np.random.default_rng(0).random((40, 6), np.float32))
    assert (
        run("train table.npy --epochs 1 --hidden 8 --latent 3 --binarize dynamic --quiet --no-pictures --out vae") == 0
    )
    assert run("train table.npy --model autoencoder --epochs 1 --hidden 8 --quiet --no-pictures --out plain") == 0
    return tmp_path


def bug(number):
    return inject_bug(next(bug for bug in KNOWN_BUGS if bug.number == number))


@pytest.mark.slow
def test_every_unit_and_every_check_has_a_line_in_the_table_and_all_agree(capsys):
    assert run("gradcheck --oracle autograd --table") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("all ") and lines[0].endswith(" comparisons agree (seed 0)")
    table = lines[next(k for k, line in enumerate(lines) if line.startswith("largest relative error")) :]
    assert table[0].split() == ["largest", "relative", "error", "autograd"]
    for name in (*CASES, *CHECKS):
        assert sum(line.startswith(f"{name}  ") for line in table) == 1, name
    assert max(map(len, lines)) <= 120 and all(line == line.rstrip() for line in lines)


@pytest.fixture
def few_units(monkeypatch):
    """A command that checks two units and two checks, quickly."""
    names, checks = ("Linear", "Tanh"), ("known likelihood", "embedding")
    monkeypatch.setattr(gradcheck, "CASES", {name: CASES[name] for name in names})
    monkeypatch.setattr(gradcheck, "CHECKS", {name: CHECKS[name] for name in checks})


def test_the_summary_has_the_verdict_and_the_largest_error_of_each_oracle(few_units, monkeypatch, capsys):
    errors = {"Linear": 2e-14, "Tanh": 3e-14}
    result = {name: Comparison({"value": error, "dx": 0.0}, {}) for name, error in errors.items()}
    monkeypatch.setattr(gradcheck, "compare_many", lambda unit, oracle, seed, trials: result[unit.name])
    monkeypatch.setattr(oracles, "find_spec", lambda name: name if name == "autograd" else None)
    assert run("gradcheck --seed 3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "all 13 comparisons agree (seed 3)"
    assert "finite differences            4  3.0e-14 in Tanh (allowed: 1e-09)" in lines
    assert "autograd                      4  3.0e-14 in Tanh (allowed: 1e-12)" in lines
    (checks,) = (line for line in lines if line.startswith("other checks"))
    assert checks.startswith("other checks                  5  nearest to its limit: ") and "(allowed: 1e-14)" in checks
    assert lines[-1] == "add --table to see the errors of every unit"
    assert not any(line.startswith(("Linear", "Tanh", "embedding")) for line in lines)


def test_an_error_that_is_nan_is_the_largest(few_units, monkeypatch, capsys):
    result = {"Linear": Comparison({"dx": nan}, {"dx": "off by nan"}), "Tanh": Comparison({"dx": 1.0}, {})}
    monkeypatch.setattr(gradcheck, "compare_many", lambda unit, oracle, seed, trials: result[unit.name])
    assert run("gradcheck --oracle autograd") == 1
    text = capsys.readouterr().out
    assert "nan in Linear" in text and "FAILED  Linear against autograd: dx off by nan" in text


def test_the_table_is_printed_on_request_and_for_single_units(few_units, capsys):
    assert run("gradcheck --oracle autograd --table") == 0
    text = capsys.readouterr().out
    assert all(f"\n{name}  " in text for name in ("Linear", "Tanh", "known likelihood", "embedding"))
    assert "--table" not in text
    assert run("gradcheck --oracle autograd --unit Linear") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["all", "largest", "Linear", "allowed"]
    assert lines[0] == "all 4 comparisons agree (seed 0)" and lines[-1].split() == ["allowed", "1e-12"]


@pytest.mark.parametrize("option", ["--part test", "--key a", "--size 8 8", "--color rgb", "--data-dir x"])
def test_an_option_of_the_data_is_refused_without_a_model(option, capsys):
    assert run(f"gradcheck --unit Linear {option}") == 2
    assert f"{option.split()[0]} has no effect without a model: add --model" in capsys.readouterr().err


def test_a_single_comparison_is_not_called_all(capsys):
    assert run("gradcheck --unit Adam --oracle autograd") == 0
    assert capsys.readouterr().out.startswith("1 comparison agrees (seed 0)\n")


def test_a_terminal_shows_progress_on_standard_error(few_units, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with bug(19):
        assert run("gradcheck --oracle autograd") == 1
    out, err = capsys.readouterr()
    assert all(name in err for name in ("Linear  ", "Tanh  ", "embedding  ", "75%|", "left, 1 failed")), err
    assert err.endswith("\r") and "%|" not in out
    assert run("gradcheck --oracle autograd --json") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert run("gradcheck --oracle autograd") == 0
    assert capsys.readouterr().err == ""


def test_an_interruption_ends_the_bar_before_its_message(few_units, monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(gradcheck, "compare_many", interrupt)
    assert run("gradcheck --oracle autograd") == 130
    out, err = capsys.readouterr()
    assert out == "" and err.endswith("\rscratchvae gradcheck: interrupted\n")


def test_a_bug_is_a_line_that_says_failed_and_an_exit_code_of_1(capsys):
    with bug(19):
        assert run("gradcheck --unit Linear --unit ReLU --oracle finite-difference") == 1
    text = capsys.readouterr().out
    assert text.startswith("1 of 4 comparisons FAILED (seed 0)\n\nFAILED  Linear against finite differences: dx wrong")
    assert "FAILED  ReLU" not in text
    assert sum(line.startswith("Linear  ") and " FAILED " in line for line in text.splitlines()) == 1


def test_the_table_has_the_largest_error_of_each_unit_and_says_what_is_not_compared(monkeypatch, capsys):
    monkeypatch.setattr(gradcheck, "CASES", {name: CASES[name] for name in ("Linear", "Adam")})
    result = {"Linear": Comparison({"value": 2e-14, "dx": 0.0}, {}), "Adam": None}
    monkeypatch.setattr(gradcheck, "compare_many", lambda unit, oracle, seed, trials: result[unit.name])
    assert run("gradcheck --unit Linear --unit Adam --oracle finite-difference") == 0
    lines = capsys.readouterr().out.splitlines()
    (linear,), (adam,) = ([line for line in lines if line.startswith(f"{name}  ")] for name in result)
    assert linear.split() == ["Linear", "2.0e-14"] and adam.split()[1:] == [NOTHING]
    assert f"{NOTHING}  not compared: finite differences check gradients alone" in lines


@pytest.mark.slow
def test_a_bug_that_no_gradient_shows_fails_too(capsys):
    with bug(7):
        assert run("gradcheck --oracle autograd") == 1
    assert "FAILED  draws: rows independent, Trainer.step" in capsys.readouterr().out


def test_json_has_every_error_by_name(capsys):
    assert run("gradcheck --unit Linear --unit Adam --oracle finite-difference --json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"] and result["failures"] == []
    assert set(result["units"]["Linear"]["finite-difference"]["errors"]) == {"dx", "d0.W", "d0.b"}
    assert result["units"]["Adam"] == {"finite-difference": None}
    with bug(19):
        assert run("gradcheck --unit Linear --json --oracle autograd") == 1
    assert "dx" in json.loads(capsys.readouterr().out)["units"]["Linear"]["autograd"]["failures"]


@pytest.mark.parametrize(
    ("model", "options"),
    [("vae", "--oracle autograd"), ("plain", "--oracle finite-difference")]
    + [pytest.param(model, "", marks=pytest.mark.slow) for model in ("vae", "plain")],
)
def test_a_trained_model_is_checked_gradient_by_gradient(folder, model, options, capsys):
    assert run(f"gradcheck --model {model} {options}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("4 rows of " + str(folder / "table.npy") + " (test), in float64")
    names = ["value", *(f"d{name}" for name in sv.load(model).params)]
    for name in names + (["dx", "deps"] if model == "vae" else []):
        assert sum(line.startswith(f"{name}  ") for line in lines) == 1, name


def test_a_model_may_be_checked_on_other_rows_and_shows_a_bug(folder, capsys):
    np.save("more.npy", np.random.default_rng(1).random((20, 6)))
    assert run("gradcheck --model vae more.npy --rows 2 --part all --oracle autograd") == 0
    assert "2 rows of more.npy (all)" in capsys.readouterr().out
    with bug(9):
        assert run("gradcheck --model vae --oracle autograd") == 1
    assert "FAILED  ddecoder.2.b against autograd" in capsys.readouterr().out


def test_an_oracle_that_is_absent_is_named_and_is_no_failure(monkeypatch, capsys):
    installed = {name for name in ("autograd",) if not oracles.install_hint(name)}
    monkeypatch.setattr(oracles, "find_spec", lambda name: name if name in installed else None)
    assert run("gradcheck --unit ReLU --json") == 0
    assert run("gradcheck --unit ReLU --oracle jax") == 2
    assert "pip install 'scratchvae[oracles]'" in capsys.readouterr().err
    monkeypatch.setattr(oracles, "find_spec", lambda name: None)
    assert run("gradcheck --unit ReLU") == 0
    text = capsys.readouterr().out
    assert all(f"not compared with {name}: {name} is not installed" in text for name in ORACLES)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("--unit Foo", "expected one of"),
        ("--oracle tensorflow", "expected one of"),
        ("--trials 0", "--trials 0: expected"),
        ("--rows 0 --model vae", "--rows 0: expected"),
        ("--seed -1 --unit ReLU", "--seed -1: expected"),
        ("table.npy", "--model"),
        ("--model vae --unit ReLU", "--unit"),
        ("--model nowhere", "nowhere"),
        ("--unit adam --oracle finite-difference", "Adam has no gradient"),
        ("--model vae nowhere.npy", "nowhere.npy"),
    ],
)
def test_a_mistake_is_refused_in_one_line(folder, words, answer, capsys):
    capsys.readouterr()
    assert run(f"gradcheck {words}") == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and answer in err


def test_a_list_of_units_that_is_cut_is_in_help_all(capsys):
    with pytest.raises(SystemExit):
        main(["gradcheck", "--unit", "Kl"])
    assert capsys.readouterr().err.endswith("… (see scratchvae gradcheck --help-all)\n")


def test_the_limit_of_finite_differences_is_printed_where_they_are_alone(capsys):
    sentence = "finite differences do not see an error that is in the forward and in its backward"
    assert main(["gradcheck", "--unit", "Linear", "--trials", "1", "--oracle", "finite-difference"]) == 0
    assert sentence in capsys.readouterr().out
    assert main(["gradcheck", "--unit", "Linear", "--trials", "1", "--oracle", "autograd"]) == 0
    assert sentence not in capsys.readouterr().out
