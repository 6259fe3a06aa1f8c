"""Tests of the importance-weighted bound as a module of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp, softmax
from strategies import batches, normal, seeds

from scratchvae.backend import NUMPY, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, DeviceError, DTypeError, ShapeError
from scratchvae.gradcheck import check
from scratchvae.memory import BatchBuffers
from scratchvae.objectives import ELBOTerms, ImportanceWeighted

counts = st.integers(1, 6)
weights = st.sampled_from([0.0, 0.3, 1.0])


def bound_objective(draws, rows, dtype="float64"):
    objective = ImportanceWeighted(draws)
    objective.bind(BatchBuffers(NUMPY, dtype, rows), ())
    return objective


def random_terms(seed, rows, draws):
    """log p(x | z_k) and log q(z_k | x) − log p(z_k), with the K draws of a row in consecutive entries."""
    return -5 * np.abs(normal(seed, rows * draws)), normal(seed + 1, rows * draws)


@given(seed=seeds, rows=batches, draws=counts, weight=weights)
def test_the_terms_equal_the_formula(seed, rows, draws, weight):
    objective, (log_likelihood, kl) = bound_objective(draws, rows + 2), random_terms(seed, rows, draws)
    inputs_before = log_likelihood.copy(), kl.copy()
    terms = objective.forward(log_likelihood, kl, weight)
    log_w = (log_likelihood - weight * kl).reshape(rows, draws)
    value = logsumexp(log_w, axis=1) - np.log(draws)
    reconstruction = (softmax(log_w, axis=1) * log_likelihood.reshape(rows, draws)).sum(axis=1)
    assert type(terms) is ELBOTerms and all(term.shape == (rows,) for term in terms)
    np.testing.assert_allclose(terms.value, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(terms.reconstruction, reconstruction, rtol=1e-12)
    normalized = softmax(log_w, axis=1)
    unweighted = (normalized * (kl.reshape(rows, draws) + np.log(draws) + log_softmax(log_w, axis=1))).sum(axis=1)
    np.testing.assert_allclose(terms.kl, unweighted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(objective.loss(terms), -value.mean(), rtol=1e-12)
    assert objective.weight == weight
    assert all(map(np.array_equal, (log_likelihood, kl), inputs_before))


# ∂L/∂log w_nk = −(1/B) w_nk / Σ_j w_nj, and log w = ℓ − weight · kl
@given(seed=seeds, rows=batches, draws=counts, weight=weights)
def test_the_gradients_equal_the_formula(seed, rows, draws, weight):
    objective, (log_likelihood, kl) = bound_objective(draws, rows + 2), random_terms(seed, rows, draws)
    objective.forward(log_likelihood, kl, weight)
    dlog_likelihood, dkl = objective.backward()
    log_w = (log_likelihood - weight * kl).reshape(rows, draws)
    expected = -softmax(log_w, axis=1).reshape(-1) / rows
    np.testing.assert_allclose(dlog_likelihood, expected, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(dkl, -weight * expected, rtol=1e-11, atol=1e-15)


@given(seed=seeds, rows=batches, draws=counts, weight=weights)
def test_reconstruction_minus_kl_is_at_most_the_bound_at_full_weight_and_equal_to_it_there(seed, rows, draws, weight):
    objective, inputs = bound_objective(draws, rows), random_terms(seed, rows, draws)
    full = objective.forward(*inputs).value.copy()
    terms = objective.forward(*inputs, weight)
    rounding = 1e-12 * np.abs(full)
    assert (terms.reconstruction - terms.kl <= full + rounding).all()
    if weight == 1 or draws == 1:
        np.testing.assert_allclose(terms.reconstruction - terms.kl, full, rtol=1e-12)


@given(seed=seeds, rows=batches, draws=counts, weight=weights)
def test_the_gradients_equal_the_finite_differences(seed, rows, draws, weight):
    objective = bound_objective(draws, rows)

    def loss(log_likelihood, kl):
        return float(objective.loss(objective.forward(log_likelihood, kl, weight)))

    def gradients(dloss, log_likelihood, kl):
        dlog_likelihood, dkl = objective.backward()
        return dloss * dlog_likelihood, dloss * dkl

    inputs = random_terms(seed, rows, draws)
    assert check(loss, gradients, *inputs), check(loss, gradients, *inputs)


@given(seed=seeds, rows=batches, weight=weights)
def test_bug17_one_draw_gives_the_elbo_with_the_estimated_kl(seed, rows, weight):
    objective, (log_likelihood, kl) = bound_objective(1, rows), random_terms(seed, rows, 1)
    terms = objective.forward(log_likelihood, kl, weight)
    np.testing.assert_allclose(terms.value, log_likelihood - weight * kl, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(terms.reconstruction, log_likelihood, rtol=1e-15)
    np.testing.assert_allclose(terms.kl, kl, rtol=1e-10, atol=1e-13)
    dlog_likelihood, dkl = objective.backward()
    np.testing.assert_allclose(dlog_likelihood, np.full(rows, -1 / rows), rtol=1e-15)
    np.testing.assert_allclose(dkl, np.full(rows, weight / rows), rtol=1e-15)


def test_bug16_weights_are_normalized_over_the_draws_of_each_row():
    objective = bound_objective(2, 2)
    log_likelihood, kl = np.array([0.0, -700.0, -700.0, 0.0]), np.zeros(4)
    terms = objective.forward(log_likelihood, kl)
    np.testing.assert_allclose(terms.value, -np.log([2.0, 2.0]))
    np.testing.assert_allclose(objective.backward()[0], [-0.5, 0, 0, -0.5], atol=1e-15)


def test_repeated_draws_of_equal_weight_do_not_change_the_terms():
    one, many = bound_objective(1, 3), bound_objective(5, 3)
    log_likelihood, kl = random_terms(0, 3, 1)
    terms = [term.copy() for term in one.forward(log_likelihood, kl)]
    repeated = many.forward(np.repeat(log_likelihood, 5), np.repeat(kl, 5))
    for many_term, one_term in zip(repeated, terms, strict=True):
        np.testing.assert_allclose(many_term, one_term, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_log_weights_neither_overflow_nor_vanish(dtype):
    objective = bound_objective(2, 3, dtype)
    log_likelihood = np.array([-1e4, -1e4, 1e4, 0.0, -3e4, -2e4], dtype)
    terms = objective.forward(log_likelihood, np.zeros(6, dtype))
    np.testing.assert_allclose(terms.value, [-1e4, 1e4 - np.log(2), -2e4 - np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(objective.backward()[0] * -3, [0.5, 0.5, 1, 0, 0, 1], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_whose_gradients_would_be_subnormal_are_0_and_others_stay(dtype):
    info, objective = np.finfo(dtype), ImportanceWeighted(4)
    smallest = np.log(float(info.smallest_normal))
    log_w = np.array([0.0, -20.0, 0.6 * smallest, smallest - 2.0], dtype)
    objective.forward(log_w, np.zeros_like(log_w))
    weights, (dlog_w, _) = objective.importance_bound.normalized_weights[0], objective.backward()
    np.testing.assert_allclose(weights, [1.0, np.exp(-20.0), np.exp(0.6 * smallest), 0.0], rtol=1e-5)
    np.testing.assert_array_equal(dlog_w, -weights)


def test_backward_needs_a_valid_forward_and_divides_by_the_rows_of_the_batch():
    objective = bound_objective(3, 5)
    with pytest.raises(ShapeError, match="call forward first"):
        objective.backward()
    for rows in (5, 2, 4):
        objective.forward(*random_terms(rows, rows, 3))
        assert objective.rows == rows
        np.testing.assert_allclose(objective.backward()[0].sum(), -1.0, rtol=1e-13)
    objective.invalidate()
    with pytest.raises(ShapeError, match="call forward first"):
        objective.backward()


def test_unweighted_terms_equal_the_bound_at_a_weight_of_1():
    objective = bound_objective(3, 4)
    terms = objective.forward(*random_terms(0, 4, 3), 1.0)
    value = terms.value.copy()
    np.testing.assert_allclose(objective.with_unweighted_kl(terms).value, value, rtol=1e-12)


def test_sums_run_over_rows_and_not_over_draws():
    objective = bound_objective(3, 4)
    sums = objective.zeros(4)
    expected = np.zeros(3)
    for seed, rows in ((0, 4), (1, 2)):
        terms = objective.forward(*random_terms(seed, rows, 3))
        objective.accumulate(terms, sums)
        expected += [term.sum() for term in terms]
    np.testing.assert_allclose([float(total.sum()) for total in sums], expected, rtol=1e-14)


def test_the_objective_works_without_bind():
    objective, (log_likelihood, kl) = ImportanceWeighted(3), random_terms(0, 4, 3)
    expected = [term.copy() for term in bound_objective(3, 4).forward(log_likelihood, kl)]
    assert all(map(np.array_equal, objective.forward(log_likelihood, kl), expected))
    for rows in (9, 50, 2):  # larger batches than before, then a smaller one
        expected = [term.copy() for term in bound_objective(3, rows).forward(*random_terms(1, rows, 3))]
        assert all(map(np.array_equal, objective.forward(*random_terms(1, rows, 3)), expected))
        assert objective.backward()[0].shape == (3 * rows,)


def test_buffers_grow_with_the_batch():
    objective = bound_objective(3, 2)
    for rows in (2, 3, 8):
        expected = [term.copy() for term in bound_objective(3, 9).forward(*random_terms(rows, rows, 3))]
        assert all(map(np.array_equal, objective.forward(*random_terms(rows, rows, 3)), expected))


def test_the_weight_defaults_to_1():
    objective, inputs = bound_objective(3, 4), random_terms(0, 4, 3)
    expected = [term.copy() for term in objective.forward(*inputs, 1.0)]
    assert all(map(np.array_equal, objective.forward(*inputs), expected))


@pytest.mark.parametrize("lengths", [(6, 5), (5, 5), (5, 6)])
def test_inputs_that_are_not_k_draws_per_row_are_refused(lengths):
    for objective in (bound_objective(3, 4), ImportanceWeighted(3)):
        with pytest.raises(ShapeError):
            objective.forward(*(np.zeros(length) for length in lengths))


def test_wrong_types_shapes_and_devices_are_refused_by_name():
    for inputs, error, message in (
        ((np.zeros(6, int), np.zeros(6)), DTypeError, "log_likelihood of dtype int64"),
        ((np.zeros((6, 1)), np.zeros(6)), ShapeError, r"log_likelihood of shape \(6, 1\)"),
        ((np.zeros(6), FAKE_CUPY.upload(np.zeros(6))), DeviceError, "kl, which is a scratchvae.backend.fake"),
        ((3.0, np.zeros(6)), DTypeError, "log_likelihood, which is 3.0"),
        (([0.0] * 6, np.zeros(6)), DTypeError, "log_likelihood, which is"),
        ((np.zeros(0), np.zeros(0)), ShapeError, r"log_likelihood of shape \(0,\)"),
    ):
        for objective in (bound_objective(3, 4), ImportanceWeighted(3)):
            with pytest.raises(error, match=message):
                objective.forward(*inputs)


def test_the_objective_needs_k_draws_and_the_kl_of_each():
    objective = ImportanceWeighted(7)
    assert (objective.draws, objective.exact_kl, objective.kl_per_dimension, objective.beta) == (7, False, False, 1.0)
    assert ImportanceWeighted().draws == 20 and objective.config() == {"draws": 7}


@pytest.mark.parametrize("draws", [0, -1, 1.5, True, "3"])
def test_draws_that_are_not_a_positive_integer_are_refused(draws):
    with pytest.raises(ConfigError, match="draws="):
        ImportanceWeighted(draws)


def test_a_device_gives_the_same_results():
    host, device = bound_objective(3, 4), ImportanceWeighted(3)
    device.bind(BatchBuffers(FAKE_CUPY, "float64", 4), ())
    log_likelihood, kl = random_terms(0, 4, 3)
    terms = host.forward(log_likelihood, kl, 0.5)
    device_terms = device.forward(FAKE_CUPY.upload(log_likelihood), FAKE_CUPY.upload(kl), 0.5)
    pairs = [*zip(terms, device_terms, strict=True), *zip(host.backward(), device.backward(), strict=True)]
    for on_host, on_device in pairs:
        np.testing.assert_allclose(to_numpy(on_device), on_host, rtol=1e-13)
