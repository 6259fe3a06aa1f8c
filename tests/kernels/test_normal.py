"""Tests of the normal density and its cumulative distribution against SciPy."""

import numpy as np
import pytest
from scipy.stats import norm

from scratchvae.kernels.normal import normal_cdf, normal_pdf

X = np.concatenate([np.linspace(-45, 45, 9001), [-1e30, -1000, -0.0, 0.0, 1000, 1e30]])


def cdf(x):
    return normal_cdf(np, x, out=np.empty_like(x), scratch=(np.empty_like(x), np.empty_like(x)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cdf_is_accurate_to_a_few_ulps_plus_the_rounding_of_its_exponent(dtype):
    x = X.astype(dtype)
    eps = np.finfo(dtype).eps
    expected = norm.cdf(x.astype("float64"))
    # exp(−x²/2) inherits the rounding of x²/2: its relative error grows as x² ε
    allowed = (6 + np.minimum(np.abs(x.astype("float64")), 45) ** 2) * eps * expected + np.finfo(dtype).tiny * 100
    assert (np.abs(cdf(x) - expected) <= allowed).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cdf_is_one_half_at_both_zeros_and_symmetric(dtype):
    x = X.astype(dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(cdf(np.array([0.0, -0.0], dtype)), 0.5, rtol=2 * eps)
    np.testing.assert_allclose(cdf(x) + cdf(-x), 1.0, rtol=2 * eps)


def test_pdf_agrees_with_scipy():
    actual = normal_pdf(np, X, out=np.empty_like(X))
    np.testing.assert_allclose(actual, norm.pdf(X), rtol=1e-12, atol=1e-300)
