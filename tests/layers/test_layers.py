"""Tests of layers: lifetime of outputs, first use, errors and initial weights."""

import numpy as np
import pytest
from strategies import normal

import scratchvae as sv
from scratchvae.backend import NUMPY
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.layers import Layer, LeakyReLU, Linear, NaNToZero, ReLU, Residual, Sequential, Tanh
from scratchvae.layers.initializers import INITIALIZERS
from scratchvae.memory import BatchBuffers
from scratchvae.models.network import ACTIVATIONS


def test_an_unbound_layer_computes_outputs_and_gradients():
    layer = Linear(3, 2, seed=1)
    y = layer.forward(normal(0, 5, 3))
    dx = layer.backward(np.ones_like(y))
    assert (y.shape, dx.shape, layer.dW.shape, layer.db.shape) == ((5, 2), (5, 3), (3, 2), (2,))


def test_an_output_is_valid_until_the_next_forward():
    layer = ReLU()
    first = layer.forward(normal(0, 4, 3))
    second = layer.forward(normal(1, 4, 3))
    assert np.shares_memory(first, second)


@pytest.mark.parametrize(
    "make_layer", [*ACTIVATIONS.values(), lambda: Linear(3, 3), lambda: Sequential(Linear(3, 3), Tanh())]
)
def test_backward_leaves_its_inputs_unchanged_and_can_be_repeated(make_layer):
    layer, x, dy = make_layer(), normal(0, 5, 3), normal(1, 5, 3)
    y = layer.forward(x)
    copies = [array.copy() for array in (x, y, dy)]
    dx = layer.backward(dy)
    assert all(map(np.array_equal, (x, y, dy), copies))
    first_dx, first_dW = dx.copy(), getattr(layer, "dW", dx).copy()
    dx[...] = np.nan
    dx = layer.backward(dy)
    assert np.array_equal(dx, first_dx) and np.array_equal(getattr(layer, "dW", dx), first_dW)


def test_a_larger_batch_keeps_the_weights():
    layer = Linear(3, 2)
    layer.forward(normal(0, 2, 3))
    W = layer.W.copy()
    layer.forward(normal(0, 9, 3))
    assert np.array_equal(layer.W, W)


def test_a_chain_returns_its_output_shape_and_names_itself_in_errors():
    chain = Sequential(Linear(3, 4), LeakyReLU(), Linear(4, 2))
    assert chain.bind(BatchBuffers(NUMPY, "float64", 5), (3,)) == (2,)
    with pytest.raises(ShapeError, match="Sequential"):
        chain.forward(normal(0, 5, 4))


def test_a_refused_call_leaves_the_layer_unchanged():
    layer = Linear(3, 2)
    for wrong in (normal(0, 5, 4), normal(0, 0, 3)):
        with pytest.raises(ShapeError):
            layer.forward(wrong)
    dy = np.ones_like(layer.forward(normal(0, 5, 3)))
    with pytest.raises(ShapeError):
        layer.forward(normal(0, 4, 4))
    assert layer.backward(dy).shape == (5, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_an_unbound_layer_takes_the_dtype_of_its_data(dtype):
    layer = Linear(3, 2)
    layer.forward(normal(0, 4, 3).astype(dtype))
    assert {array.dtype for array in (layer.W, layer.b, layer.dW, layer.db)} == {np.dtype(dtype)}


def test_initial_weights_differ_between_layers_and_repeat_with_a_seed():
    x = normal(0, 2, 3)
    first, second, seeded, same_seed = Linear(3, 3), Linear(3, 3), Linear(3, 3, seed=4), Linear(3, 3, seed=4)
    for layer in (first, second, seeded, same_seed):
        layer.forward(x)
    assert not np.array_equal(first.W, second.W)
    assert np.array_equal(seeded.W, same_seed.W)


def test_backward_parameters_gives_the_same_parameter_gradients_as_backward():
    chain = Sequential(Linear(3, 3), Linear(3, 3), Linear(3, 3))
    dy = np.ones_like(chain.forward(normal(0, 4, 3)))
    chain.backward(dy)
    expected = [layer.dW.copy() for layer in chain.layers]
    chain.forward(normal(0, 4, 3))
    chain.backward_parameters(dy)
    assert all(np.array_equal(layer.dW, dW) for layer, dW in zip(chain.layers, expected, strict=True))


@pytest.mark.parametrize(("make_layer", "slope"), [(ReLU, 0.0), (lambda: LeakyReLU(0.25), 0.25)])
def test_the_slope_at_a_kink_equals_that_of_the_negative_side(make_layer, slope):
    layer = make_layer()
    layer.forward(np.array([[-1.0, -1e-300, -0.0, 0.0, 1e-300, 1.0]]))
    np.testing.assert_array_max_ulp(layer.backward(np.ones((1, 6))), np.array([[slope] * 4 + [1.0] * 2]))


def test_a_custom_first_layer_needs_no_backward_parameters():
    class Scale(Layer):
        def parameter_shapes(self):
            return {"s": (1,)}

        def output_shape(self, input_shape):
            return input_shape

        def forward(self, x):
            self.check_inputs(x=x)
            self.x = x
            return 3.0 * x

        def backward(self, dy):
            self.ds = (self.x * dy).sum()
            return 3.0 * dy

    chain = Sequential(Scale(), ReLU())
    chain.backward_parameters(np.ones_like(chain.forward(np.ones((2, 3)))))
    assert chain.layers[0].ds == 6.0


@pytest.mark.parametrize(
    ("name", "variance"),
    [("he_normal", 2 / 300), ("he_uniform", 2 / 300), ("glorot_normal", 2 / 500), ("glorot_uniform", 2 / 500)],
)
def test_initializers_have_the_variance_of_their_papers(name, variance):
    W = INITIALIZERS[name](np.random.default_rng(0), (300, 200), 300, 200)
    # the sample variance of n draws with kurtosis κ has standard error var·√((κ − 1)/n), at most √(2/n) here
    assert abs(W.var() / variance - 1) < 5.5 * np.sqrt(2 / W.size)
    assert abs(W.mean()) < 5.5 * np.sqrt(variance / W.size)
    if name.endswith("uniform"):
        assert np.abs(W).max() <= np.sqrt(3 * variance)


def test_he_initialization_preserves_the_second_moment_through_many_relu_layers():
    layers = [layer for k in range(12) for layer in (Linear(400, 400, init="he_normal", seed=k), ReLU())]
    x = normal(0, 200, 400)
    y = Sequential(*layers).forward(x)
    assert 0.4 < (y**2).mean() / (x**2).mean() < 2.5


class Returns(Layer):
    """y = x and dx = dy, each changed by a function."""

    def __init__(self, y=None, dx=None):
        self.y, self.dx = y, dx

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        return x.copy() if self.y is None else self.y(x)

    def backward(self, dy):
        return dy.copy() if self.dx is None else self.dx(dy)


RETURNED = {
    "one column": (lambda a: a[:, :1].copy(), ShapeError, r"of shape \(5, 1\); expected \(5, 4\)"),
    "one row": (lambda a: a[:1], ShapeError, r"of shape \(1, 4\); expected \(5, 4\)"),
    "no rows": (lambda a: a[0], ShapeError, r"of shape \(4,\); expected \([45], 4\)"),
    "a number": (lambda a: 1.0, DTypeError, "1.0"),
    "None": (lambda a: None, DTypeError, "None"),
    "another dtype": (lambda a: a.astype("float32"), DTypeError, "of dtype float32 and computes in float64"),
}


@pytest.mark.parametrize("case", RETURNED)
@pytest.mark.parametrize("kind", [Residual, NaNToZero])
def test_what_the_inner_layer_returns_is_not_broadcast(kind, case):
    change, error, message = RETURNED[case]
    name, x = ("layer" if kind is Residual else "inner"), normal(0, 5, 4)
    layer = kind(Returns(dx=change))
    with pytest.raises(error, match=rf"{kind.__name__} was given dx from {name} \(Returns\).*{message}"):
        layer.backward(layer.forward(x))
    if kind is Residual:
        with pytest.raises(error, match=rf"Residual was given y from layer \(Returns\).*{message}"):
            Residual(Returns(y=change)).forward(x)


@pytest.mark.parametrize("case", sorted(RETURNED.keys() - {"one row"}))
def test_a_sequential_names_the_layer_that_returned_what_does_not_fit(case):
    change, error, message = RETURNED[case]
    x = normal(0, 5, 4)
    with pytest.raises(error, match=rf"Linear was given x from layers\[1\] \(Returns\).*{message}"):
        Sequential(Tanh(), Returns(y=change), Linear(4, 4)).forward(x)
    network = Sequential(Linear(4, 4), Returns(dx=change), Tanh())
    with pytest.raises(error, match=rf"Linear was given dy from layers\[1\] \(Returns\).*{message}"):
        network.backward(network.forward(x))


class Slips(Layer):
    """A layer whose methods return what is passed."""

    def __init__(self, **returned):
        self.returned = {"output_shape": (4,), "parameter_shapes": {"W": (4, 4)}, "initial_values": {}, **returned}

    def output_shape(self, input_shape):
        return self.returned["output_shape"]

    def parameter_shapes(self):
        return self.returned["parameter_shapes"]

    def initial_values(self, rng):
        return self.returned["initial_values"]

    def forward(self, x):
        self.check_inputs(x=x)
        return x @ self.W

    def backward(self, dy):
        return dy @ self.W.T


@pytest.mark.parametrize(
    ("method", "value", "message"),
    [
        ("output_shape", None, "returned None; expected the shape of one row of the output, as a tuple such as"),
        ("output_shape", 4, "returned 4; expected the shape of one row"),
        ("output_shape", ("4",), r"returned \('4',\); expected the shape of one row"),
        ("parameter_shapes", None, "returned None; expected a tuple for each name, such as"),
        ("parameter_shapes", {"W": 4}, "returned {'W': 4}; expected a tuple for each name"),
        ("initial_values", None, "returned None; expected a dict of arrays by name"),
        ("initial_values", {"w": np.ones((4, 4))}, "returned 'w'; expected the names of parameter_shapes, W"),
        ("initial_values", {"W": np.ones(4)}, r"returned W of shape \(4,\); expected \(4, 4\), as in parameter_shapes"),
    ],
)
def test_a_method_that_returns_something_else_is_named(method, value, message):
    for use in (
        lambda layer: layer.forward(normal(0, 3, 4)),
        lambda layer: Sequential(layer, ReLU()).forward(normal(0, 3, 4)),
        lambda layer: sv.VAE(4, 2, encoder=layer),
        lambda layer: sv.VAE(4, 2, encoder=Sequential(layer, ReLU())),
    ):
        with pytest.raises(ConfigError, match=rf"^Slips.{method} {message}"):
            use(Slips(**{method: value}))


def test_shapes_may_be_lists_of_numbers_of_numpy():
    layer = Slips(output_shape=[np.int64(4)], parameter_shapes={"W": [4, np.int64(4)]})
    assert Sequential(layer, Linear(4, 2)).forward(normal(0, 3, 4)).shape == (3, 2)
