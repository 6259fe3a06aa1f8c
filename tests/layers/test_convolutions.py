"""Tests of the layers of pictures: their formula by loops, their transpose, blocks, shapes and initial weights."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import batches, normal, seeds

from scratchvae.backend import NUMPY
from scratchvae.errors import ShapeError
from scratchvae.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    Linear,
    ReLU,
    Reshape,
    Sequential,
    Upsample,
    patches,
)
from scratchvae.memory import BatchBuffers

sizes = st.integers(1, 4)


@st.composite
def windows(draw):
    """A kernel size, a stride, a padding, and the height and width of a picture that is large enough."""
    k, s = draw(sizes), draw(sizes)
    p = draw(st.integers(0, k - 1))
    height, width = (draw(st.integers(max(1, k - 2 * p), 9)) for _ in range(2))
    return k, s, p, height, width


def bound(layer, *shape, rows=3):
    layer.bind(BatchBuffers(NUMPY, "float64", rows), shape)
    return layer


@given(windows(), batches, sizes, sizes, seeds)
def test_a_convolution_is_its_formula(window, batch, inputs, outputs, seed):
    k, s, p, height, width = window
    layer = bound(Conv2d(inputs, outputs, k, s, p, seed=seed), height, width, inputs)
    layer.b[...] = normal(seed, outputs)
    x = normal(seed, batch, height, width, inputs)
    bordered = np.pad(x, [(0, 0), (p, p), (p, p), (0, 0)])
    rows, columns = ((size + 2 * p - k) // s + 1 for size in (height, width))
    expected = np.empty((batch, rows, columns, outputs))
    for i in range(rows):
        for j in range(columns):
            pixels = bordered[:, s * i : s * i + k, s * j : s * j + k]
            expected[:, i, j] = np.tensordot(pixels, layer.W, 3) + layer.b
    assert layer.output_shape((height, width, inputs)) == expected.shape[1:]
    np.testing.assert_allclose(layer.forward(x.reshape(batch, -1)), expected.reshape(batch, -1), atol=1e-12)


@given(windows(), batches, sizes, sizes, seeds)
def test_a_transposed_convolution_is_the_transpose_of_the_convolution_with_its_kernel(
    window, batch, small, large, seed
):
    k, s, p, height, width = window
    convolution = bound(Conv2d(small, large, k, s, p, seed=seed), height, width, small)
    shape = convolution.output_shape((height, width, small))
    more = height - (s * (shape[0] - 1) + k - 2 * p), width - (s * (shape[1] - 1) + k - 2 * p)
    transposed = bound(ConvTranspose2d(large, small, k, s, p, more[0] if more[0] == more[1] else more), *shape)
    transposed.W[...] = convolution.W
    assert transposed.output_shape(shape) == (height, width, small)
    x, y = normal(seed, batch, height * width * small), normal(seed + 1, batch, int(np.prod(shape)))
    assert np.vdot(convolution.forward(x), y) == pytest.approx(np.vdot(x, transposed.forward(y)), abs=1e-10)
    np.testing.assert_allclose(convolution.backward(y), transposed.forward(y), atol=1e-12)
    np.testing.assert_allclose(transposed.backward(x), convolution.forward(x), atol=1e-12)


@pytest.mark.parametrize("layer", [Conv2d(2, 3, 4, 2, 1, seed=0), ConvTranspose2d(2, 3, 4, 2, 1, seed=0)], ids=repr)
def test_blocks_of_pictures_give_the_same_as_all_at_once(layer, monkeypatch):
    results = []
    for block in (1, 2**12, 2**21):  # one picture at a time, several, all
        monkeypatch.setattr(patches, "HOST_BLOCK", block)
        bound(layer, 6, 5, 2, rows=7)
        for rows in (7, 3):
            y = layer.forward(normal(0, rows, 60)).copy()
            dx = layer.backward(normal(1, *y.shape)).copy()
            results.append([rows, y, dx, layer.dW.copy(), layer.db.copy()])
        assert layer.patches.rows == (1 if block == 1 else 7 if block == 2**21 else layer.patches.rows)
    for result in results:
        expected = next(other for other in results[-2:] if other[0] == result[0])
        for array, wanted in zip(result[1:], expected[1:], strict=True):
            np.testing.assert_allclose(array, wanted, atol=1e-12)


def peak_of_a_warm_step(network, rows):
    x = normal(0, rows, 784)
    dy = network.forward(x).copy()
    network.backward(dy)
    tracemalloc.start()
    try:
        network.forward(x)
        network.backward(dy)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_warm_convolution_allocates_nothing_that_grows_with_the_batch():
    network = Sequential(Reshape(28, 28, 1), Conv2d(1, 8, 4, 2, 1), ConvTranspose2d(8, 1, 4, 2, 1), Upsample(2))
    small, large = (peak_of_a_warm_step(network, rows) for rows in (64, 512))
    assert (
        small < 2**18 and abs(large - small) < 6272
    )  # bytes; a picture has 6272. NumPy adds by means of small buffers


def test_a_layer_outside_a_model_is_told_the_shape_of_its_pictures():
    layer = Conv2d(2, 3, 3)
    layer.input_shape = (5, 4, 2)
    assert layer.forward(normal(0, 6, 40)).shape == (6, 3 * 2 * 3)
    assert layer.unbound_copy().forward(normal(0, 6, 40)).shape == (6, 3 * 2 * 3)
    network = Sequential(Reshape(5, 4, 2), Conv2d(2, 3, 3), Flatten(), Linear(18, 1))
    assert network.forward(normal(0, 6, 40)).shape == (6, 1)


def test_grey_pictures_may_leave_out_their_channel():
    for layer, shape in ((Conv2d(1, 3, 3), (3, 2, 3)), (ConvTranspose2d(1, 3, 3), (7, 6, 3)), (Upsample(2), (10, 8))):
        assert layer.output_shape((5, 4)) == shape


@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (4, 2)])
def test_initial_weights_keep_the_variance_of_pictures(kind, size, stride):
    layer = bound(kind(16, 16, size, stride, 1, init="he_normal", seed=0), 24, 24, 16)
    y = layer.forward(normal(0, 3, 24 * 24 * 16))
    height, width, _ = layer.output_shape((24, 24, 16))
    inside = y.reshape(3, height, width, 16)[:, 2:-2, 2:-2]  # at the border some of the terms are 0
    assert inside.var() == pytest.approx(2.0, rel=0.1)
    dy = normal(1, *y.shape)
    glorot = bound(kind(16, 16, size, stride, 1, init="glorot_normal", seed=0), 24, 24, 16)
    forward, backward = glorot.forward(normal(0, 3, 24 * 24 * 16)).var(), glorot.backward(dy).var()
    assert forward + backward == pytest.approx(2.0, rel=0.1)  # Var W = 2/(I + O) makes them 2I/(I + O) and 2O/(I + O)


def test_default_initial_values_of_a_kernel_are_those_of_a_convolution():
    class Own(Conv2d):
        initial_values = Layer.initial_values

    own, usual = (kind(16, 8, 3, seed=0).initial_values(np.random.default_rng(0))["W"] for kind in (Own, Conv2d))
    assert np.array_equal(own, usual)


def test_an_input_shape_that_does_not_fit_is_named():
    layer = Conv2d(2, 3, 3)
    layer.input_shape = (5, 4, 2)
    with pytest.raises(
        ShapeError, match=r"x of shape \(6, 36\); expected rows of 40 numbers, its input_shape \(5, 4, 2\)"
    ):
        layer.forward(normal(0, 6, 36))
    assert layer.forward(normal(0, 6, 40)).shape == (6, 18)
    assert ReLU().unbound_copy().forward(normal(0, 6, 40)).shape == (6, 40)
