"""The checker: right gradients pass, wrong ones do not, and what cannot be checked is refused."""

import numpy as np
import pytest
from drawing import normal, seeds
from hypothesis import given
from hypothesis import strategies as st

from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.gradcheck import check, directional_derivative


@given(seeds)
def test_derivatives_are_right_to_nine_digits(seed):
    x, u = normal(seed, 5), normal(seed + 1, 5)
    exact = np.cos(x) @ u
    assert directional_derivative(lambda x: float(np.sin(x).sum()), x, u / np.linalg.norm(u)) == pytest.approx(
        exact / np.linalg.norm(u), rel=1e-9, abs=1e-11
    )


@given(st.integers(1, 5), seeds)
def test_a_right_gradient_passes_and_one_percent_more_in_any_argument_does_not(size, seed):
    def f(a, b):
        return np.sin(a) * b

    def vjp(dy, a, b, wrong=(1.0, 1.0)):
        return wrong[0] * dy * b * np.cos(a), wrong[1] * dy * np.sin(a)

    a, b = normal(seed, size), normal(seed + 1, size)
    assert check(f, vjp, a, b, seed=seed).worst <= 1e-9
    for wrong in ((1.01, 1.0), (1.0, 1.01)):
        report = check(f, lambda *args, wrong=wrong: vjp(*args, wrong=wrong), a, b, seed=seed, directions=4)
        assert [error > 1e-5 for error in report.errors] == [factor > 1 for factor in wrong]


def test_a_gradient_of_zero_where_there_is_one_is_an_error_of_one():
    assert check(lambda x: x**2, lambda dy, x: [0 * x], normal(0, 3)).worst == pytest.approx(1.0)


def test_a_constant_with_a_gradient_of_zero_passes():
    assert check(lambda x: np.ones(2), lambda dy, x: [0 * x], normal(0, 3)).worst == 0.0


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(DTypeError, match="float64"):
        check(lambda x: x, lambda dy, x: [dy], np.ones(3, np.float32))
    with pytest.raises(ShapeError, match=r"\(2,\); expected \(3,\)"):
        check(lambda x: x, lambda dy, x: [dy[:2]], np.ones(3))
    with pytest.raises(ConfigError, match="directions=0"):
        check(lambda x: x, lambda dy, x: [dy], np.ones(3), directions=0)
    assert check(lambda x, y: x, lambda dy, x, y: [dy, y], np.ones(3), np.ones((3, 0))).worst <= 1e-9
    with pytest.raises(RangeError, match="nan"):
        check(lambda x: x * np.nan, lambda dy, x: [dy], np.ones(3))
