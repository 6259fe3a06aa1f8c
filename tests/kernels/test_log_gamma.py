"""Tests of log Γ, digamma and the differences of log Γ against SciPy and exact sums."""

import numpy as np
import pytest
from scipy import special

from scratchvae.kernels.log_gamma import Scratch, digamma, log_gamma, log_gamma_ratio

OFFSETS = np.array([s * 10.0**-k for k in range(1, 15) for s in (1, -1)])
NEAR_ZEROS = np.concatenate([1 + OFFSETS, 2 + OFFSETS, 1.4616321449683623 + OFFSETS])  # of log Γ, log Γ and digamma
X = np.concatenate([np.logspace(-300, 300, 6001), np.linspace(0.01, 40, 8001), NEAR_ZEROS])


def elementwise(function, x):
    return function(np, x, np.empty_like(x), Scratch(*np.empty((4, *x.shape), x.dtype)))


def ratio(r, x):
    r, x = np.array([r], np.float64), np.array([x], np.float64)
    out, derivative = np.empty(r.shape), np.empty(r.shape)
    log_gamma_ratio(np, r, x, out, derivative, tuple(np.empty((8, *r.shape))))
    return out[0], derivative[0]


@pytest.mark.parametrize(("function", "exact"), [(log_gamma, special.gammaln), (digamma, special.digamma)])
def test_the_relative_error_is_below_1e_13_and_the_absolute_one_near_a_zero(function, exact):
    expected = exact(X)
    np.testing.assert_allclose(elementwise(function, X), expected, rtol=1e-13, atol=2e-14)


@pytest.mark.parametrize(("function", "exact"), [(log_gamma, special.gammaln), (digamma, special.digamma)])
@pytest.mark.parametrize("dtype", ["float32", "longdouble"])
def test_other_dtypes_have_their_own_precision(function, exact, dtype):
    x = X[(X > 1e-35) & (X < 1e34)].astype(dtype)
    actual = elementwise(function, x)
    assert actual.dtype == x.dtype
    tolerance = 4e-6 if dtype == "float32" else 1e-13  # of SciPy's own numbers
    np.testing.assert_allclose(actual, exact(x.astype("float64")), rtol=tolerance, atol=2 * tolerance)


def test_digamma_is_the_derivative_in_long_double():
    x = np.array([1e-3, 0.3, 1.0, 1.4616321449683623, 2.5, 7.9, 8.0, 8.1, 50.0, 1e4], np.longdouble)
    h = 1e-4 * x
    f = lambda x: elementwise(log_gamma, x)  # noqa: E731
    slope = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
    np.testing.assert_allclose(slope.astype("float64"), special.digamma(x.astype("float64")), rtol=1e-10, atol=1e-11)


# log Γ(r + x) − log Γ(r) − x log r = Σ_{j < x} log(1 + j/r), and r ∂/∂r of it is −Σ_{j < x} j/(r + j).
@pytest.mark.parametrize("x", [0, 1, 2, 7, 8, 9, 60, 1000])
@pytest.mark.parametrize("r", [1e-300, 1e-6, 0.3, 1.0, 7.5, 8.0 - 1e-12, 8.0, 9.0, 100.0, 1e4, 1e8, 1e13, 1e300])
def test_the_differences_are_exact_for_any_r(r, x):
    j = np.arange(x, dtype=np.longdouble)
    expected, derivative = float(np.log1p(j / r).sum()), -float((j / (r + j)).sum())
    actual, actual_derivative = ratio(r, x)
    # the terms are of the size of x, and for a small r of x log r
    allowed = 1e-15 * (1 + x) * (8 + (np.abs(np.log(r)) if r < 8 else 0))
    assert abs(actual - expected) <= allowed
    assert abs(actual_derivative - derivative) <= 1e-14 * (1 + x)


def test_no_digits_are_lost_at_an_r_at_which_the_difference_of_two_logarithms_has_seven():
    exact = np.log1p(np.arange(10) / np.longdouble(1e8)).sum()
    naive = special.gammaln(1e8 + 10) - special.gammaln(1e8) - 10 * np.log(1e8)
    assert abs(naive - exact) > 1e-9
    assert abs(ratio(1e8, 10)[0] - exact) < 1e-14


def test_every_function_writes_into_its_arrays_only():
    x = np.array([0.5, 3.0, 20.0])
    before, out = x.copy(), np.empty(3)
    assert log_gamma(np, x, out, Scratch(*np.empty((4, 3)))) is out and np.array_equal(x, before)
    r = x + 1
    log_gamma_ratio(np, r, x, out, np.empty(3), tuple(np.empty((8, 3))))
    assert np.array_equal(x, before) and np.array_equal(r, before + 1)
