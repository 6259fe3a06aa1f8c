"""Tests of class log-probabilities: normalization and saturation."""

import numpy as np
import pytest
from hypothesis import given
from scipy.special import log_softmax
from strategies import batches, normal, seeds, widths

from scratchvae.probability import LogSoftmax


@given(seed=seeds, rows=batches, classes=widths)
def test_probabilities_sum_to_one_and_equal_those_of_scipy(seed, rows, classes):
    module, logits = LogSoftmax(), 5 * normal(seed, rows, classes)
    log_q = module.forward(logits)
    np.testing.assert_allclose(log_q, log_softmax(logits, axis=1), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(module.q.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(np.exp(log_q), module.q, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_overflows_at_saturation_and_a_shift_changes_nothing(dtype):
    module, logits = LogSoftmax(), np.array([[1000.0, -1000.0, 0.0], [-1e4, -1e4, -1e4], [3e4, 3e4, 0.0]], dtype)
    log_q = module.forward(logits)
    np.testing.assert_allclose(
        log_q, [[0, -2000, -1000], [-np.log(3)] * 3, [-np.log(2), -np.log(2), -3e4 - np.log(2)]], rtol=1e-6
    )
    dlogits = module.backward(np.eye(3, dtype=dtype))
    np.testing.assert_allclose(dlogits, [[0, 0, 0], [-1 / 3, 2 / 3, -1 / 3], [-0.5, -0.5, 1]], atol=1e-6)


def test_the_gradient_of_cross_entropy_equals_probabilities_minus_targets():
    module, logits, targets = LogSoftmax(), normal(0, 4, 3), np.eye(3)[[0, 2, 1, 1]]
    module.forward(logits)
    np.testing.assert_allclose(module.backward(-targets), module.q - targets, rtol=1e-12, atol=1e-15)
