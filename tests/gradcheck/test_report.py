"""Tests of the report of a check: its numbers and its table."""

import json
import math
import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import batches, normal, seeds, widths

from scratchvae.gradcheck import Argument, Report, check, check_gradient


def f(x, W):
    return np.sin(x @ W)


def vjp(dy, x, W, factor=1.0):
    da = dy * np.cos(x @ W)
    return da @ W.T, factor * x.T @ da


X, W = normal(0, 2, 3), normal(1, 3, 4)
WRONG = partial(vjp, factor=1.01)


def reports_are_equal(first, second):
    return str(first) == str(second) and all(
        np.array_equal(a.direction, b.direction) and np.array_equal(a.dy, b.dy) and a.numeric == b.numeric
        for a, b in zip(first.arguments, second.arguments, strict=True)
    )


@settings(max_examples=8)
@given(seeds)
def test_a_report_depends_only_on_the_seed(seed):
    for gradient in (vjp, WRONG):
        report = check(f, gradient, X, W, seed=seed)
        np.random.default_rng(seed).standard_normal()
        assert reports_are_equal(report, check(f, gradient, X, W, seed=report.seed))
        assert not reports_are_equal(report, check(f, gradient, X, W, seed=seed + 1))


@given(batches, widths, seeds)
def test_numeric_and_analytic_can_be_reproduced_from_dy_and_direction(batch, width, seed):
    x, w = normal(seed, batch, 3), normal(seed + 1, 3, width)
    for factor in (1.0, 1.01):
        report = check(f, partial(vjp, factor=factor), x, w, seed=seed)
        for k, argument in enumerate(report.arguments):
            u, dy = argument.direction, argument.dy
            assert u.shape == argument.shape == (x, w)[k].shape
            assert dy.shape == (batch, width)
            assert np.linalg.norm(u) == pytest.approx(1.0)
            gradient = vjp(dy, x, w, factor=factor)[k]
            assert argument.analytic == pytest.approx(float(np.sum(gradient * u)), rel=1e-12, abs=1e-13)
            h = 1e-5
            above, below = (f(x + s * u, w) if k == 0 else f(x, w + s * u) for s in (h, -h))
            assert argument.numeric == pytest.approx(float(np.sum(dy * (above - below))) / (2 * h), abs=1e-6)


def test_a_report_is_true_if_every_gradient_agrees_and_is_indexed_by_input_name():
    report = check(f, vjp, X, W)
    assert isinstance(report, Report)
    assert bool(report) is report.passed is True
    assert report["W"] is report.arguments[1]
    assert isinstance(report["W"], Argument)
    assert report.errors == (report["x"].error, report["W"].error)
    assert report.worst == max(report.errors)
    wrong = check(f, WRONG, X, W)
    assert bool(wrong) is wrong.passed is False
    assert (wrong["W"].verdict, wrong["x"].verdict) == ("wrong", "agrees")


def bound_method(owner):
    return owner.forward


class ImageFilter:
    def forward(self, image, kernel, *, stride=1):
        return f(image, kernel)


@pytest.mark.parametrize(
    ("function", "names", "expected"),
    [
        (f, None, ("x", "W")),
        (bound_method(ImageFilter()), None, ("image", "kernel")),
        (lambda a, b, scale=1.0: f(a, b), None, ("a", "b")),
        (lambda *arrays: f(*arrays), None, ("input 0", "input 1")),
        (f, ["pixels", "weights"], ("pixels", "weights")),
        (lambda *arrays: f(*arrays), ("x", "W"), ("x", "W")),
    ],
)
def test_inputs_have_the_argument_names_of_f_unless_names_are_passed(function, names, expected):
    report = check(function, vjp, X, W, names=names)
    assert tuple(argument.name for argument in report.arguments) == expected
    assert all(name in str(report) for name in expected)


def test_a_numpy_function_without_names_can_be_checked():
    assert check(np.sin, lambda dy, x: dy * np.cos(x), X).passed
    assert check_gradient(np.linalg.norm, lambda x: x / np.linalg.norm(x), X).passed


REPORTS = {
    "agrees": lambda: check(f, vjp, X, W),
    "wrong": lambda: check(f, WRONG, X, W),
    "kink": lambda: check(lambda x, W: np.abs(x) @ W, lambda dy, x, W: (dy @ W.T, np.abs(x).T @ dy), 0 * X, W),
    "unresolved": lambda: check(lambda x, W: f(x.astype("f4"), W.astype("f4")), vjp, X, W),
    "not finite": lambda: check(f, lambda dy, x, W: (vjp(dy, x, W)[0], W * np.nan), X, W),
    "empty": lambda: check(lambda x, e: x, lambda dy, x, e: (dy, e), X, np.ones((0, 2))),
    "a number": lambda: check(lambda x: x**2, lambda dy, x: 3 * dy * x, 1.5),
}


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_prints_a_table_with_one_line_per_input_and_a_summary(kind):
    report = REPORTS[kind]()
    header, *rows, summary = str(report).split("\n")
    assert header.split() == ["input", "shape", "error", "verdict"]
    assert len(rows) == len(report.arguments)
    for row, argument in zip(rows, report.arguments, strict=True):
        cells = (argument.name, str(argument.shape), f"{argument.error:.1e}", argument.verdict)
        columns = [row.index(cell, header.index(title)) for cell, title in zip(cells, header.split(), strict=True)]
        assert columns == [header.index(title) for title in header.split()]
        assert bool(argument.explanation) == (argument.verdict != "agrees")
        assert row.endswith(argument.explanation)
    assert all(line == line.rstrip() for line in (header, *rows, summary))
    failed = sum(argument.verdict != "agrees" for argument in report.arguments)
    assert summary.startswith(f"{failed} of {len(rows)} " if failed else "every gradient agrees ")
    for setting in ("tolerance 1e-09", "seed 0", "3 directions"):
        assert setting in summary
    assert summary.endswith(f"f in {report.precision})")


def test_explanations_name_the_coordinate_and_both_numbers():
    argument = check(f, WRONG, X, W)["W"]
    assert argument.explanation.startswith(f"at [{argument.coordinate[0]}, {argument.coordinate[1]}]: ")
    assert f"{argument.numeric:.6g} by finite differences" in argument.explanation
    assert f"{argument.analytic:.6g} by vjp" in argument.explanation
    assert "the slope of f jumps" in REPORTS["kink"]()["x"].explanation
    assert "finite differences" in REPORTS["unresolved"]()["x"].explanation
    assert "nan by vjp" in REPORTS["not finite"]()["W"].explanation


def test_the_two_numbers_of_a_wrong_gradient_differ_as_printed():
    argument = check(f, partial(vjp, factor=1 + 1e-8), X, W)["W"]
    assert argument.verdict == "wrong"
    assert len(set(re.findall(r"-?\d+\.\d+(?:e-?\d+)?", argument.explanation))) == 2


def test_no_coordinate_is_printed_for_a_number():
    assert "[]" not in str(REPORTS["a number"]())


def test_a_report_contains_its_settings():
    report = check(f, vjp, X, W, tolerance=1e-3, seed=5, directions=1)
    assert (report.tolerance, report.seed, report.directions) == (1e-3, 5, 1)
    assert math.isfinite(report.worst)


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_as_json_has_every_number_that_is_finite(kind):
    report = REPORTS[kind]()
    data = json.loads(report.to_json())
    assert data["passed"] == report.passed and data["summary"] == str(report).splitlines()[-1]
    assert (data["tolerance"], data["seed"], data["precision"]) == (report.tolerance, report.seed, report.precision)
    for result, argument in zip(data["results"], report.arguments, strict=True):
        assert (result["name"], result["verdict"]) == (argument.name, argument.verdict)
        assert result["coordinate"] == (None if argument.coordinate is None else list(argument.coordinate))
        for field in ("error", "numeric", "analytic", "uncertainty", "kink", "gradient_norm"):
            value = getattr(argument, field)
            assert result[field] == (value if math.isfinite(value) else None)


def test_the_repr_aligns_names_and_shapes_on_the_left_and_errors_on_the_right():
    first, second, *_ = repr(check(f, vjp, X, W)).splitlines()
    assert first == "input  shape     error  verdict"
    assert second.startswith("x      (2, 3)  ") and second.endswith("   agrees")
