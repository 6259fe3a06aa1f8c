"""The draw, far out."""

import numpy as np
import pytest

from scratchvae.probability import Reparameterize


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_variances_of_50_either_way_are_drawn_and_differentiated_exactly(dtype):
    mu, eps = np.zeros((1, 2), dtype), np.ones((1, 2), dtype)
    sampler = Reparameterize()
    z = sampler.forward(mu, np.array([[-50.0, 50.0]], dtype), eps)
    np.testing.assert_allclose(z[0], [np.exp(-25.0), np.exp(25.0)], rtol=4 * np.finfo(dtype).eps)
    dmu, dlogvar = sampler.backward(np.ones_like(mu))
    np.testing.assert_allclose(dlogvar, z / 2, rtol=4 * np.finfo(dtype).eps)
    assert (dmu == 1).all()
