"""Tests of free bits: the penalized KL and its gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import batches, normal, seeds, uniform, widths

from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, DeviceError, DTypeError, ShapeError
from scratchvae.probability import FreeBits, GaussianKL


@given(seeds, batches, widths, st.floats(0.01, 2))
def test_the_batch_mean_of_the_penalized_kl_equals_the_formula(seed, rows, width, free):
    per_dimension = uniform(seed, rows, width)
    penalized_kl = FreeBits(free).forward(per_dimension)
    assert penalized_kl.shape == (rows,)
    expected = np.maximum(free, per_dimension.mean(axis=0)).sum()
    np.testing.assert_allclose(penalized_kl.mean(), expected, rtol=1e-13)


def test_a_dimension_counts_its_kl_but_at_least_the_free_bits():
    per_dimension = np.array([[0.1, 3.0], [0.3, 1.0]])  # means 0.2 and 2
    free_bits = FreeBits(0.5)
    assert free_bits.forward(per_dimension).tolist() == [3.5, 1.5]
    assert free_bits.backward(np.array([2.0, -1.0])).tolist() == [[0, 2], [0, -1]]


def test_the_kl_is_unchanged_above_the_free_bits_and_has_no_gradient_below():
    per_dimension = uniform(0, 4, 3)
    below, above = FreeBits(1e-9), FreeBits(1.0)
    np.testing.assert_allclose(below.forward(per_dimension), per_dimension.sum(axis=1))
    assert above.forward(per_dimension).tolist() == [3.0] * 4
    assert not above.backward(normal(0, 4)).any()


def test_the_gradient_is_zero_at_the_kink():
    free_bits = FreeBits(0.5)
    assert free_bits.forward(np.array([[0.25], [0.75]])).tolist() == [0.5, 0.5]
    assert not free_bits.backward(np.ones(2)).any()


def test_bug13_a_smaller_batch_after_a_larger_one_is_divided_by_its_own_rows():
    free_bits = FreeBits(0.5)
    free_bits.forward(uniform(0, 7, 3))
    per_dimension = uniform(1, 2, 3)
    expected = np.maximum(0.5, per_dimension.mean(axis=0)).sum()
    np.testing.assert_allclose(free_bits.forward(per_dimension).mean(), expected)
    assert free_bits.backward(np.ones(2)).shape == (2, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_nothing_overflows_at_a_kl_of_1e30(dtype):
    per_dimension = np.array([[1e30, 0.0], [1e30, 0.0]], dtype)
    free_bits = FreeBits(0.1)
    penalized_kl = free_bits.forward(per_dimension)
    assert penalized_kl.dtype == dtype
    np.testing.assert_allclose(penalized_kl.astype("float64"), [1e30, 1e30])
    assert free_bits.backward(np.ones(2, dtype)).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("free", [0, -1, float("nan"), "1"])
def test_free_bits_that_are_not_a_positive_number_are_refused(free):
    with pytest.raises(ConfigError, match="free"):
        FreeBits(free)


def test_a_gradient_of_a_wrong_shape_is_refused_by_name():
    free_bits = FreeBits(0.5)
    with pytest.raises(ShapeError, match="call forward first"):
        free_bits.backward(np.ones(4))
    free_bits.forward(uniform(0, 4, 3))
    with pytest.raises(ShapeError, match=r"dpenalized of shape \(4, 3\); expected \(4,\)"):
        free_bits.backward(np.ones((4, 3)))


def test_equal_gradients_per_dimension_equal_a_gradient_per_row():
    mu, logvar, dkl = normal(0, 4, 3), normal(1, 4, 3), normal(2, 4)
    divergence, results = GaussianKL(), []
    divergence.forward(mu, logvar)
    for upstream in (dkl, np.repeat(dkl[:, None], 3, axis=1)):
        results.append([gradient.copy() for gradient in divergence.backward(upstream)])
    for row_gradient, dimension_gradient in zip(*results, strict=True):
        assert np.array_equal(row_gradient, dimension_gradient)
    with pytest.raises(ShapeError, match=r"dkl of shape \(4, 2\); expected \(4, 3\)"):
        divergence.backward(np.ones((4, 2)))
    for upstream in (dkl, np.ones((4, 3))):
        with pytest.raises(ShapeError, match="call forward first"):
            GaussianKL().backward(upstream)


def test_sums_are_accumulated_in_double_precision():
    divergence, sums = GaussianKL(), np.ones((4, 3))
    kl = divergence.forward(normal(0, 4, 3).astype("float32"), normal(1, 4, 3).astype("float32"))
    divergence.accumulate(sums)
    np.testing.assert_array_equal(sums - 1, (divergence.per_dimension.astype("float64") + 1) - 1)
    np.testing.assert_allclose((sums - 1).sum(axis=1), kl, rtol=1e-6)


def test_sums_of_a_wrong_shape_dtype_or_device_are_refused():
    divergence = GaussianKL()
    with pytest.raises(ShapeError, match="accumulate was called before forward; call forward first"):
        divergence.accumulate(np.zeros((4, 3)))
    divergence.forward(normal(0, 4, 3), normal(1, 4, 3))
    for sums, error, message in (
        (np.zeros((4, 2)), ShapeError, r"sums has shape \(4, 2\); expected \(4, 3\)"),
        (np.zeros((4, 3), int), DTypeError, "sums has dtype int64"),
        (FAKE_CUPY.upload(np.zeros((4, 3))), DeviceError, "sums is a scratchvae.backend.fake"),
    ):
        with pytest.raises(error, match=message):
            divergence.accumulate(sums)
