"""The affine map of a row and its class: told one-hot rows, or every class at once."""

import numpy as np
import pytest
from hypothesis import given
from strategies import batches, normal, seeds, widths

from scratchvae.errors import ConfigError, ShapeError
from scratchvae.layers import ConditionalLinear, ConditionalSequential, Linear, ReLU, Sequential, Tanh


@given(seed=seeds, rows=batches, inputs=widths, classes=widths, outputs=widths)
def test_it_is_linear_on_the_row_with_one_hot_columns_beside_it(seed, rows, inputs, classes, outputs):
    layer = ConditionalLinear(inputs, classes, outputs, seed=seed % 1000)
    x, labels = normal(seed, rows, inputs), np.random.default_rng(seed).integers(classes, size=rows)
    targets = np.eye(classes)[labels]
    y, joined = layer.forward(x, targets), np.hstack([x, targets])
    np.testing.assert_allclose(y, joined @ np.vstack([layer.W, layer.V]), rtol=1e-12, atol=1e-12)
    dx, dy = layer.backward(y.copy()), y.copy()
    np.testing.assert_allclose(np.vstack([layer.dW, layer.dV]), joined.T @ dy, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, dy @ layer.W.T, rtol=1e-12, atol=1e-12)


@given(seed=seeds, rows=batches, inputs=widths, classes=widths, outputs=widths)
def test_every_class_at_once_is_class_after_class(seed, rows, inputs, classes, outputs):
    once, layer = (ConditionalLinear(inputs, classes, outputs, seed=seed % 1000) for _ in range(2))
    x = normal(seed, rows, inputs)
    y = once.forward(x).copy()
    dy = normal(seed + 1, *y.shape)
    dx = once.backward(dy)
    total = np.zeros_like(dx)
    dW, dV = np.zeros_like(once.W), np.zeros_like(once.V)
    for k in range(classes):
        part = slice(k * rows, (k + 1) * rows)
        targets = np.eye(classes)[[k] * rows]
        np.testing.assert_allclose(layer.forward(x, targets), y[part], rtol=1e-12, atol=1e-12)
        total += layer.backward(dy[part])
        dW += layer.dW
        dV += layer.dV
    for given_, expected in ((dx, total), (once.dW, dW), (once.dV, dV)):
        np.testing.assert_allclose(given_, expected, rtol=1e-9, atol=1e-10)


def test_a_smaller_batch_after_a_larger_one_and_back():
    layer, x = ConditionalLinear(3, 2, 4, seed=0), normal(0, 5, 3)
    whole = layer.forward(x).copy().reshape(2, 5, 4)
    assert np.array_equal(layer.forward(x[:2]).reshape(2, 2, 4), whole[:, :2])
    assert np.allclose(layer.forward(x[:3], np.eye(2)[[0, 1, 1]])[1:], whole[1, 1:3])
    np.testing.assert_allclose(layer.forward(x).reshape(2, 5, 4), whole)


def test_its_weights_begin_as_those_of_one_matrix():
    conditional, linear = ConditionalLinear(30, 10, 50, "he_normal", seed=3), Linear(40, 50, "he_normal", seed=3)
    conditional.forward(np.zeros((1, 30)))
    linear.forward(np.zeros((1, 40)))
    assert np.array_equal(np.vstack([conditional.W, conditional.V]), linear.W)


def chain(seed=3):
    """Of two classes, 3 to 4 to 2."""
    return ConditionalSequential(ConditionalLinear(3, 2, 4, seed=seed), Tanh(), Linear(4, 2, seed=seed))


def test_a_chain_hands_the_class_to_its_first_layer_and_is_an_ordinary_chain_from_there_on():
    network, x, targets = chain(), normal(0, 5, 3), np.eye(2)[[0, 1, 1, 0, 1]]
    first, *others = chain().layers
    y = network.forward(x, targets)
    assert np.array_equal(y, Sequential(*others).forward(first.forward(x, targets)))
    assert list(network.parameter_shapes()) == ["0.W", "0.V", "2.W", "2.b"]
    dy = normal(1, *y.shape)
    dx = network.backward(dy)
    assert np.array_equal(dx, first.backward(Sequential(*others).backward(dy)))  # others keep what their forward saw
    network.backward_parameters(dy)
    for name in ("W", "V"):
        assert np.array_equal(getattr(network.layers[0], f"d{name}"), getattr(first, f"d{name}"))


def test_a_chain_without_a_class_gives_every_class_one_after_the_other():
    network, x = chain(), normal(0, 5, 3)
    every = network.forward(x).copy().reshape(2, 5, 2)
    for k in range(2):
        np.testing.assert_allclose(network.forward(x, np.eye(2)[[k] * 5]), every[k], rtol=1e-12)
    dy = normal(1, 10, 2)
    network.forward(x)
    assert network.backward(dy).shape == (5, 3)


def test_nothing_is_remembered_from_one_forward_to_the_next():
    layer, x = ConditionalLinear(3, 2, 4, seed=0), normal(0, 4, 3)
    layer.forward(x, np.eye(2)[[0, 1, 1, 0]])
    assert layer.forward(x).shape == (8, 4)
    assert layer.forward(x, np.eye(2)[[0, 0, 0, 0]]).shape == (4, 4)
    assert layer.backward(np.ones((4, 4))).shape == (4, 3)


@pytest.mark.parametrize("shape", [(4, 3), (3, 2), (4,)])
def test_targets_of_another_shape_are_refused_by_their_name(shape):
    with pytest.raises(ShapeError, match="ConditionalLinear was given targets of shape"):
        ConditionalLinear(3, 2, 4).forward(normal(0, 4, 3), np.ones(shape))


@pytest.mark.parametrize("layers", [(), (Linear(3, 4), ReLU()), (ReLU(), ConditionalLinear(3, 2, 4))])
def test_a_chain_whose_first_layer_takes_no_class_is_refused(layers):
    with pytest.raises(ConfigError, match=r"layers\[0\].*expected a ConditionalLinear, which takes the class"):
        ConditionalSequential(*layers)
