"""A layer that is given 0 for what is missing."""

import numpy as np
import pytest
from strategies import normal

from scratchvae.errors import ConfigError
from scratchvae.layers import Linear, NaNToZero, Sequential, Tanh

HIDDEN = np.arange(20).reshape(5, 4) % 3 == 0
X = np.where(HIDDEN, np.nan, normal(0, 5, 4))


def network():
    return Sequential(Linear(4, 3, seed=1), Tanh(), Linear(3, 2, seed=2))


def test_it_is_the_layer_inside_with_0_for_what_is_missing_and_sends_nothing_back_there():
    layer, plain = NaNToZero(network()), network()
    y, expected = layer.forward(X), plain.forward(np.where(HIDDEN, 0.0, X))
    assert np.array_equal(y, expected)
    dy = normal(1, *y.shape)
    assert np.array_equal(layer.backward(dy), np.where(HIDDEN, 0.0, plain.backward(dy)))
    for ours, its in zip(layer.inner.layers[::2], plain.layers[::2], strict=True):
        assert np.array_equal(ours.dW, its.dW) and np.array_equal(ours.db, its.db)
        ours.dW.fill(0.0)
    layer.backward_parameters(dy)
    for ours, its in zip(layer.inner.layers[::2], plain.layers[::2], strict=True):
        assert np.array_equal(ours.dW, its.dW)


def test_parameters_keep_their_names_and_x_stays_as_it_was():
    layer, kept = NaNToZero(network()), X.copy()
    assert layer.parameter_shapes() == network().parameter_shapes()
    layer.backward(np.ones_like(layer.forward(X)))
    assert np.array_equal(X, kept, equal_nan=True)


def test_what_is_no_layer_is_refused():
    with pytest.raises(ConfigError, match="inner=3: expected a layer"):
        NaNToZero(3)
