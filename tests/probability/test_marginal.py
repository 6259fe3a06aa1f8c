"""The bound of a row whose class is known, or is summed out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp
from strategies import normal, seeds, uniform

from scratchvae.probability import MarginalBound


def drawn(seed, rows, classes):
    log_q = log_softmax(normal(seed, rows, classes), axis=1)
    log_likelihood, kl = -5 * uniform(seed + 1, classes * rows), 3 * uniform(seed + 2, classes * rows)
    return log_q, log_likelihood, kl, (log_likelihood - kl).reshape(classes, rows).T


@given(seed=seeds, rows=st.integers(1, 5), classes=st.integers(1, 5))
def test_unknown_classes_are_summed_out_with_their_entropy(seed, rows, classes):
    log_q, log_likelihood, kl, each = drawn(seed, rows, classes)
    evidence, divergence = MarginalBound().forward(log_q, np.zeros((rows, classes)), log_likelihood, kl)
    q = np.exp(log_q)
    np.testing.assert_allclose(
        evidence - divergence, (q * (each - log_q)).sum(axis=1) - np.log(classes), rtol=1e-9, atol=1e-12
    )


@given(seed=seeds, rows=st.integers(1, 5), classes=st.integers(1, 5))
def test_known_classes_have_their_own_bound_and_the_classifiers_word(seed, rows, classes):
    log_q, log_likelihood, kl, each = drawn(seed, rows, classes)
    labels = np.random.default_rng(seed).integers(classes, size=rows)
    evidence, divergence = MarginalBound().forward(log_q, np.eye(classes)[labels], log_likelihood, kl, alpha=7.0)
    of = np.arange(rows), labels
    np.testing.assert_allclose(
        evidence - divergence, each[of] - np.log(classes) + 7.0 * log_q[of], rtol=1e-9, atol=1e-12
    )


def test_the_best_classifier_makes_it_the_log_of_the_sum_over_classes():
    _, log_likelihood, kl, each = drawn(0, 4, 3)
    best = log_softmax(each, axis=1)
    unknown, bound = np.zeros((4, 3)), MarginalBound()
    evidence, divergence = bound.forward(best, unknown, log_likelihood, kl)
    np.testing.assert_allclose(evidence - divergence, logsumexp(each, axis=1) - np.log(3), rtol=1e-12)
    dlog_q, _, _ = bound.backward(np.ones(4), -np.ones(4))
    along = dlog_q - np.exp(best) * dlog_q.sum(axis=1, keepdims=True)  # where probabilities sum to one
    np.testing.assert_allclose(along, 0.0, atol=1e-12)


def test_a_classifier_that_is_certain_loses_nothing_to_infinity():
    log_q = np.array([[0.0, -2000.0], [-2000.0, 0.0]], "float32")
    bound = MarginalBound()
    evidence, divergence = bound.forward(log_q, np.zeros_like(log_q), *np.full((2, 4), -3.0, "float32"))
    np.testing.assert_allclose(evidence, -3.0)
    np.testing.assert_allclose(divergence, -3.0 + np.log(2), rtol=1e-6)
    assert all(np.isfinite(gradient).all() for gradient in bound.backward(*np.ones((2, 2), "float32")))


def test_the_weight_of_the_classifier_is_that_of_the_last_forward_and_1_without():
    log_q, log_likelihood, kl, _ = drawn(3, 4, 3)
    targets, bound = np.eye(3)[[0, 2, 1, 1]], MarginalBound()
    said = (targets * log_q).sum(axis=1)
    plain = bound.forward(log_q, targets, log_likelihood, kl)[0].copy()
    for alpha in (0.0, 5.0, 1.0):
        evidence, _ = bound.forward(log_q, targets, log_likelihood, kl, alpha)
        np.testing.assert_allclose(evidence, plain + (alpha - 1.0) * said, rtol=1e-12)
        dlog_q, _, _ = bound.backward(np.ones(4), -np.ones(4))
        np.testing.assert_allclose(dlog_q, alpha * targets, rtol=1e-12)
