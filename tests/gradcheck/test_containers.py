"""Tests of functions of several arrays: nested tuples, lists and dicts, inputs without a gradient, float32."""

from typing import NamedTuple

import numpy as np
import pytest
from strategies import normal

from scratchvae.errors import ShapeError
from scratchvae.gradcheck import check, check_gradient

X, W, B = normal(0, 5, 3), normal(1, 3, 4), normal(2, 4)


def layer(params, x):
    """Return two outputs in a dict, one of them nested, and one that has no gradient."""
    a = np.tanh(x @ params["W"] + params["b"])
    return {"y": a, "extra": (x.sum(), [2 * params["b"], a > 0])}


def layer_vjp(dy, params, x):
    assert dy["extra"][1][1] is None
    da = dy["y"] * (1 - np.tanh(x @ params["W"] + params["b"]) ** 2)
    return {"W": x.T @ da, "b": da.sum(axis=0) + 2 * dy["extra"][1][0]}, da @ params["W"].T + dy["extra"][0]


PARAMS = {"W": W, "b": B}


def test_every_array_of_nested_containers_is_checked_by_name():
    report = check(layer, layer_vjp, PARAMS, X)
    assert [a.name for a in report.arguments] == ["params.W", "params.b", "x"]
    assert report.passed and report.worst < 1e-14


@pytest.mark.parametrize("name", ["W", "b"])
def test_an_error_of_one_percent_is_found_by_the_name_of_the_array(name):
    def wrong(*args):
        dparams, dx = layer_vjp(*args)
        return {**dparams, name: 1.01 * dparams[name]}, dx

    report = check(layer, wrong, PARAMS, X)
    assert {a.name: a.verdict for a in report.arguments if a.verdict != "agrees"} == {f"params.{name}": "wrong"}


@pytest.mark.parametrize("lost", ["y", "sum", "twice b"])
def test_the_gradient_of_each_output_is_checked_alone(lost):
    def forgetful(dy, params, x):
        dy = {"y": dy["y"] * (lost != "y"), "extra": (dy["extra"][0] * (lost != "sum"), list(dy["extra"][1]))}
        dy["extra"][1][0] = dy["extra"][1][0] * (lost != "twice b")
        return layer_vjp(dy, params, x)

    assert "wrong" in [a.verdict for a in check(layer, forgetful, PARAMS, X).arguments]


def test_an_error_in_an_output_that_is_small_beside_another_is_found():
    def f(x):
        return 1e12 * x, np.sin(x)

    assert check(f, lambda dy, x: 1e12 * dy[0] + dy[1] * np.cos(x), X).passed
    assert check(f, lambda dy, x: 1e12 * dy[0] + 1.01 * dy[1] * np.cos(x), X)["x"].verdict == "wrong"


class Pair(NamedTuple):
    a: np.ndarray
    b: np.ndarray


@pytest.mark.parametrize(
    "kind", [tuple, list, lambda pair: Pair(*pair), lambda pair: dict(zip("ab", pair, strict=True))]
)
def test_a_gradient_has_the_structure_of_its_input(kind):
    def f(pair):
        a, b = pair.values() if isinstance(pair, dict) else pair
        return a @ b

    def vjp(dy, pair):
        a, b = pair.values() if isinstance(pair, dict) else pair
        return kind((dy @ b.T, a.T @ dy))

    assert check(f, vjp, kind((X, W))).passed
    assert check(f, lambda dy, pair: (vjp(dy, pair),), kind((X, W))).passed
    assert check_gradient(lambda pair: f(pair).sum(), lambda pair: vjp(np.ones((5, 4)), pair), kind((X, W))).passed
    with pytest.raises(ShapeError, match=r"vjp .*expected|vjp for pair returned .* like the input"):
        check(f, lambda dy, pair: [vjp(dy, pair), vjp(dy, pair)][:1] * 3, kind((X, W)))


def test_a_dict_may_have_another_order_and_a_list_may_stand_for_a_tuple():
    def in_another_order(dy, params, x):
        dparams, dx = layer_vjp(dy, params, x)
        return [{"b": dparams["b"], "W": dparams["W"]}, dx]

    assert check(layer, in_another_order, PARAMS, X).passed
    assert check(lambda pair: pair[0] @ pair[1], lambda dy, pair: [dy @ pair[1].T, pair[0].T @ dy], (X, W)).passed
    with pytest.raises(ShapeError, match="vjp for params returned a dict of W, c; expected a dict of W, b, like"):
        check(layer, lambda *args: ({"W": W, "c": B}, X), PARAMS, X)


def test_integers_booleans_strings_and_none_are_passed_on():
    def f(x, labels, mask, mode, bias, scale):
        assert mode == "rows" and bias is None and labels.dtype == int and mask.dtype == bool
        return x[labels] * mask[:, None] * scale

    def vjp(dy, x, labels, mask, mode, bias, scale):
        dx = np.zeros_like(x)
        np.add.at(dx, labels, dy * mask[:, None] * scale)
        return dx

    report = check(f, vjp, X, np.array([0, 2, 2]), np.array([True, False, True]), "rows", None, 3)
    assert report.passed and [a.name for a in report.arguments] == ["x"]


@pytest.mark.parametrize("results", [[(X, X), X], [{"a": X}, {"b": X}], [(X, X), (X, X, X)], [((X,), X), (X, (X,))]])
def test_an_output_that_changes_its_structure_is_refused(results):
    calls = []

    def f(x):
        calls.append(0)
        return results[len(calls) > 3]

    with pytest.raises(ShapeError, match=r"f returned .*; expected .*, as at the first call: .* same structure"):
        check(f, lambda dy, x: x, X)


def test_an_output_that_changes_its_shape_near_the_inputs_is_refused():
    calls = []

    def f(x):
        calls.append(0)
        return x[: 5 if len(calls) < 8 else 4]

    with pytest.raises(ShapeError, match=r"f returned shape \(4, 3\) near the inputs and \(5, 3\) at the inputs"):
        check(f, lambda dy, x: dy, X)


def tanh(x, W):
    return np.tanh(x @ W)


def tanh_vjp(dy, x, W):
    da = dy * (1 - np.tanh(x @ W) ** 2)
    return da @ W.T, x.T @ da


def in_float32(f):
    return lambda *arrays: f(*(array.astype(np.float32) for array in arrays))


@pytest.mark.parametrize("convert", [lambda f: f, in_float32])
@pytest.mark.parametrize("seed", range(5))
def test_float32_functions_have_a_tolerance_of_their_own(convert, seed):
    x, w = normal(seed, 5, 3).astype(np.float32), normal(seed + 1, 3, 4).astype(np.float32)

    def vjp(*args):
        assert all(array.dtype == np.float32 for array in args)
        return tanh_vjp(*args)

    report = check(convert(tanh), vjp, x, w, seed=seed)
    assert report.passed and report.tolerance == 1e-4, str(report)
    assert (report.precision == "single") == (convert is in_float32)
    wrong = check(convert(tanh), lambda *args: [1.01 * g for g in vjp(*args)], x, w, seed=seed)
    assert [a.verdict for a in wrong.arguments] == ["wrong", "wrong"]


def test_double_precision_is_used_when_asked_for():
    report = check(tanh, tanh_vjp, X, W, precision="double")
    assert report.passed and report.precision == "double"
