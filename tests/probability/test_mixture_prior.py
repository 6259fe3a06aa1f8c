"""Tests of the mixture of Gaussians as a density and as a learned prior."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from strategies import batches, normal, seeds, widths

import scratchvae as sv
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.probability import GaussianMixture, MixturePrior

components = st.integers(1, 6)


def log_density(z, log_w, mu, logvar):
    of_each = [
        log_w_k + stats.norm(mu_k, np.exp(logvar_k / 2)).logpdf(z).sum(axis=1)
        for log_w_k, mu_k, logvar_k in zip(log_w, mu, logvar, strict=True)
    ]
    return special.logsumexp(of_each, axis=0)


@given(seeds, batches, widths, components)
def test_the_density_of_a_mixture_is_that_of_scipy(seed, rows, width, count):
    z, mu, logvar = 3 * normal(seed, rows, width), normal(seed + 1, count, width), normal(seed + 2, count, width)
    log_w = normal(seed + 3, count)
    np.testing.assert_allclose(
        GaussianMixture(count).forward(z, log_w, mu, logvar), log_density(z, log_w, mu, logvar), rtol=1e-11, atol=1e-11
    )


def test_a_row_far_from_every_component_has_a_finite_density_and_gradient():
    z, mu = np.full((1, 3), 1e3), np.array([[0.0] * 3, [1.0] * 3])
    mixture, log_w, logvar = GaussianMixture(2), np.log([0.3, 0.7]), np.zeros((2, 3))
    np.testing.assert_allclose(mixture.forward(z, log_w, mu, logvar), log_density(z, log_w, mu, logvar), rtol=1e-12)
    dz, dlog_w, *_ = mixture.backward(np.ones(1))
    np.testing.assert_allclose(dz, 1.0 - z, rtol=1e-9)  # the nearer component takes it all
    np.testing.assert_allclose(dlog_w, [0.0, 1.0], atol=1e-300)


# The docstring states the rounding error of multiplying the square out; a narrow component away from 0 shows it.
@given(seeds)
def test_the_rounding_error_in_float32_is_within_what_is_stated(seed):
    width, logvar = 8, np.full((4, 8), -5.0)
    z, mu = normal(seed, 5, width), normal(seed + 1, 4, width)
    z[0] = mu[0]
    exact = log_density(z.astype(np.float32), np.zeros(4), mu.astype(np.float32), logvar)
    found = GaussianMixture(4).forward(*(a.astype(np.float32) for a in (z, np.zeros(4), mu, logvar)))
    scale = ((z[:, None] ** 2 + mu**2) * np.exp(-logvar)).sum(axis=2).max(axis=1)
    assert np.all(np.abs(found - exact) <= 4 * np.finfo(np.float32).eps * (scale + np.abs(exact)))


# The share of components and the moments of 20,000 draws; each of 12 checks is wrong by chance once in 2·10⁸ (6 σ).
def test_draws_have_the_weights_and_the_moments_of_the_components():
    prior, rows = MixturePrior(3, 2, seed=0), 20_000
    prior.forward(np.zeros((1, 2)))
    prior.logits[...] = np.log([0.2, 0.5, 0.3])
    prior.mu[...] = [[-20.0, 0.0], [0.0, 10.0], [20.0, 5.0]]
    prior.logvar[...] = np.log([[0.25, 1.0], [1.0, 4.0], [0.01, 1.0]])
    z = prior.draw(normal(7, rows, prior.noise(2)))
    component = np.searchsorted([-10.0, 10.0], z[:, 0])
    for k, weight in enumerate([0.2, 0.5, 0.3]):
        of_k, sigma = z[component == k], np.exp(prior.logvar[k] / 2)
        assert abs(len(of_k) - weight * rows) < 6 * np.sqrt(rows * weight * (1 - weight))
        assert np.all(np.abs(of_k.mean(axis=0) - prior.mu[k]) < 6 * sigma / np.sqrt(len(of_k)))
        assert np.all(np.abs(of_k.std(axis=0) / sigma - 1) < 6 / np.sqrt(2 * len(of_k)))


def test_the_extremes_of_the_noise_choose_the_first_and_the_last_component():
    prior = MixturePrior(4, 1, seed=0)
    prior.forward(np.zeros((1, 1), np.float32))
    prior.mu[:, 0] = [0, 100, 200, 300]
    z = prior.draw(np.array([[0.0, -40.0], [0.0, 40.0]], np.float32))
    assert z[:, 0].tolist() == [0.0, 300.0]


def test_at_first_the_mixture_has_about_the_moments_of_the_standard_normal():
    prior = MixturePrior(2000, 3, seed=0)
    z = prior.draw(normal(0, 1, 4)) if prior.forward(np.zeros((1, 3))).size else None
    assert z.shape == (1, 3)
    variance = prior.mu.var(axis=0) + np.exp(prior.logvar).mean(axis=0)
    np.testing.assert_allclose(variance, 1.0, atol=0.1)


# Two separate clusters: the aggregate posterior is no Gaussian, and the bound with a mixture is higher.
def test_a_vae_learns_the_mixture_and_a_higher_bound_than_with_a_standard_normal():
    rng = np.random.default_rng(0)
    means = np.array([[-2.0, 2.0, -2.0, 2.0], [2.0, 2.0, -2.0, -2.0], [0.0, -2.0, 2.0, 0.0]])
    x = means[rng.integers(3, size=1500)] + 0.1 * rng.standard_normal((1500, 4))
    bounds = {}
    for prior in (None, MixturePrior(3, 2)):
        vae = sv.VAE(4, 2, (32,), activation="tanh", likelihood="gaussian_learned", scale="none", prior=prior)
        sv.Trainer(vae, lr=5e-3, batch_size=100).fit(x[:1000], epochs=60)
        bounds[prior is not None] = sv.evaluation.log_likelihood(vae, x[1000:], samples=200).value
    assert bounds[True] > bounds[False] + 0.1
    assert sv.VAE(4, 2, prior=MixturePrior(3, 2)).sample(5).shape == (5, 4)


def test_a_saved_model_has_its_mixture(tmp_path):
    vae = sv.VAE(9, 2, (5,), prior=MixturePrior(3, 2))
    sv.save(vae, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz")
    assert repr(loaded.prior) == repr(vae.prior)
    assert np.array_equal(loaded.sample(4, seed=1), vae.sample(4, seed=1))


def test_bad_arguments_are_refused_with_what_to_do():
    for count in (0, -1, 2.5):
        with pytest.raises(ConfigError, match=r"components=.*expected a whole number of at least 1"):
            MixturePrior(count, 2)
    with pytest.raises(ConfigError, match="latent_dim=0"):
        MixturePrior(2, 0)
    with pytest.raises(ShapeError, match=r"codes of shape \(3,\); expected \(2,\): make its latent_dim that of"):
        sv.VAE(9, 3, prior=MixturePrior(5, 2))
    with pytest.raises(ConfigError, match="free_bits need the KL of each latent dimension"):
        sv.VAE(9, 2, prior=MixturePrior(5, 2), free_bits=0.1)
