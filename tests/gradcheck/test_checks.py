"""Tests of the accepted functions, gradients and inputs, and of the errors for all others."""

import math

import numpy as np
import pytest
from strategies import normal

from scratchvae.errors import ConfigError, DTypeError, RangeError, ScratchVAEError, ShapeError
from scratchvae.gradcheck import check, check_gradient

X, W = normal(0, 3), normal(1, 3, 2)


def f(x, W):
    return np.sin(x) @ W


def vjp(dy, x, W):
    return np.cos(x) * (W @ dy), np.outer(np.sin(x), dy)


@pytest.mark.parametrize(
    ("function", "gradient", "inputs"),
    [
        (lambda x: np.sum(x**2), lambda dy, x: 2 * dy * x, (X,)),
        (lambda x: np.array(np.sum(x**2)), lambda dy, x: [2 * dy * x], (X,)),
        (lambda x: float(np.sum(x**2)), lambda dy, x: (2 * dy * x,), (X,)),
        (lambda x: np.prod(W) * x, lambda dy, x: dy * np.prod(W), (X,)),
        (math.sin, lambda dy, x: dy * math.cos(x), (1.5,)),
        (lambda x: x**2, lambda dy, x: float(2 * dy * x), (np.float64(1.5),)),
        (lambda x, W: x * W, lambda dy, x, W: (np.sum(dy * W), dy * x), (1.5, W)),
        (lambda x, W: x[:, :0], lambda dy, x, W: (0 * x, 0 * W), (W, X)),
        (lambda x, e: x, lambda dy, x, e: (dy, e), (X, np.ones((3, 0)))),
        (lambda e: np.ones(2), lambda dy, e: e, (np.ones(0),)),
        (lambda x: np.linalg.solve(np.diag([1.0, 2.0, 4.0]), x), lambda dy, x: dy / [1.0, 2.0, 4.0], (X,)),
        (lambda *arrays: arrays[0] + arrays[1], lambda dy, *arrays: (dy, dy), (X, X)),
        (lambda x: x, lambda dy, x: dy, (W[::2].T,)),
    ],
    ids=[
        *("a NumPy number", "0-d array", "float", "array", "float to float", "float64 to float", "0-d and 2-d inputs"),
        *("empty output", "empty input", "empty input alone", "no long double", "the same gradient twice", "a view"),
    ],
)
@pytest.mark.parametrize("coordinates", [False, True])
def test_functions_of_arrays_and_of_numbers_are_checked(function, gradient, inputs, coordinates):
    report = check(function, gradient, *inputs, coordinates=coordinates)
    assert report.passed, str(report)
    assert report.worst <= 1e-11


def test_an_error_in_the_gradient_of_a_number_is_found():
    report = check(lambda x: x**2, lambda dy, x: 2.02 * dy * x, 1.5)
    assert (report["x"].verdict, report["x"].shape, report["x"].coordinate) == ("wrong", (), ())


class ReusedBuffers:
    """A layer whose next forward overwrites its result and its gradients."""

    def __init__(self):
        self.y, self.dx, self.dW = np.empty(2), np.empty(3), np.empty((3, 2))

    def forward(self, x, W):
        self.dx[...] = self.dW[...] = np.nan
        self.y[...] = np.sin(x) @ W
        return self.y

    def backward(self, dy, x, W):
        self.y[...] = np.nan
        self.dx[...], self.dW[...] = vjp(dy, x, W)
        return self.dx[:], self.dW[:]


def test_results_and_gradients_may_be_overwritten_by_the_next_call():
    unit = ReusedBuffers()
    for settings in ({}, {"coordinates": True}, {"directions": 1}):
        assert check(unit.forward, unit.backward, X, W, **settings).passed
    wrong = check(unit.forward, lambda *args: [1.01 * g for g in unit.backward(*args)], X, W)
    assert [a.verdict for a in wrong.arguments] == ["wrong", "wrong"]


def test_in_place_changes_by_f_and_vjp_are_noted_and_harmless():
    def destructive_f(x, W):
        y = f(x, W)
        x *= 2
        W[...] = np.nan
        return y

    def destructive_vjp(dy, x, W):
        gradients = vjp(dy, x, W)
        dy[...] = x[...] = W[...] = 7.0
        return gradients

    x, w = X.copy(), W.copy()
    x.flags.writeable = False
    report = check(destructive_f, destructive_vjp, x, w, coordinates=True)
    assert report.passed
    assert [note.partition(":")[2].partition(":")[0] for note in report.notes] == [
        *(f" f changes {name} in place" for name in ("x", "W")),
        *(f" vjp changes {name} in place" for name in ("dy", "x", "W")),
    ]
    assert str(report).splitlines()[-5:] == list(report.notes)
    assert np.array_equal(x, X)
    assert np.array_equal(w, W)


def test_check_gradient_takes_the_gradient_of_one_number():
    def loss(x, W):
        return np.sum(f(x, W))

    def gradient(x, W):
        return vjp(np.ones(2), x, W)

    report = check_gradient(loss, gradient, X, W, coordinates=True)
    assert report.passed
    assert [a.name for a in report.arguments] == ["x", "W"]
    wrong = check_gradient(loss, lambda x, W: (gradient(x, W)[0], 1.01 * gradient(x, W)[1]), X, W, names=("a", "b"))
    assert [(a.name, a.verdict) for a in wrong.arguments] == [("a", "agrees"), ("b", "wrong")]
    assert check_gradient(math.sin, math.cos, 0.3).passed


REFUSED_INPUTS = {
    "float16": (np.ones(3, np.float16), DTypeError, r"x .*float16.* expected float64.* \.astype\('float64'\)"),
    "long double": (np.ones(3, np.longdouble), DTypeError, r"x has dtype .*; expected float64"),
    "dates": (np.ones(3, "datetime64[s]"), DTypeError, r"x has dtype datetime64\[s\]; expected float64"),
    "complex": (X + 0j, DTypeError, "x .*complex128.* expected float64"),
    "a list of numbers": ([1.0, 2.0], DTypeError, "x is a list of numbers; expected an array"),
    "rows of numbers": ([[1.0], [2.0]], DTypeError, "x is a list of rows of numbers; expected an array"),
    "a ragged list": ([[1.0], [2.0, 3.0]], DTypeError, "x is a list of rows of 1 and 2 numbers; .* make each row an"),
    "a set": ({1.0}, DTypeError, "x is of type set; expected a NumPy array of float64"),
    "objects": (np.array([None, 1.0]), DTypeError, "x has dtype object; expected float64"),
    "NaN": (X * np.nan, RangeError, "x .*NaN"),
    "infinity": (math.inf, RangeError, "x .*infinite"),
}


@pytest.mark.parametrize("kind", REFUSED_INPUTS)
def test_inputs_other_than_finite_float64_are_refused(kind):
    x, error, message = REFUSED_INPUTS[kind]
    with pytest.raises(error, match=message):
        check(f, vjp, x, W)
    with pytest.raises(error, match="W" + message[1:]):
        check(f, vjp, X, x)
    with pytest.raises(error, match=message):
        check_gradient(lambda x: np.sum(x), lambda x: x, x)


@pytest.mark.parametrize("x", [np.arange(3), np.ones(3, bool), 3, True, "x", None, (), [np.arange(2), {"k": None}]])
def test_inputs_without_real_numbers_are_refused(x):
    with pytest.raises(DTypeError, match=r"x: nothing to differentiate, only .* expected a NumPy array of float64"):
        check(lambda x: 1.0, lambda dy, x: x, x)


def test_a_check_without_inputs_is_refused():
    for checker in (check, check_gradient):
        with pytest.raises(ConfigError, match="no inputs were given; pass the arrays"):
            checker(lambda: 1.0, lambda *dy: ())


REFUSED_OUTPUTS = {
    "None": (lambda x: None, DTypeError, "f returned None; expected an array, a number, or a tuple, list or dict"),
    "a set": (lambda x: {1.0}, DTypeError, "f returned a set; expected an array, a number, or a tuple, list or dict"),
    "nothing": (lambda x: (), DTypeError, "f returned an empty container; expected real numbers"),
    "no real numbers": (lambda x: (3, x > 0), DTypeError, "f returned .*int.*; expected real numbers"),
    "a string beside": (lambda x: (x, "a"), DTypeError, "f returned .* as output 1; expected real numbers"),
    "complex": (lambda x: x * 1j, DTypeError, "f returned .*complex128; expected real numbers"),
    "int": (lambda x: 3, DTypeError, "f returned .*int.*; expected real numbers"),
    "integers": (lambda x: np.arange(3), DTypeError, "f returned .*int64; expected real numbers"),
    "booleans": (lambda x: x > 0, DTypeError, "f returned .*bool; expected real numbers"),
    "strings": (lambda x: np.array(["a", "b"]), DTypeError, "f returned .*; expected real numbers"),
    "objects": (lambda x: np.array([1.0, None]), DTypeError, "f returned .*object; expected real numbers"),
    "NaN": (lambda x: np.where(x == x[1], np.nan, x), RangeError, r"f is nan at the inputs \(output \[1\]\)"),
    "infinity": (lambda x: x[:, None] * np.array([1, np.inf]), RangeError, r"f is -?inf .* \(output \[0, 1\]\)"),
    "NaN as a float": (lambda x: math.nan, RangeError, "f is nan at the inputs"),
    "infinity, 0-d": (lambda x: np.sum(x) * np.inf, RangeError, "f is -?inf at the inputs"),
}


@pytest.mark.parametrize("kind", REFUSED_OUTPUTS)
def test_an_f_that_does_not_return_an_array_of_finite_numbers_is_refused(kind):
    function, error, message = REFUSED_OUTPUTS[kind]
    with pytest.raises(error, match=message):
        check(function, lambda dy, x: x, X)


def test_an_f_that_is_not_deterministic_is_refused():
    rng, calls = np.random.default_rng(0), []
    for function in (
        lambda x: x + rng.standard_normal(3),
        lambda x: float(x.sum()) + 1e-6 * rng.standard_normal(),
        lambda x: np.ones(len(calls.append(0) or calls)),
    ):
        with pytest.raises(
            RangeError, match=r"f returned two different values for the same inputs.* make noise an input"
        ):
            check(function, lambda dy, x: dy, X)


REFUSED_GRADIENTS = {
    "too few": ((X,), ShapeError, "vjp returned 1 gradient.* expected 2: one for each of x, W"),
    "too many": ((X, W, X), ShapeError, "vjp returned 3 gradients in a tuple; expected 2: one for each of x, W"),
    "a bare array": (np.stack([X, X]), ShapeError, "vjp returned 1 gradient.* expected 2: one for each of x, W"),
    "None": (None, ShapeError, "vjp returned None; expected a tuple with a gradient for each of x, W"),
    "a dict": ({"x": X, "W": W}, ShapeError, "vjp returned a dict; expected a tuple"),
    "None for x": ((None, W), DTypeError, "vjp returned .* for x; expected an array of real numbers"),
    "another shape": ((X, W.T), ShapeError, r"vjp returned shape \(2, 3\) for W; expected \(3, 2\)"),
    "a number for an array": ((1.0, W), ShapeError, r"vjp returned shape \(\) for x; expected \(3,\)"),
    "integers": (
        (X, np.ones((3, 2), int)),
        DTypeError,
        "vjp returned .*int64 for W; expected an array",
    ),
    "complex": ((X + 0j, W), DTypeError, "vjp returned .*complex128 for x; expected an array of real numbers$"),
    "strings": (("x", W), DTypeError, "vjp returned .* for x; expected an array of real numbers"),
    "a ragged list": (
        ([1.0, [2.0]], W),
        ScratchVAEError,
        "vjp for x returned 2 in a tuple or list; expected",
    ),
}


@pytest.mark.parametrize("kind", REFUSED_GRADIENTS)
def test_a_vjp_that_does_not_return_one_gradient_per_input_is_refused(kind):
    gradients, error, message = REFUSED_GRADIENTS[kind]
    with pytest.raises(error, match=message):
        check(f, lambda dy, x, W: gradients, X, W)


@pytest.mark.parametrize("gradients", [None, [None], "x", [np.arange(3)], [[1.0, [2.0]]], [X, X], X[:2], 3])
def test_a_gradient_that_does_not_return_one_array_per_input_is_refused(gradients):
    with pytest.raises((ShapeError, DTypeError), match=r" returned .* expected "):
        check_gradient(lambda x: np.sum(x), lambda x: gradients, X)


def test_check_gradient_refuses_an_f_of_more_than_one_number():
    with pytest.raises(ShapeError, match=r"f returned shape \(3,\); expected one number.* use check with a vjp"):
        check_gradient(lambda x: x, lambda x: x, X)
    with pytest.raises(ShapeError, match=r"f returned shape \(1,\); expected one number"):
        check_gradient(lambda x: x[:1], lambda x: x, X)


def test_exceptions_of_f_and_vjp_are_not_changed():
    def failing(*args):
        raise ZeroDivisionError("of my own")

    for pair in ((failing, vjp), (f, failing)):
        with pytest.raises(ZeroDivisionError, match="of my own"):
            check(*pair, X, W)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "3"])
def test_directions_must_be_a_positive_whole_number(value):
    with pytest.raises(ConfigError, match=r"directions=.*expected a whole number of at least 1"):
        check(f, vjp, X, W, directions=value)


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "3"])
def test_the_seed_must_be_a_whole_number(value):
    with pytest.raises(ConfigError, match=r"seed=.*expected a whole number of at least 0"):
        check(f, vjp, X, W, seed=value)


@pytest.mark.parametrize("name", ["step", "tolerance"])
@pytest.mark.parametrize("value", [0, 0.0, -1e-9, math.nan, math.inf, "1e-9", True])
def test_steps_and_tolerances_must_be_positive(name, value):
    with pytest.raises(ConfigError, match=f"{name}=.*expected a "):
        check(f, vjp, X, W, **{name: value})


@pytest.mark.parametrize("names", [["x"], ["x", "x"], (), ["x", "W", "b"], 5, [1, 2], [["x"], ["W"]], "xWb"])
def test_names_must_be_one_different_string_for_each_input(names):
    with pytest.raises(ConfigError, match=r"names=.*expected a (tuple of 2 strings|different name)"):
        check(f, vjp, X, W, names=names)
    with pytest.raises(ConfigError, match=r"names=.*expected a tuple of 1 strings"):
        check_gradient(lambda x: np.sum(x), lambda x: x, X, names=names if names != ["x"] else [])


def test_a_layer_that_stores_its_input_is_checked_at_the_inputs():
    class Square:
        def forward(self, x):
            self.x = x
            return x**2

        def backward(self, dy):
            return 2 * self.x * dy

    layer = Square()
    assert check(layer.forward, lambda dy, x: layer.backward(dy), X, directions=5, coordinates=True).passed


def test_a_vjp_that_accumulates_is_refused():
    total = np.zeros(3)

    def adding(dy, x):
        total[...] += 2 * x * dy
        return total

    with pytest.raises(
        RangeError, match="vjp for x returned two different values for the same inputs; it must not accumulate"
    ):
        check(lambda x: x**2, adding, X)


def test_a_function_with_a_wrong_signature_is_refused_with_the_expected_call():
    with pytest.raises(ConfigError, match=r"vjp cannot be called as vjp\(dy, x\): .*wrap it"):
        check(lambda x: x, lambda dy: dy, X)
    with pytest.raises(ConfigError, match=r"f cannot be called as f\(input 0, input 1\)"):
        check(lambda x: x, lambda dy, x, W: (dy, W), X, W)
    with pytest.raises(ConfigError, match=r"gradient cannot be called as gradient\(x\)"):
        check_gradient(lambda x: np.sum(x), lambda dy, x: x, X)


def test_the_gradient_of_an_input_without_real_numbers_is_none_zero_or_left_out():
    labels, picked = np.array([0, 2]), lambda x, labels: x[labels]

    def vjp(dy, x, labels):
        dx = np.zeros_like(x)
        np.add.at(dx, labels, dy)
        return dx

    for with_labels in (lambda dx: dx, lambda dx: (dx,), lambda dx: (dx, None), lambda dx: [dx, 0 * labels]):
        assert check(picked, lambda dy, x, t, g=with_labels: g(vjp(dy, x, t)), X, labels).passed
    with pytest.raises(DTypeError, match="vjp returned a gradient for labels, which has none: it is of type"):
        check(picked, lambda dy, x, t: (vjp(dy, x, t), t), X, labels)
    with pytest.raises(DTypeError, match="vjp returned None for W; expected an array of real numbers"):
        check(lambda x, W: x, lambda dy, x, W: (dy, None), X, W)
