"""The Bernoulli likelihood on logits: value, gradients, saturation."""

import numpy as np
import oracle
import pytest
from drawing import batches, normal, relative_error, seeds, uniform, widths
from hypothesis import given

from scratchvae.errors import ShapeError
from scratchvae.gradcheck import check
from scratchvae.probability import Bernoulli


def backward(likelihood, dlog_likelihood, logits, x):
    likelihood.forward(logits, x)
    return likelihood.backward(dlog_likelihood).copy(), likelihood.backward_data(dlog_likelihood)


@given(batches, widths, seeds)
def test_bug09_bug13_value_and_gradients_agree_with_autograd_and_finite_differences(batch, width, seed):
    likelihood = Bernoulli()
    likelihood.forward(normal(seed, batch + 2, width), uniform(seed, batch + 2, width))
    logits, x, dlog = 3 * normal(seed, batch, width), uniform(seed + 1, batch, width), normal(seed + 2, batch)
    np.testing.assert_allclose(likelihood.forward(logits, x), oracle.bernoulli(logits, x), rtol=1e-12)
    for given_, expected in zip(
        backward(likelihood, dlog, logits, x), oracle.vjp(oracle.bernoulli, dlog, logits, x), strict=True
    ):
        assert relative_error(given_, expected) <= 1e-12
    report = check(
        lambda logits, x: likelihood.forward(logits, x).copy(),
        lambda dlog, logits, x: backward(likelihood, dlog, logits, x),
        logits,
        x,
        seed=seed,
    )
    assert report.worst <= 1e-9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bug10_logits_of_1000_either_way_cost_what_they_should(dtype):
    logits = np.array([[1000.0], [-1000.0], [1000.0], [-1000.0], [20.0], [-20.0]], dtype)
    x = np.array([[1.0], [0.0], [0.0], [1.0], [1.0], [0.0]], dtype)
    likelihood = Bernoulli()
    eps = np.finfo(dtype).eps
    small = np.log1p(np.exp(-20.0))
    value = likelihood.forward(logits, x)
    # x t − softplus(t) is a difference of numbers as large as t: its rounding is that of t
    np.testing.assert_allclose(value, [0, 0, -1000, -1000, -small, -small], rtol=4 * eps, atol=20 * eps)
    dlogits = likelihood.backward(np.ones(6, dtype))
    expected = [0, 0, -1, 1, 1 / (1 + np.exp(20.0)), -1 / (1 + np.exp(20.0))]
    np.testing.assert_allclose(dlogits[:, 0], expected, rtol=8 * eps, atol=eps)


@pytest.mark.parametrize("pixel", [0.0, 1.0])
def test_all_black_and_all_white_rows_are_finite_and_exact(pixel):
    logits = 5 * normal(0, 4, 50)
    x = np.full((4, 50), pixel)
    np.testing.assert_allclose(Bernoulli().forward(logits, x), -np.logaddexp(0, (1 - 2 * pixel) * logits).sum(axis=1))


def test_probabilities_of_all_binary_rows_sum_to_one():
    rows = np.array(np.meshgrid(*[[0.0, 1.0]] * 6)).reshape(6, -1).T
    log_p = Bernoulli().forward(np.tile(normal(0, 6), (64, 1)), rows)
    np.testing.assert_allclose(np.exp(log_p).sum(), 1.0)


def test_the_mean_is_the_probability_of_a_one():
    logits = normal(0, 3, 4)
    likelihood = Bernoulli()
    likelihood.forward(logits, np.zeros_like(logits))
    np.testing.assert_allclose(likelihood.mean(logits, np.empty_like(logits)), 1 / (1 + np.exp(-logits)))


def test_a_gradient_that_is_not_one_number_a_row_is_refused():
    likelihood = Bernoulli()
    likelihood.forward(normal(0, 3, 4), uniform(0, 3, 4))
    with pytest.raises(ShapeError, match="dlog_likelihood"):
        likelihood.backward(np.ones((3, 4)))
