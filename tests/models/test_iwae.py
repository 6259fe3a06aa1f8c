"""IWAE: its bound compared with the ELBO and with a known likelihood."""

import numpy as np
import pytest
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.probability import ImportanceBound


def test_bug17_with_one_draw_the_bound_is_the_elbo_with_the_kl_of_the_draw():
    vae, iwae = sv.VAE(6, 2, (5,), dtype="float64"), sv.IWAE(6, 2, (5,), dtype="float64", importance_samples=1)
    iwae.theta[...] = vae.theta
    x, eps = uniform(0, 4, 6), normal(1, 4, 2)
    elbo, bound = vae.elbo(x, eps), iwae.elbo(x, eps)
    mu, logvar = vae.encode(x)
    z = mu + np.exp(logvar / 2) * eps
    np.testing.assert_allclose(bound.reconstruction, elbo.reconstruction, rtol=1e-13)
    np.testing.assert_allclose(bound.kl, ((z**2 - eps**2 - logvar) / 2).sum(axis=1), rtol=1e-10)


# For x = z W + b + σ ε and q(z | x) other than the posterior, bounds rise with K towards log N(x; b, W Wᵀ + σ² I).
def test_bug16_bounds_rise_towards_the_likelihood_of_a_linear_gaussian_model():
    x, W, sigma = normal(0, 3, 4), normal(1, 2, 4), 0.8
    C = W.T @ W + sigma**2 * np.eye(4)
    exact = -0.5 * ((x @ np.linalg.inv(C) * x).sum(axis=1) + np.linalg.slogdet(C)[1] + 4 * np.log(2 * np.pi))
    bounds = []
    for K in (1, 10, 1000):
        iwae = sv.IWAE(4, 2, (), likelihood="gaussian", sigma=sigma, dtype="float64", importance_samples=K)
        iwae.theta[...] = 0
        iwae.params["decoder.0.W"][...] = W
        rows = np.repeat(x, 20_000 // K, axis=0)
        bounds.append(iwae.elbo(rows).value.reshape(3, -1).mean(axis=1))
    assert (bounds[0] < bounds[1]).all() and (bounds[1] < bounds[2]).all() and (bounds[2] < exact + 0.02).all()
    np.testing.assert_allclose(bounds[2], exact, atol=0.05)


def test_extreme_log_weights_neither_overflow_nor_vanish():
    for dtype in ("float32", "float64"):
        log_w = np.array([[-1e4, -1e4], [1e4, 0.0], [-3e4, -2e4]], dtype)
        bound = ImportanceBound()
        np.testing.assert_allclose(bound.forward(log_w), [-1e4, 1e4 - np.log(2), -2e4 - np.log(2)], rtol=1e-6)
        np.testing.assert_array_equal(bound.backward(np.ones(3, dtype)), [[0.5, 0.5], [1, 0], [0, 1]])


def test_many_rows_are_computed_in_chunks():
    iwae = sv.IWAE(6, 2, (5,), dtype="float64", importance_samples=100)
    assert iwae.chunk_rows == 5 and iwae.noise_dim == 200
    x, eps = uniform(0, 12, 6), normal(1, 12, 200)
    alone = [iwae.elbo(x[k : k + 1], eps[k : k + 1]).value[0] for k in range(12)]
    np.testing.assert_allclose(iwae.elbo(x, eps).value, alone, rtol=1e-12)


def test_the_kl_weight_scales_the_log_ratio_and_history_has_the_kl_per_dimension():
    iwae = sv.IWAE(6, 2, (5,), dtype="float64", importance_samples=4)
    x, eps = uniform(0, 4, 6), normal(1, 4, 8)
    value = iwae.forward(x, eps, kl_weight=0.0).value.copy()
    mu, logvar = iwae.encode(x)
    z = (mu[:, None] + np.exp(logvar / 2)[:, None] * eps.reshape(4, 4, 2)).reshape(16, 2)
    logits = np.log(1 / (1 / iwae.decode(z) - 1))
    log_p = (np.repeat(x, 4, axis=0) * logits - np.logaddexp(0, logits)).sum(axis=1).reshape(4, 4)
    np.testing.assert_allclose(value, np.log(np.exp(log_p).mean(axis=1)), rtol=1e-12)
    history = sv.Trainer(iwae, kl_weight=sv.training.KLWarmUp(5)).fit(x, 2)
    assert len(history.kl_per_dimension[0]) == 2 and min(history.kl_per_dimension[0]) >= 0


@pytest.mark.parametrize("settings", [{"beta": 2.0}, {"free_bits": 0.1}, {"importance_samples": 0}])
def test_settings_without_effect_on_the_bound_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        sv.IWAE(6, 2, **settings)
