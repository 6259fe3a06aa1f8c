"""Tests of the affine map of a row and its class, with one-hot targets and with all classes at once."""

import numpy as np
import pytest
from hypothesis import given
from strategies import batches, normal, seeds, widths

from scratchvae.errors import ConfigError, ShapeError
from scratchvae.gradcheck import check_layer
from scratchvae.layers import ConditionalLinear, ConditionalSequential, Linear, ReLU, Sequential, Tanh


@given(seed=seeds, rows=batches, inputs=widths, classes=widths, outputs=widths)
def test_conditional_linear_equals_linear_on_rows_with_appended_one_hot_columns(seed, rows, inputs, classes, outputs):
    layer = ConditionalLinear(inputs, classes, outputs, seed=seed % 1000)
    x, labels = normal(seed, rows, inputs), np.random.default_rng(seed).integers(classes, size=rows)
    targets = np.eye(classes)[labels]
    y, joined = layer.forward(x, targets), np.hstack([x, targets])
    np.testing.assert_allclose(y, joined @ np.vstack([layer.W, layer.V]), rtol=1e-12, atol=1e-12)
    dx, dy = layer.backward(y.copy()), y.copy()
    np.testing.assert_allclose(np.vstack([layer.dW, layer.dV]), joined.T @ dy, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, dy @ layer.W.T, rtol=1e-12, atol=1e-12)


@given(seed=seeds, rows=batches, inputs=widths, classes=widths, outputs=widths)
def test_forward_without_targets_equals_one_forward_per_class(seed, rows, inputs, classes, outputs):
    all_classes, layer = (ConditionalLinear(inputs, classes, outputs, seed=seed % 1000) for _ in range(2))
    x = normal(seed, rows, inputs)
    y = all_classes.forward(x).copy()
    dy = normal(seed + 1, *y.shape)
    dx = all_classes.backward(dy)
    total = np.zeros_like(dx)
    dW, dV = np.zeros_like(all_classes.W), np.zeros_like(all_classes.V)
    for k in range(classes):
        rows_of_class = slice(k * rows, (k + 1) * rows)
        targets = np.eye(classes)[[k] * rows]
        np.testing.assert_allclose(layer.forward(x, targets), y[rows_of_class], rtol=1e-12, atol=1e-12)
        total += layer.backward(dy[rows_of_class])
        dW += layer.dW
        dV += layer.dV
    for actual, expected in ((dx, total), (all_classes.dW, dW), (all_classes.dV, dV)):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-10)


def test_the_batch_size_can_shrink_and_grow_again():
    layer, x = ConditionalLinear(3, 2, 4, seed=0), normal(0, 5, 3)
    whole = layer.forward(x).copy().reshape(2, 5, 4)
    assert np.array_equal(layer.forward(x[:2]).reshape(2, 2, 4), whole[:, :2])
    assert np.allclose(layer.forward(x[:3], np.eye(2)[[0, 1, 1]])[1:], whole[1, 1:3])
    np.testing.assert_allclose(layer.forward(x).reshape(2, 5, 4), whole)


def test_the_initial_weights_equal_those_of_a_single_matrix():
    conditional, linear = ConditionalLinear(30, 10, 50, "he_normal", seed=3), Linear(40, 50, "he_normal", seed=3)
    conditional.forward(np.zeros((1, 30)))
    linear.forward(np.zeros((1, 40)))
    assert np.array_equal(np.vstack([conditional.W, conditional.V]), linear.W)


def chain(seed=3):
    """A network for two classes, with widths 3, 4 and 2."""
    return ConditionalSequential(ConditionalLinear(3, 2, 4, seed=seed), Tanh(), Linear(4, 2, seed=seed))


def test_a_chain_passes_the_targets_to_its_first_layer_only():
    network, x, targets = chain(), normal(0, 5, 3), np.eye(2)[[0, 1, 1, 0, 1]]
    first, *others = chain().layers
    y = network.forward(x, targets)
    assert np.array_equal(y, Sequential(*others).forward(first.forward(x, targets)))
    assert list(network.parameter_shapes()) == ["0.W", "0.V", "2.W", "2.b"]
    dy = normal(1, *y.shape)
    dx = network.backward(dy)
    # `others` still hold their last forward
    assert np.array_equal(dx, first.backward(Sequential(*others).backward(dy)))
    network.backward_parameters(dy)
    for name in ("W", "V"):
        assert np.array_equal(getattr(network.layers[0], f"d{name}"), getattr(first, f"d{name}"))


def test_a_chain_without_targets_computes_all_classes_in_order():
    network, x = chain(), normal(0, 5, 3)
    all_classes = network.forward(x).copy().reshape(2, 5, 2)
    for k in range(2):
        np.testing.assert_allclose(network.forward(x, np.eye(2)[[k] * 5]), all_classes[k], rtol=1e-12)
    dy = normal(1, 10, 2)
    network.forward(x)
    assert network.backward(dy).shape == (5, 3)


def test_a_forward_does_not_depend_on_earlier_targets():
    layer, x = ConditionalLinear(3, 2, 4, seed=0), normal(0, 4, 3)
    layer.forward(x, np.eye(2)[[0, 1, 1, 0]])
    assert layer.forward(x).shape == (8, 4)
    assert layer.forward(x, np.eye(2)[[0, 0, 0, 0]]).shape == (4, 4)
    assert layer.backward(np.ones((4, 4))).shape == (4, 3)


@pytest.mark.parametrize("shape", [(4, 3), (3, 2), (4,)])
def test_targets_of_a_wrong_shape_are_refused_by_name(shape):
    with pytest.raises(ShapeError, match="ConditionalLinear was given targets of shape"):
        ConditionalLinear(3, 2, 4).forward(normal(0, 4, 3), np.ones(shape))


TWO = ConditionalLinear(3, 2, 4), ConditionalLinear(4, 2, 4)


@pytest.mark.parametrize("layers", [(), (Linear(3, 4), ReLU()), TWO])
def test_a_chain_without_one_layer_that_reads_the_class_is_refused(layers):
    with pytest.raises(ConfigError, match=r"layers=.*expected one ConditionalLinear among them, which reads the class"):
        ConditionalSequential(*layers)


@pytest.mark.parametrize("targets", [np.eye(2)[[0, 1, 1]], None])
def test_the_layer_that_reads_the_class_may_stand_anywhere(targets):
    layers = Linear(5, 3, seed=1), Tanh(), ConditionalLinear(3, 2, 4, seed=2), ReLU(), Linear(4, 2, seed=3)
    network, x = ConditionalSequential(*layers), normal(0, 3, 5)
    y = network.forward(x, targets)
    assert y.shape == (3 if targets is not None else 6, 2) and network.classes == 2
    dx = network.backward(np.ones_like(y))
    h = np.tanh(x @ layers[0].W + layers[0].b)
    by_class = [h @ layers[2].W + layers[2].V[k] for k in (0, 1)]
    inner = np.concatenate(by_class) if targets is None else np.where(targets[:, :1] == 1, *by_class)
    np.testing.assert_allclose(y, np.maximum(inner, 0) @ layers[4].W + layers[4].b)
    assert dx.shape == x.shape
    if targets is None:
        assert check_layer(network, x).passed
