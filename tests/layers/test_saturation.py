"""Tests of activations at large |x|, in both precisions."""

import numpy as np
import pytest

from scratchvae.models.network import ACTIVATIONS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_slopes_are_exact_at_saturation(name, dtype):
    x = np.array([[-1000.0, -80.0, 0.0, 80.0, 1000.0]], dtype)
    layer = ACTIVATIONS[name]()
    y = layer.forward(x)
    expected = {
        "relu": [0, 0, 0, 80, 1000],
        "leaky_relu": [-10, -0.8, 0, 80, 1000],
        "tanh": [-1, -1, 0, 1, 1],
        "sigmoid": [0, np.exp(-80.0), 0.5, 1, 1],
        "softplus": [0, np.exp(-80.0), np.log(2.0), 80, 1000],
        "silu": [0, -80 * np.exp(-80.0), 0, 80, 1000],
        "gelu": [0, 0, 0, 80, 1000],
        "elu": [-1, -1, 0, 80, 1000],
    }[name]
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y[0], expected, rtol=8 * eps, atol=np.finfo(dtype).tiny * 2000)
    slope = layer.backward(np.ones_like(x))
    assert slope.dtype == dtype and np.isfinite(slope).all()
    ends = {"relu": (0, 1), "leaky_relu": (0.01, 1), "tanh": (0, 0), "sigmoid": (0, 0)}.get(name, (0, 1))
    np.testing.assert_allclose(slope[0, [0, -1]], ends, rtol=8 * eps, atol=np.finfo(dtype).tiny * 2000)
