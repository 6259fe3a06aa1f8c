"""Tests of the evidence lower bound as a module of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import batches, normal, seeds, uniform, widths

from scratchvae.backend import NUMPY, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, DeviceError, DTypeError, ShapeError
from scratchvae.gradcheck import check
from scratchvae.memory import BatchBuffers
from scratchvae.objectives import ELBO, ELBOTerms
from scratchvae.probability import FreeBits


def bound_elbo(beta, rows, free_bits=0.0, dtype="float64"):
    objective = ELBO(beta, free_bits)
    objective.bind(BatchBuffers(NUMPY, dtype, rows), ())
    return objective


def test_the_loss_is_the_mean_over_the_rows_of_the_batch():
    objective = bound_elbo(3.0, 7)
    reconstruction, kl = normal(0, 4), normal(1, 4)
    terms = objective.forward(reconstruction, kl)
    np.testing.assert_allclose(terms.value, reconstruction - 3.0 * kl)
    np.testing.assert_allclose(objective.loss(terms), -(reconstruction - 3.0 * kl).sum() / 4)
    dreconstruction, dkl = objective.backward()
    np.testing.assert_allclose(dreconstruction, np.full(4, -1 / 4))
    np.testing.assert_allclose(dkl, np.full(4, 3 / 4))
    np.testing.assert_allclose(terms.value, reconstruction - 3.0 * kl)  # still valid


def test_backward_needs_a_forward_that_was_not_invalidated():
    objective = bound_elbo(1.0, 3)
    with pytest.raises(ShapeError, match="call forward first"):
        objective.backward()
    objective.forward(normal(0, 3), normal(1, 3))
    objective.invalidate()
    with pytest.raises(ShapeError, match="call forward first"):
        objective.backward()


def test_the_penalized_kl_replaces_the_kl_in_the_loss_and_the_weight_multiplies_beta():
    objective, free_bits = bound_elbo(3.0, 7, free_bits=0.5), FreeBits(0.5)
    reconstruction, kl, per_dimension = normal(0, 4), normal(1, 4), uniform(2, 4, 3)
    per_dimension[:, 0] /= 4  # a dimension below the free bits
    penalized_kl = free_bits.forward(per_dimension)
    sums = objective.zeros(7)
    terms = objective.forward(reconstruction, kl, 0.5, per_dimension)
    objective.accumulate(terms, sums)
    np.testing.assert_allclose(terms.value, reconstruction - 1.5 * penalized_kl)
    assert terms.kl is kl and terms.reconstruction is reconstruction
    for total, expected in zip(sums, (terms.value, reconstruction, kl), strict=True):
        np.testing.assert_allclose(total, expected.sum())
    for weight in (0.5, 0.25, 1.0):
        objective.forward(reconstruction, kl, weight, per_dimension)
        dreconstruction, dkl = objective.backward()
        np.testing.assert_allclose(dreconstruction, np.full(4, -1 / 4))
        np.testing.assert_allclose(dkl, free_bits.backward(np.full(4, 3.0 * weight / 4)))
        assert dkl.shape == (4, 3) and not dkl[:, 0].any()


def test_the_weight_multiplies_beta_without_free_bits():
    objective = bound_elbo(3.0, 7)
    reconstruction, kl = normal(0, 4), normal(1, 4)
    for weight in (0.25, 1.0, 0.0):
        terms = objective.forward(reconstruction, kl, weight)
        assert objective.weight == weight and objective.factor == 3.0 * weight
        np.testing.assert_allclose(terms.value, reconstruction - 3.0 * weight * kl)
        np.testing.assert_allclose(objective.backward()[1], np.full(4, 3.0 * weight / 4))
    objective.forward(reconstruction, kl)
    np.testing.assert_allclose(objective.backward()[1], np.full(4, 3 / 4))


def test_unweighted_terms_contain_the_whole_kl():
    objective = bound_elbo(3.0, 4, free_bits=0.5)
    reconstruction, kl = normal(0, 4), normal(1, 4)
    terms = objective.forward(reconstruction, kl, 0.5, uniform(2, 4, 3))
    assert objective.with_unweighted_kl(terms) is terms
    np.testing.assert_allclose(terms.value, reconstruction - 3.0 * kl)


@given(seed=seeds, rows=batches, width=widths, beta=st.sampled_from([0.0, 1.0, 4.0]), weight=st.floats(0.1, 1.0))
@pytest.mark.parametrize("free_bits", [0.0, 0.3])
def test_the_gradients_equal_the_finite_differences(seed, rows, width, beta, weight, free_bits):
    objective = bound_elbo(beta, rows, free_bits)
    per_dimension = uniform(seed, rows, width)
    per_dimension += np.abs(per_dimension.mean(axis=0) - 0.3) < 0.05  # away from the kink

    def loss(log_likelihood, per_dimension):
        return float(
            objective.loss(objective.forward(log_likelihood, per_dimension.sum(axis=1), weight, per_dimension))
        )

    def gradients(dloss, log_likelihood, per_dimension):
        dlog_likelihood, dkl = objective.backward()
        by_dimension = dkl if free_bits else np.repeat(dkl[:, None], width, axis=1)
        return dloss * dlog_likelihood, dloss * by_dimension

    inputs = normal(seed + 1, rows), per_dimension
    assert check(loss, gradients, *inputs), check(loss, gradients, *inputs)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_sums_cover_several_batches_in_double_precision_or_wider(dtype):
    objective = bound_elbo(2.0, 5, dtype=dtype)
    sums = objective.zeros(5)
    assert type(sums) is ELBOTerms and {total.dtype for total in sums} == {np.promote_types(dtype, "float64")}
    expected = np.zeros(3)
    for seed, rows in ((0, 5), (1, 2), (2, 4)):
        inputs = normal(seed, 2, rows).astype(dtype)
        terms = objective.forward(*inputs)
        objective.accumulate(terms, sums)
        expected += [float(term.astype("float64").sum()) for term in terms]
    np.testing.assert_allclose([float(total.sum()) for total in sums], expected, rtol=1e-6)


def test_forward_and_backward_do_not_change_the_sums():
    objective = bound_elbo(1.0, 4)
    sums = objective.zeros(4)
    objective.accumulate(objective.forward(normal(0, 4), normal(1, 4)), sums)
    before = [float(total) for total in sums]
    objective.forward(normal(2, 4), normal(3, 4))
    objective.backward()
    assert [float(total) for total in sums] == before


def test_the_objective_works_without_bind():
    objective = ELBO(2.0)
    terms = objective.forward(np.array([-1.0, -2.0]), np.array([0.5, 0.25]))
    assert terms.value.tolist() == [-2.0, -2.5] and float(objective.loss(terms)) == 2.25
    assert [gradient.tolist() for gradient in objective.backward()] == [[-0.5, -0.5], [1.0, 1.0]]
    assert objective.forward(*normal(0, 2, 9)).value.shape == (9,)  # a larger batch than before


def test_free_bits_without_the_kl_per_dimension_are_refused():
    with pytest.raises(ConfigError, match=r"an ELBO with free_bits=0.5 needs kl_per_dimension"):
        ELBO(1, 0.5).forward(normal(0, 4), normal(1, 4))


def test_the_objective_needs_the_kl_per_dimension_only_with_free_bits():
    assert (ELBO().draws, ELBO().exact_kl, ELBO().kl_per_dimension, ELBO(free_bits=0.1).kl_per_dimension) == (
        1,
        True,
        False,
        True,
    )
    assert (ELBO().beta, ELBO().free_bits, ELBO(4.0, 0.2).config()) == (1.0, 0.0, {"beta": 4.0, "free_bits": 0.2})


def test_wrong_shapes_dtypes_and_devices_are_refused_by_name():
    objective = bound_elbo(1.0, 4)
    for inputs, error, message in (
        ((normal(0, 4), normal(1, 3)), ShapeError, r"kl of shape \(3,\); expected \(4,\)"),
        ((normal(0, 4, 1), normal(1, 4)), ShapeError, r"log_likelihood of shape \(4, 1\); expected \(4,\)"),
        ((normal(0, 4), normal(1, 4).astype("float32")), DTypeError, "kl of dtype float32"),
        ((normal(0, 4), FAKE_CUPY.upload(normal(1, 4))), DeviceError, "kl, which is a scratchvae.backend.fake"),
    ):
        with pytest.raises(error, match=message):
            objective.forward(*inputs)


@pytest.mark.parametrize("settings", [{"beta": -1.0}, {"beta": np.inf}, {"beta": "1"}, {"free_bits": -0.1}])
def test_invalid_settings_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        ELBO(**settings)


def test_a_device_gives_the_same_results():
    host, device = bound_elbo(2.0, 4), ELBO(2.0)
    device.bind(BatchBuffers(FAKE_CUPY, "float64", 4), ())
    reconstruction, kl = normal(0, 4), normal(1, 4)
    terms = host.forward(reconstruction, kl, 0.5)
    device_terms = device.forward(FAKE_CUPY.upload(reconstruction), FAKE_CUPY.upload(kl), 0.5)
    sums, device_sums = host.zeros(4), device.zeros(4)
    host.accumulate(terms, sums)
    device.accumulate(device_terms, device_sums)
    pairs = [*zip(terms, device_terms, strict=True), *zip(host.backward(), device.backward(), strict=True)]
    pairs += [*zip(sums, device_sums, strict=True), (host.loss(terms), device.loss(device_terms))]
    for on_host, on_device in pairs:
        np.testing.assert_allclose(to_numpy(on_device), on_host, rtol=1e-14)
