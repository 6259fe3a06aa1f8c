"""The affine map of a row and its class: told one-hot rows, or every class at once."""

import numpy as np
from drawing import batches, normal, seeds, widths
from hypothesis import given

from scratchvae.layers import LabelledLinear, Linear


@given(seed=seeds, rows=batches, inputs=widths, classes=widths, outputs=widths)
def test_it_is_linear_on_the_row_with_one_hot_columns_beside_it(seed, rows, inputs, classes, outputs):
    layer = LabelledLinear(inputs, classes, outputs, seed=seed % 1000)
    x, labels = normal(seed, rows, inputs), np.random.default_rng(seed).integers(classes, size=rows)
    layer.targets = np.eye(classes)[labels]
    y, joined = layer.forward(x), np.hstack([x, layer.targets])
    np.testing.assert_allclose(y, joined @ np.vstack([layer.W, layer.V]), rtol=1e-12, atol=1e-12)
    dx, dy = layer.backward(y.copy()), y.copy()
    np.testing.assert_allclose(np.vstack([layer.dW, layer.dV]), joined.T @ dy, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, dy @ layer.W.T, rtol=1e-12, atol=1e-12)


@given(seed=seeds, rows=batches, inputs=widths, classes=widths, outputs=widths)
def test_every_class_at_once_is_class_after_class(seed, rows, inputs, classes, outputs):
    once, layer = (LabelledLinear(inputs, classes, outputs, seed=seed % 1000) for _ in range(2))
    x = normal(seed, rows, inputs)
    y = once.forward(x).copy()
    dy = normal(seed + 1, *y.shape)
    dx = once.backward(dy)
    total = np.zeros_like(dx)
    dW, dV = np.zeros_like(once.W), np.zeros_like(once.V)
    for k in range(classes):
        part = slice(k * rows, (k + 1) * rows)
        layer.targets = np.eye(classes)[[k] * rows]
        np.testing.assert_allclose(layer.forward(x), y[part], rtol=1e-12, atol=1e-12)
        total += layer.backward(dy[part])
        dW += layer.dW
        dV += layer.dV
    for given_, expected in ((dx, total), (once.dW, dW), (once.dV, dV)):
        np.testing.assert_allclose(given_, expected, rtol=1e-9, atol=1e-10)


def test_a_smaller_batch_after_a_larger_one_and_back():
    layer, x = LabelledLinear(3, 2, 4, seed=0), normal(0, 5, 3)
    whole = layer.forward(x).copy().reshape(2, 5, 4)
    assert np.array_equal(layer.forward(x[:2]).reshape(2, 2, 4), whole[:, :2])
    layer.targets = np.eye(2)[[0, 1, 1]]
    assert np.allclose(layer.forward(x[:3])[1:], whole[1, 1:3])
    layer.targets = None
    np.testing.assert_allclose(layer.forward(x).reshape(2, 5, 4), whole)


def test_its_weights_begin_as_those_of_one_matrix():
    labelled, linear = LabelledLinear(30, 10, 50, "he_normal", seed=3), Linear(40, 50, "he_normal", seed=3)
    labelled.forward(np.zeros((1, 30)))
    linear.forward(np.zeros((1, 40)))
    assert np.array_equal(np.vstack([labelled.W, labelled.V]), linear.W)
