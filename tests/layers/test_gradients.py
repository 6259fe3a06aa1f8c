"""Every layer against finite differences and against HIPS autograd: dx and the parameters, at any shape."""

import autograd.numpy as anp
import numpy as np
import oracle
import pytest
from drawing import batches, normal, off_zero, relative_error, seeds, widths
from hypothesis import given

import scratchvae.layers as layers
from scratchvae.gradcheck import check

ELEMENTWISE = {
    "relu": layers.ReLU,
    "leaky_relu": layers.LeakyReLU,
    "tanh": layers.Tanh,
    "sigmoid": layers.Sigmoid,
    "softplus": layers.Softplus,
    "silu": layers.SiLU,
    "gelu": layers.GELU,
}


def run(layer, dy, x):
    layer.forward(x)
    return layer.backward(dy)


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(batches, widths, seeds)
def test_bug04_activation_gradient_agrees_with_autograd_and_finite_differences(name, batch, width, seed):
    layer, x, dy = ELEMENTWISE[name](), off_zero(2 * normal(seed, batch, width)), normal(seed + 1, batch, width)
    y = layer.forward(x).copy()
    np.testing.assert_allclose(y, oracle.ACTIVATIONS[name](x), rtol=1e-13, atol=1e-15)
    (expected,) = oracle.vjp(oracle.ACTIVATIONS[name], dy, x)
    assert relative_error(run(layer, dy, x), expected) <= 1e-12
    report = check(lambda x: layer.forward(x).copy(), lambda dy, x: [run(layer, dy, x)], x, seed=seed)
    assert report.worst <= 1e-9


@given(batches, widths, widths, seeds)
def test_bug19_linear_gradients_dx_dW_db_agree_with_autograd_and_finite_differences(batch, inputs, outputs, seed):
    layer = layers.Linear(inputs, outputs)
    x, W, b = normal(seed, batch, inputs), normal(seed + 1, inputs, outputs), normal(seed + 2, outputs)

    def forward(x, W, b):
        y = layer.forward(x)  # binds at first use
        layer.W[...], layer.b[...] = W, b
        y = layer.forward(x)
        return y.copy()

    def backward(dy, x, W, b):
        forward(x, W, b)
        return layer.backward(dy), layer.dW, layer.db

    dy = normal(seed + 3, batch, outputs)
    expected = oracle.vjp(lambda x, W, b: anp.dot(x, W) + b, dy, x, W, b)
    for given_, expected_ in zip(backward(dy, x, W, b), expected, strict=True):
        assert relative_error(given_, expected_) <= 1e-12
    assert check(forward, backward, x, W, b, seed=seed).worst <= 1e-9


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(batches, widths, seeds)
def test_bug03_bug13_a_smaller_batch_after_a_larger_one_gives_the_gradients_of_a_chain(name, batch, width, seed):
    chain = layers.Sequential(layers.Linear(width, 4), ELEMENTWISE[name](), layers.Linear(4, 2))
    chain.forward(normal(seed, batch + 3, width))
    x, dy = normal(seed + 1, batch, width), normal(seed + 2, batch, 2)
    first, _, second = chain.layers
    params = {"net.0.W": first.W, "net.0.b": first.b, "net.1.W": second.W, "net.1.b": second.b}

    def value(params, x):
        return anp.sum(dy * oracle.perceptron(params, "net", x, name))

    chain.forward(x)
    dx = chain.backward(dy)
    assert relative_error(dx, oracle.gradient(value, 1, params, x)) <= 1e-12
    expected = oracle.gradient(value, 0, params, x)
    for given_, of in [(first.dW, "net.0.W"), (first.db, "net.0.b"), (second.dW, "net.1.W"), (second.db, "net.1.b")]:
        assert relative_error(given_, expected[of]) <= 1e-12

    first.dW[...] = 0
    chain.forward(x)
    chain.backward_parameters(dy)
    assert relative_error(first.dW, expected["net.0.W"]) <= 1e-12


@given(batches, widths, seeds)
def test_split_copies_both_halves_and_puts_their_gradients_back_in_place(batch, half, seed):
    layer, x = layers.Split(), normal(seed, batch, 2 * half)
    left, right = layer.forward(x)
    assert np.array_equal(np.hstack([left, right]), x)
    assert left.flags.c_contiguous and right.flags.c_contiguous
    dx = layer.backward(left.copy(), right.copy())
    assert np.array_equal(dx, x)


def test_every_layer_of_the_package_is_checked_here():
    structural = {"Layer", "Linear", "Sequential", "Split"}
    assert set(layers.__all__) == structural | {layer.__name__ for layer in ELEMENTWISE.values()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activations_are_right_at_saturation(name, dtype):
    x = np.array([[-1000.0, -80.0, 0.0, 80.0, 1000.0]], dtype)
    layer = ELEMENTWISE[name]()
    y = layer.forward(x)
    expected = {
        "relu": [0, 0, 0, 80, 1000],
        "leaky_relu": [-10, -0.8, 0, 80, 1000],
        "tanh": [-1, -1, 0, 1, 1],
        "sigmoid": [0, np.exp(-80.0), 0.5, 1, 1],
        "softplus": [0, np.exp(-80.0), np.log(2.0), 80, 1000],
        "silu": [0, -80 * np.exp(-80.0), 0, 80, 1000],
        "gelu": [0, 0, 0, 80, 1000],
    }[name]
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y[0], expected, rtol=8 * eps, atol=np.finfo(dtype).tiny * 2000)
    slope = layer.backward(np.ones_like(x))
    assert slope.dtype == dtype and np.isfinite(slope).all()
    ends = {"relu": (0, 1), "leaky_relu": (0.01, 1), "tanh": (0, 0), "sigmoid": (0, 0)}.get(name, (0, 1))
    np.testing.assert_allclose(slope[0, [0, -1]], ends, rtol=8 * eps, atol=np.finfo(dtype).tiny * 2000)
