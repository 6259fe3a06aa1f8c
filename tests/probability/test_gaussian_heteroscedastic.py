"""Tests of the Gaussian with predicted σ: its density and the lower bound of its log-variance."""

import numpy as np
import pytest
from hypothesis import given
from scipy import integrate, stats
from strategies import batches, normal, seeds, widths

import scratchvae as sv
from scratchvae.probability import GaussianHeteroscedastic
from scratchvae.probability.gaussian_heteroscedastic import MIN_LOGVAR


def bounded_logvar(r):
    return MIN_LOGVAR + np.logaddexp(0, r - MIN_LOGVAR)


@given(seed=seeds, rows=batches, width=widths)
def test_the_log_likelihood_equals_that_of_independent_normals(seed, rows, width):
    mu, r, x = 3 * normal(seed, 3, rows, width)
    exact = stats.norm(mu, np.exp(bounded_logvar(r) / 2)).logpdf(x).sum(axis=1)
    np.testing.assert_allclose(GaussianHeteroscedastic().forward(np.hstack([mu, r]), x), exact, rtol=1e-10)


@pytest.mark.parametrize("r", [-100.0, MIN_LOGVAR - 3, MIN_LOGVAR, MIN_LOGVAR + 1, 0.0, 3.0])
def test_the_density_integrates_to_one_at_any_log_variance(r):
    likelihood, outputs = GaussianHeteroscedastic(), np.array([[0.4, r]])
    ends = 0.4 + 12 * np.exp(bounded_logvar(r) / 2) * np.array([-1, 1])
    mass, _ = integrate.quad(lambda x: np.exp(likelihood.forward(outputs, np.array([[x]])))[0], *ends)
    assert mass == pytest.approx(1.0, abs=1e-9)
    assert likelihood.mean(outputs, np.empty((1, 1)))[0, 0] == 0.4


# at the bound and on either side of it
@pytest.mark.parametrize("r", [MIN_LOGVAR - 20, MIN_LOGVAR - 2, MIN_LOGVAR, MIN_LOGVAR + 2, 0.0])
def test_bug08_the_gradient_equals_that_of_the_bounded_log_variance(r):
    likelihood, x = GaussianHeteroscedastic(), np.array([[0.4 + np.exp(bounded_logvar(r) / 2) * 1.5]])
    step = 1e-4

    def log_density(r):
        return likelihood.forward(np.array([[0.4, r]]), x)[0]

    slope = (
        log_density(r - 2 * step) - 8 * log_density(r - step) + 8 * log_density(r + step) - log_density(r + 2 * step)
    ) / (12 * step)
    log_density(r)
    assert likelihood.backward(np.ones(1))[0, 1] == pytest.approx(slope, rel=1e-6, abs=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_overflows_at_extreme_decoder_outputs(dtype):
    r = np.array([[-1e6], [-1000.0], [1000.0], [1e6]], dtype)
    outputs = np.hstack([np.zeros_like(r), r])
    likelihood, x = GaussianHeteroscedastic(), np.ones_like(r)
    logvar = np.array([MIN_LOGVAR, MIN_LOGVAR, 1000.0, 1e6])
    exact = -0.5 * (np.exp(-logvar) + logvar + np.log(2 * np.pi))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(likelihood.forward(outputs, x), exact, rtol=8 * eps)
    dmu, dr = likelihood.backward(np.ones(4, dtype)).T
    np.testing.assert_allclose(dmu, np.exp(-logvar), rtol=8 * eps)
    np.testing.assert_allclose(dr, [0, 0, -0.5, -0.5], rtol=8 * eps, atol=eps)


def test_the_gradient_below_the_bound_is_not_zero():
    likelihood = GaussianHeteroscedastic()
    likelihood.forward(np.array([[0.0, MIN_LOGVAR - 5]]), np.ones((1, 1)))
    assert likelihood.backward(np.ones(1))[0, 1] > 100


def test_the_decoder_has_two_outputs_per_dimension_and_the_model_returns_the_means():
    vae = sv.VAE(5, 2, (8,), likelihood="gaussian_heteroscedastic", dtype="float64")
    assert vae.params["decoder.2.W"].shape == (8, 10)
    mean, z = 100 * normal(0, 5), normal(1, 7, 2)
    vae.initialize_output_bias(mean)
    assert np.array_equal(vae.decode(np.zeros((1, 2)))[0], mean)
    assert np.array_equal(vae.decode(z), vae.decoder.forward(z)[:, :5])
    assert vae.sample(3).shape == vae.reconstruct(np.ones((3, 5))).shape == (3, 5)


def test_training_recovers_the_noise_of_each_dimension():
    sigma = np.array([0.05, 0.2, 1.0, 3.0])
    x = 2 + sigma * normal(0, 50, 4)
    vae = sv.VAE(4, 1, (), likelihood="gaussian_heteroscedastic", dtype="float64")
    vae.theta[...] = 0.0
    bias = vae.params["decoder.0.b"]
    vae.initialize_output_bias(x.mean(axis=0))
    for _ in range(100):
        bias[4:] -= 0.5 * vae.loss_and_grads(x)[1]["decoder.0.b"][4:]
    np.testing.assert_allclose(np.exp(bounded_logvar(bias[4:]) / 2), x.std(axis=0), rtol=1e-6)
