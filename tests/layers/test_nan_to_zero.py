"""Tests of the layer that replaces missing values by 0."""

import numpy as np
import pytest
from strategies import normal

from scratchvae.errors import ConfigError
from scratchvae.layers import Linear, NaNToZero, Sequential, Tanh

MISSING = np.arange(20).reshape(5, 4) % 3 == 0
X = np.where(MISSING, np.nan, normal(0, 5, 4))


def network():
    return Sequential(Linear(4, 3, seed=1), Tanh(), Linear(3, 2, seed=2))


def test_missing_values_count_as_zero_and_receive_no_gradient():
    layer, inner = NaNToZero(network()), network()
    y, expected = layer.forward(X), inner.forward(np.where(MISSING, 0.0, X))
    assert np.array_equal(y, expected)
    dy = normal(1, *y.shape)
    assert np.array_equal(layer.backward(dy), np.where(MISSING, 0.0, inner.backward(dy)))
    for layer_wrapped, layer_alone in zip(layer.inner.layers[::2], inner.layers[::2], strict=True):
        assert np.array_equal(layer_wrapped.dW, layer_alone.dW) and np.array_equal(layer_wrapped.db, layer_alone.db)
        layer_wrapped.dW.fill(0.0)
    layer.backward_parameters(dy)
    for layer_wrapped, layer_alone in zip(layer.inner.layers[::2], inner.layers[::2], strict=True):
        assert np.array_equal(layer_wrapped.dW, layer_alone.dW)


def test_parameter_names_are_those_of_the_inner_layer_and_x_is_unchanged():
    layer, x_before = NaNToZero(network()), X.copy()
    assert layer.parameter_shapes() == network().parameter_shapes()
    layer.backward(np.ones_like(layer.forward(X)))
    assert np.array_equal(X, x_before, equal_nan=True)


def test_an_inner_value_that_is_not_a_layer_is_refused():
    with pytest.raises(ConfigError, match="inner=3: expected a layer"):
        NaNToZero(3)
