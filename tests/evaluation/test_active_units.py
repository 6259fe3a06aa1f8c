"""Tests of the active units of the latent space."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchvae import VAE, ConditionalVAE
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.evaluation import active_units
from scratchvae.probability import Prior

numbers = st.floats(-3.0, 3.0)


def linear_vae(slopes, means, logvars, dtype="float64"):
    """Return a VAE with as many pixels as dimensions, μ_k = slope_k x_k + mean_k and log σ²_k = logvar_k."""
    size = len(slopes)
    vae = VAE(size, size, hidden=(), dtype=dtype)
    vae.params["encoder.0.W"][...] = np.hstack([np.diag(slopes), np.zeros((size, size))])
    vae.params["encoder.0.b"][...] = np.concatenate([means, logvars])
    return vae


def zeros_and_ones(rows, width):
    """Return rows of zeros alternating with rows of ones."""
    return np.repeat(np.arange(rows) % 2, width).reshape(rows, width).astype(np.float32)


def test_a_posterior_equal_to_the_prior_has_no_kl_and_no_active_units():
    units = active_units(linear_vae([0.0] * 3, [0.0] * 3, [0.0] * 3), zeros_and_ones(20, 3))
    assert units.kl.tolist() == units.variance.tolist() == [0.0] * 3
    assert units.active == 0


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=5))
def test_kl_and_variance_of_each_dimension_equal_the_formula(dimensions):
    slope, mean, logvar = np.array(dimensions).T
    units = active_units(linear_vae(slope, mean, logvar), zeros_and_ones(10, len(slope)))
    mean_square = (mean**2 + (mean + slope) ** 2) / 2
    np.testing.assert_allclose(units.kl, 0.5 * (mean_square + np.exp(logvar) - 1.0 - logvar), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(units.variance, slope**2 / 4, rtol=1e-12, atol=1e-12)


def test_a_dimension_is_active_if_the_variance_of_its_mean_exceeds_0_01():
    units = active_units(
        linear_vae([0.19, 0.21, -0.21, 0.0], [0.0, 0.0, 5.0, 5.0], [0.0, 4.0, 0.0, 4.0]), zeros_and_ones(40, 4)
    )
    assert (units.variance > 0.01).tolist() == [False, True, True, False]
    assert units.active == 2


def test_a_dimension_that_does_not_depend_on_the_image_is_inactive_at_any_kl():
    units = active_units(linear_vae([0.0], [10.0], [0.0]), zeros_and_ones(10, 1))
    assert units.active == 0
    np.testing.assert_allclose(units.kl, [50.0])


def test_the_kl_of_all_dimensions_sums_to_that_of_the_objective():
    vae = VAE(6, 3, hidden=(5,), dtype="float64")
    x = np.random.default_rng(0).random((30, 6))
    np.testing.assert_allclose(active_units(vae, x).kl.sum(), vae.elbo(x).kl.mean())


@pytest.mark.parametrize("rows", [1, 511, 512, 513, 1500])
def test_any_number_of_rows_is_averaged(rows):
    x = np.random.default_rng(rows).random((rows, 2))
    units = active_units(linear_vae([2.0, -1.0], [0.5, 0.0], [0.0, 0.0]), x)
    mu = x * [2.0, -1.0] + [0.5, 0.0]
    np.testing.assert_allclose(units.kl, 0.5 * (mu**2).mean(axis=0))
    np.testing.assert_allclose(units.variance, mu.var(axis=0), atol=1e-15)


def test_float32_models_are_averaged_in_float64():
    units = active_units(linear_vae([1.0, 0.5], [300.0, 0.0], [-1.0, 1.0], dtype="float32"), zeros_and_ones(1000, 2))
    assert units.kl.dtype == units.variance.dtype == np.float64
    np.testing.assert_allclose(units.variance, [0.25, 0.0625], rtol=1e-12)


def test_a_conditional_model_needs_the_class_of_each_row():
    model, x, y = ConditionalVAE(6, 3, (5,), classes=2), np.random.default_rng(0).random((30, 6)), np.arange(30) % 2
    mu, logvar = (np.float64(array) for array in model.encode(x, y))
    units = active_units(model, x, y)
    np.testing.assert_allclose(units.variance, mu.var(axis=0))
    np.testing.assert_allclose(units.kl, 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).mean(axis=0), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(active_units(model, x, 1).kl, active_units(model, x, np.ones(30, int)).kl)
    with pytest.raises(ConfigError, match="needs the class of each row"):
        active_units(model, x)


def test_a_custom_prior_is_refused():
    class Laplace(Prior):
        def forward(self, z):
            self.z = z
            return -abs(z).sum(axis=1)

        def backward(self, dlog_p):
            return -np.sign(self.z) * dlog_p[:, None]

        def draw(self, noise):
            return noise

    with pytest.raises(ConfigError, match="this model has DiagonalGaussian and Laplace"):
        active_units(VAE(4, 2, (), prior=Laplace()), zeros_and_ones(10, 4))


def test_rows_that_the_model_cannot_encode_are_refused():
    vae = linear_vae([1.0, 1.0], [0.0, 0.0], [0.0, 0.0])
    with pytest.raises(ShapeError):
        active_units(vae, np.zeros((3, 5)))
    with pytest.raises(RangeError):
        active_units(vae, np.full((3, 2), np.nan))
