"""Tests of the Gaussian likelihoods with one σ, fixed or learned."""

from re import escape

import numpy as np
import pytest
from hypothesis import given
from scipy import integrate, stats
from strategies import batches, normal, seeds, widths

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.probability import Gaussian, GaussianLearned

BOTH_KINDS = pytest.mark.parametrize("kind", [Gaussian, GaussianLearned])


@BOTH_KINDS
@given(seed=seeds, rows=batches, width=widths)
def test_the_log_likelihood_equals_that_of_independent_normals(kind, seed, rows, width):
    mu, x = 3 * normal(seed, 2, rows, width)
    exact = stats.norm(mu, 0.3).logpdf(x).sum(axis=1)
    np.testing.assert_allclose(kind(0.3).forward(mu, x), exact, rtol=1e-12)


@BOTH_KINDS
@pytest.mark.parametrize("sigma", [0.05, 1.0, 7.0])
def test_the_density_integrates_to_one_and_its_mean_is_mu(kind, sigma):
    likelihood, mu = kind(sigma), np.array([[0.4]])

    def density(x):
        return float(np.exp(likelihood.forward(mu, np.array([[x]])))[0])

    ends = 0.4 - 10 * sigma, 0.4 + 10 * sigma
    assert integrate.quad(density, *ends)[0] == pytest.approx(1.0, abs=1e-9)
    mean = integrate.quad(lambda x: x * density(x), *ends)[0]
    assert likelihood.mean(mu, np.empty_like(mu))[0, 0] == pytest.approx(mean, abs=1e-9) == 0.4


@BOTH_KINDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_errors_do_not_overflow_and_the_gradient_is_exact(kind, dtype):
    mu, x = np.array([[1000.0], [-1e6], [0.0]], dtype), np.array([[-1000.0], [1e6], [0.0]], dtype)
    likelihood, error = kind(0.5), (x.astype("float64") - mu)[:, 0]
    eps = np.finfo(dtype).eps
    exact = -2 * error**2 + np.log(2) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(likelihood.forward(mu, x), exact, rtol=8 * eps)
    np.testing.assert_allclose(likelihood.backward(np.ones(3, dtype))[:, 0], 4 * error, rtol=8 * eps)
    np.testing.assert_allclose(likelihood.backward_data(np.ones(3, dtype))[:, 0], -4 * error, rtol=8 * eps)


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf, 1e-16, 1e16, True, "1", None])
@BOTH_KINDS
def test_an_invalid_sigma_is_refused(kind, sigma):
    with pytest.raises(ConfigError, match=escape(f"sigma={sigma!r}")):
        kind(sigma)


def test_the_learned_log_variance_is_a_parameter_that_is_saved_and_loaded(tmp_path):
    vae = sv.VAE(6, 2, (4,), likelihood="gaussian_learned", sigma=0.5, dtype="float64")
    assert vae.params["likelihood.logvar"].shape == (1,)
    np.testing.assert_allclose(vae.params["likelihood.logvar"], 2 * np.log(0.5))
    assert np.shares_memory(vae.params["likelihood.logvar"], vae.theta)
    x = 5 * normal(0, 40, 6)
    sv.Trainer(vae, lr=0.1).fit(x, 3)
    sv.save(vae, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz")
    assert loaded.config["sigma"] == 0.5 and loaded.params["likelihood.logvar"] != 2 * np.log(0.5)
    assert np.array_equal(loaded.theta, vae.theta) and np.array_equal(loaded.elbo(x).value, vae.elbo(x).value)


def test_the_learned_variance_equals_the_mean_squared_error():
    vae = sv.VAE(4, 1, (), likelihood="gaussian_learned", dtype="float64")
    for name in ("encoder.0.W", "encoder.0.b", "decoder.0.W"):
        vae.params[name][...] = 0.0
    x = 3 + 0.2 * normal(0, 50, 4)
    vae.params["decoder.0.b"][...] = x.mean(axis=0)
    for _ in range(100):
        vae.params["likelihood.logvar"][...] -= 0.3 * vae.loss_and_grads(x)[1]["likelihood.logvar"]
    np.testing.assert_allclose(np.exp(vae.params["likelihood.logvar"]), x.var(axis=0).mean(), rtol=1e-9)


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_learned"])
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
def test_a_model_reconstructs_values_outside_0_to_1(kind, likelihood):
    model = kind(5, 2, (8,), likelihood=likelihood, scale="none")
    x = normal(0, 64, 5) + np.array([0.0, 3.0, -3.0, 0.0, 0.0])
    sv.Trainer(model).fit(x, 20)
    means = model.reconstruct(x)
    assert means[:, 1].min() > 1 and means[:, 2].max() < 0
    assert np.array_equal(means, model.decoder.forward(model.embed(x)))
    converted = model.astype("float64")
    assert np.array_equal(converted.theta, model.theta.astype("float64"))


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_learned"])
def test_an_untrained_decoder_outputs_the_mean_of_the_data(likelihood):
    vae, mean = sv.VAE(5, 2, (8,), likelihood=likelihood, dtype="float64"), 100 * normal(0, 5)
    vae.initialize_output_bias(mean)
    assert np.array_equal(vae.decode(np.zeros((1, 2)))[0], mean)


def test_the_gaussian_autoencoder_loss_is_half_the_squared_error_plus_a_constant():
    model, x = sv.Autoencoder(5, 2, (8,), likelihood="gaussian", dtype="float64"), normal(0, 7, 5)
    squared_error = ((model.reconstruct(x) - x) ** 2).sum(axis=1)
    np.testing.assert_allclose(model.terms(x).value, -squared_error / 2 - 5 * np.log(2 * np.pi) / 2)
