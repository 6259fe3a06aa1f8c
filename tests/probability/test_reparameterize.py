"""Tests of the reparameterized draw at large log-variances."""

import numpy as np
import pytest

from scratchvae.probability import Reparameterize


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draws_and_gradients_are_exact_at_log_variances_of_plus_and_minus_50(dtype):
    mu, eps = np.zeros((1, 2), dtype), np.ones((1, 2), dtype)
    sampler = Reparameterize()
    z = sampler.forward(mu, np.array([[-50.0, 50.0]], dtype), eps)
    np.testing.assert_allclose(z[0], [np.exp(-25.0), np.exp(25.0)], rtol=4 * np.finfo(dtype).eps)
    dmu, dlogvar = sampler.backward(np.ones_like(mu))
    np.testing.assert_allclose(dlogvar, z / 2, rtol=4 * np.finfo(dtype).eps)
    assert (dmu == 1).all()
