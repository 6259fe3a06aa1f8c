"""Tests of the bound of a row with a known class, and with the class summed out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp
from strategies import normal, seeds, uniform

from scratchvae.probability import MarginalBound


def random_terms(seed, rows, classes):
    log_q = log_softmax(normal(seed, rows, classes), axis=1)
    log_likelihood, kl = -5 * uniform(seed + 1, classes * rows), 3 * uniform(seed + 2, classes * rows)
    return log_q, log_likelihood, kl, (log_likelihood - kl).reshape(classes, rows).T


@given(seed=seeds, rows=st.integers(1, 5), classes=st.integers(1, 5))
def test_the_bound_of_an_unknown_class_is_the_expected_bound_plus_the_entropy(seed, rows, classes):
    log_q, log_likelihood, kl, elbo = random_terms(seed, rows, classes)
    evidence, divergence = MarginalBound().forward(log_q, np.zeros((rows, classes)), log_likelihood, kl)
    q = np.exp(log_q)
    np.testing.assert_allclose(
        evidence - divergence, (q * (elbo - log_q)).sum(axis=1) - np.log(classes), rtol=1e-9, atol=1e-12
    )


@given(seed=seeds, rows=st.integers(1, 5), classes=st.integers(1, 5))
def test_the_bound_of_a_known_class_adds_the_weighted_classifier_term(seed, rows, classes):
    log_q, log_likelihood, kl, elbo = random_terms(seed, rows, classes)
    labels = np.random.default_rng(seed).integers(classes, size=rows)
    evidence, divergence = MarginalBound().forward(log_q, np.eye(classes)[labels], log_likelihood, kl, alpha=7.0)
    known = np.arange(rows), labels
    np.testing.assert_allclose(
        evidence - divergence, elbo[known] - np.log(classes) + 7.0 * log_q[known], rtol=1e-9, atol=1e-12
    )


def test_the_optimal_classifier_gives_the_log_of_the_sum_over_classes():
    _, log_likelihood, kl, elbo = random_terms(0, 4, 3)
    best = log_softmax(elbo, axis=1)
    unknown, bound = np.zeros((4, 3)), MarginalBound()
    evidence, divergence = bound.forward(best, unknown, log_likelihood, kl)
    np.testing.assert_allclose(evidence - divergence, logsumexp(elbo, axis=1) - np.log(3), rtol=1e-12)
    dlog_q, _, _ = bound.backward(np.ones(4), -np.ones(4))
    tangential = dlog_q - np.exp(best) * dlog_q.sum(axis=1, keepdims=True)  # within the probabilities that sum to one
    np.testing.assert_allclose(tangential, 0.0, atol=1e-12)


def test_a_certain_classifier_gives_finite_values_and_gradients():
    log_q = np.array([[0.0, -2000.0], [-2000.0, 0.0]], "float32")
    bound = MarginalBound()
    evidence, divergence = bound.forward(log_q, np.zeros_like(log_q), *np.full((2, 4), -3.0, "float32"))
    np.testing.assert_allclose(evidence, -3.0)
    np.testing.assert_allclose(divergence, -3.0 + np.log(2), rtol=1e-6)
    assert all(np.isfinite(gradient).all() for gradient in bound.backward(*np.ones((2, 2), "float32")))


def test_a_class_of_probability_0_counts_only_where_it_is_known():
    log_q = np.array([[0.0, -np.inf]] * 3, "float32")
    targets = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], "float32")
    bound = MarginalBound()
    evidence, divergence = bound.forward(log_q, targets, *np.full((2, 6), -3.0, "float32"), alpha=0.5)
    np.testing.assert_array_equal(evidence[:2], -3.0)
    np.testing.assert_allclose(divergence, -3.0 + np.log(2), rtol=1e-6)
    assert evidence[2] < -1e29
    dlog_q, dlog_likelihood, dkl = bound.backward(*np.ones((2, 3), "float32"))
    np.testing.assert_array_equal(dlog_q, [[-3.0 - 3.0 + 1.0, 0.0], [0.5, 0.0], [0.0, 0.5]])
    np.testing.assert_array_equal(dlog_likelihood, [1.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(dkl, dlog_likelihood)


def test_the_classifier_weight_is_the_alpha_of_the_last_forward_and_defaults_to_1():
    log_q, log_likelihood, kl, _ = random_terms(3, 4, 3)
    targets, bound = np.eye(3)[[0, 2, 1, 1]], MarginalBound()
    log_q_of_target = (targets * log_q).sum(axis=1)
    default = bound.forward(log_q, targets, log_likelihood, kl)[0].copy()
    for alpha in (0.0, 5.0, 1.0):
        evidence, _ = bound.forward(log_q, targets, log_likelihood, kl, alpha)
        np.testing.assert_allclose(evidence, default + (alpha - 1.0) * log_q_of_target, rtol=1e-12)
        dlog_q, _, _ = bound.backward(np.ones(4), -np.ones(4))
        np.testing.assert_allclose(dlog_q, alpha * targets, rtol=1e-12)
