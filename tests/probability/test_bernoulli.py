"""Tests of the Bernoulli likelihood on logits: normalization and saturation."""

import numpy as np
import pytest
from strategies import normal

from scratchvae.probability import Bernoulli


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bug10_log_likelihood_and_gradient_are_exact_at_logits_of_plus_and_minus_1000(dtype):
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


def test_the_mean_equals_the_probability_of_a_one():
    logits = normal(0, 3, 4)
    likelihood = Bernoulli()
    likelihood.forward(logits, np.zeros_like(logits))
    np.testing.assert_allclose(likelihood.mean(logits, np.empty_like(logits)), 1 / (1 + np.exp(-logits)))
