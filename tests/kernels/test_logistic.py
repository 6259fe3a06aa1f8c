"""Tests of the sigmoid and the softplus against SciPy and NumPy."""

import numpy as np
import pytest
from scipy.special import expit

from scratchvae.kernels.logistic import sigmoid, softplus

T = np.concatenate([np.linspace(-1000, 1000, 4001), np.linspace(-1, 1, 2001)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_is_accurate_to_a_few_ulps_outside_the_subnormal_range(dtype):
    t = T.astype(dtype)
    actual = sigmoid(np, t, out=np.empty_like(t))
    np.testing.assert_allclose(
        actual, expit(t.astype("float64")), rtol=6 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny * 4
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softplus_is_accurate_to_a_few_ulps(dtype):
    t = T.astype(dtype)
    actual = softplus(np, t, out=np.empty_like(t), scratch=np.empty_like(t))
    expected = np.logaddexp(0, t.astype("float64"))
    np.testing.assert_allclose(actual, expected, rtol=6 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny * 4)
