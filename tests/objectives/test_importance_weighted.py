"""The bound of several draws together, alone."""

import numpy as np
import pytest
from fake_cupy import FAKE_CUPY
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from strategies import batches, normal, seeds

from scratchvae.backend import NUMPY, to_numpy
from scratchvae.errors import ConfigError, DeviceError, DTypeError, ShapeError
from scratchvae.gradcheck import check
from scratchvae.memory import BatchBuffers
from scratchvae.objectives import ELBOTerms, ImportanceWeighted

counts = st.integers(1, 6)
weights = st.sampled_from([0.0, 0.3, 1.0])


def bound(draws, rows, dtype="float64"):
    objective = ImportanceWeighted(draws)
    objective.bind(BatchBuffers(NUMPY, dtype, rows), ())
    return objective


def drawn(seed, rows, draws):
    """log p(x | z_k) and log q(z_k | x) − log p(z_k), K draws of a row after each other."""
    return -5 * np.abs(normal(seed, rows * draws)), normal(seed + 1, rows * draws)


@given(seed=seeds, rows=batches, draws=counts, weight=weights)
def test_its_terms_are_those_of_the_formula(seed, rows, draws, weight):
    objective, (log_likelihood, kl) = bound(draws, rows + 2), drawn(seed, rows, draws)
    kept = log_likelihood.copy(), kl.copy()
    terms = objective.forward(log_likelihood, kl, weight)
    log_w = (log_likelihood - weight * kl).reshape(rows, draws)
    value = logsumexp(log_w, axis=1) - np.log(draws)
    reconstruction = (softmax(log_w, axis=1) * log_likelihood.reshape(rows, draws)).sum(axis=1)
    assert type(terms) is ELBOTerms and all(term.shape == (rows,) for term in terms)
    np.testing.assert_allclose(terms.value, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(terms.reconstruction, reconstruction, rtol=1e-12)
    np.testing.assert_allclose(terms.kl, reconstruction - value, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(objective.loss(terms), -value.mean(), rtol=1e-12)
    assert all(map(np.array_equal, (log_likelihood, kl), kept))


# ∂L/∂log w_nk = −(1/B) w_nk / Σ_j w_nj, and log w = ℓ − weight · kl
@given(seed=seeds, rows=batches, draws=counts, weight=weights)
def test_its_gradients_are_those_of_the_formula(seed, rows, draws, weight):
    objective, (log_likelihood, kl) = bound(draws, rows + 2), drawn(seed, rows, draws)
    objective.forward(log_likelihood, kl, weight)
    dlog_likelihood, dkl = objective.backward()
    log_w = (log_likelihood - weight * kl).reshape(rows, draws)
    expected = -softmax(log_w, axis=1).reshape(-1) / rows
    np.testing.assert_allclose(dlog_likelihood, expected, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(dkl, -weight * expected, rtol=1e-11, atol=1e-15)


@given(seed=seeds, rows=batches, draws=counts)
def test_its_gradients_are_those_of_differences(seed, rows, draws):
    objective = bound(draws, rows)

    def loss(log_likelihood, kl):
        return float(objective.loss(objective.forward(log_likelihood, kl)))

    def gradients(dloss, log_likelihood, kl):
        dlog_likelihood, dkl = objective.backward()
        return dloss * dlog_likelihood, dloss * dkl

    inputs = drawn(seed, rows, draws)
    assert check(loss, gradients, *inputs), check(loss, gradients, *inputs)


@given(seed=seeds, rows=batches, weight=weights)
def test_bug17_with_one_draw_it_is_an_elbo_whose_kl_is_that_of_the_draw(seed, rows, weight):
    objective, (log_likelihood, kl) = bound(1, rows), drawn(seed, rows, 1)
    terms = objective.forward(log_likelihood, kl, weight)
    np.testing.assert_allclose(terms.value, log_likelihood - weight * kl, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(terms.reconstruction, log_likelihood, rtol=1e-15)
    np.testing.assert_allclose(terms.kl, weight * kl, rtol=1e-10, atol=1e-13)
    dlog_likelihood, dkl = objective.backward()
    np.testing.assert_allclose(dlog_likelihood, np.full(rows, -1 / rows), rtol=1e-15)
    np.testing.assert_allclose(dkl, np.full(rows, weight / rows), rtol=1e-15)


def test_bug16_the_weights_of_a_row_are_those_of_its_own_draws():
    objective = bound(2, 2)
    log_likelihood, kl = np.array([0.0, -700.0, -700.0, 0.0]), np.zeros(4)
    terms = objective.forward(log_likelihood, kl)
    np.testing.assert_allclose(terms.value, -np.log([2.0, 2.0]))
    np.testing.assert_allclose(objective.backward()[0], [-0.5, 0, 0, -0.5], atol=1e-15)


def test_more_draws_of_the_same_weight_change_nothing():
    one, many = bound(1, 3), bound(5, 3)
    log_likelihood, kl = drawn(0, 3, 1)
    terms = [term.copy() for term in one.forward(log_likelihood, kl)]
    repeated = many.forward(np.repeat(log_likelihood, 5), np.repeat(kl, 5))
    for ours, plain in zip(repeated, terms, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_from_one_another_or_from_zero_weights_neither_overflow_nor_vanish(dtype):
    objective = bound(2, 3, dtype)
    log_likelihood = np.array([-1e4, -1e4, 1e4, 0.0, -3e4, -2e4], dtype)
    terms = objective.forward(log_likelihood, np.zeros(6, dtype))
    np.testing.assert_allclose(terms.value, [-1e4, 1e4 - np.log(2), -2e4 - np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(objective.backward()[0] * -3, [0.5, 0.5, 1, 0, 0, 1], rtol=1e-6)


def test_a_backward_needs_a_forward_that_was_not_invalidated_and_a_smaller_batch_is_divided_by_its_own_rows():
    objective = bound(3, 5)
    with pytest.raises(ShapeError, match="call forward first"):
        objective.backward()
    for rows in (5, 2, 4):
        objective.forward(*drawn(rows, rows, 3))
        assert objective.rows == rows
        np.testing.assert_allclose(objective.backward()[0].sum(), -1.0, rtol=1e-13)
    objective.invalidate()
    with pytest.raises(ShapeError, match="call forward first"):
        objective.backward()


def test_what_is_told_is_the_bound_again_without_the_weight_of_training():
    objective = bound(3, 4)
    terms = objective.forward(*drawn(0, 4, 3), 1.0)
    value = terms.value.copy()
    np.testing.assert_allclose(objective.unweighted(terms).value, value, rtol=1e-12)


def test_sums_are_of_rows_not_of_draws():
    objective = bound(3, 4)
    sums = objective.zeros(4)
    expected = np.zeros(3)
    for seed, rows in ((0, 4), (1, 2)):
        terms = objective.forward(*drawn(seed, rows, 3))
        objective.accumulate(terms, sums)
        expected += [term.sum() for term in terms]
    np.testing.assert_allclose([float(total.sum()) for total in sums], expected, rtol=1e-14)


def test_it_can_be_tried_alone():
    objective, (log_likelihood, kl) = ImportanceWeighted(3), drawn(0, 4, 3)
    expected = [term.copy() for term in bound(3, 4).forward(log_likelihood, kl)]
    assert all(map(np.array_equal, objective.forward(log_likelihood, kl), expected))
    for rows in (9, 50, 2):  # of more rows than before, and of fewer
        expected = [term.copy() for term in bound(3, rows).forward(*drawn(1, rows, 3))]
        assert all(map(np.array_equal, objective.forward(*drawn(1, rows, 3)), expected))
        assert objective.backward()[0].shape == (3 * rows,)


def test_room_is_made_for_more_rows_than_there_was_room_for():
    objective = bound(3, 2)
    for rows in (2, 3, 8):
        expected = [term.copy() for term in bound(3, 9).forward(*drawn(rows, rows, 3))]
        assert all(map(np.array_equal, objective.forward(*drawn(rows, rows, 3)), expected))


def test_without_a_weight_it_is_1():
    objective, inputs = bound(3, 4), drawn(0, 4, 3)
    expected = [term.copy() for term in objective.forward(*inputs, 1.0)]
    assert all(map(np.array_equal, objective.forward(*inputs), expected))


@pytest.mark.parametrize("lengths", [(6, 5), (5, 5), (5, 6)])
def test_numbers_of_other_than_k_draws_for_each_row_are_refused(lengths):
    for objective in (bound(3, 4), ImportanceWeighted(3)):
        with pytest.raises(ShapeError):
            objective.forward(*(np.zeros(length) for length in lengths))


def test_what_is_no_array_of_its_own_kind_is_refused_by_its_name():
    for given_, error, says in (
        ((np.zeros(6, int), np.zeros(6)), DTypeError, "log_likelihood of dtype int64"),
        ((np.zeros((6, 1)), np.zeros(6)), ShapeError, r"log_likelihood of shape \(6, 1\)"),
        ((np.zeros(6), FAKE_CUPY.upload(np.zeros(6))), DeviceError, "kl, which is a fake_cupy"),
        ((3.0, np.zeros(6)), DTypeError, "log_likelihood, which is 3.0"),
        (([0.0] * 6, np.zeros(6)), DTypeError, "log_likelihood, which is"),
        ((np.zeros(0), np.zeros(0)), ShapeError, r"log_likelihood of shape \(0,\)"),
    ):
        for objective in (bound(3, 4), ImportanceWeighted(3)):
            with pytest.raises(error, match=says):
                objective.forward(*given_)


def test_what_it_asks_for_is_k_draws_and_the_kl_of_each():
    objective = ImportanceWeighted(7)
    assert (objective.draws, objective.exact_kl, objective.kl_per_dimension, objective.beta) == (7, False, False, 1.0)
    assert ImportanceWeighted().draws == 20 and objective.config() == {"draws": 7}


@pytest.mark.parametrize("draws", [0, -1, 1.5, True, "3"])
def test_draws_are_counted_in_whole_numbers(draws):
    with pytest.raises(ConfigError, match="draws="):
        ImportanceWeighted(draws)


def test_on_a_device_it_is_the_same():
    host, device = bound(3, 4), ImportanceWeighted(3)
    device.bind(BatchBuffers(FAKE_CUPY, "float64", 4), ())
    log_likelihood, kl = drawn(0, 4, 3)
    terms = host.forward(log_likelihood, kl, 0.5)
    there = device.forward(FAKE_CUPY.upload(log_likelihood), FAKE_CUPY.upload(kl), 0.5)
    pairs = [*zip(terms, there, strict=True), *zip(host.backward(), device.backward(), strict=True)]
    for ours, theirs in pairs:
        np.testing.assert_allclose(to_numpy(theirs), ours, rtol=1e-13)
