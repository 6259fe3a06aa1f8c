"""Scores of single rows: log p(x), anomaly scores, and draws given a row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, RangeError
from scratchvae.models.scores import log_mean_exp
from scratchvae.rng import row_generator

SIGMA = 0.5


def linear_vae(seed=0, **settings):
    """A VAE whose posterior is exact: x = W z + b + σ ε, W (6, 2) with orthogonal columns, and its log p(x)."""
    settings = {"dtype": "float64", "likelihood": "gaussian", "sigma": SIGMA, **settings}
    vae = sv.VAE(6, 2, hidden=(), **settings)
    W = np.linalg.qr(normal(seed, 6, 2))[0] * [2.0, 0.7]
    b = normal(seed + 1, 6)
    variance = 1.0 / (1.0 + (W * W).sum(axis=0) / SIGMA**2)  # of z given x
    vae.params["decoder.0.W"][...] = W.T
    vae.params["decoder.0.b"][...] = b
    to_mu = W * variance / SIGMA**2
    vae.params["encoder.0.W"][...] = np.hstack([to_mu, np.zeros((6, 2))])
    vae.params["encoder.0.b"][...] = np.concatenate([-b @ to_mu, np.log(variance)])
    return vae, W, b


def log_normal(x, mean, covariance):
    deviations = x - mean
    solved = np.linalg.solve(covariance, deviations.T).T
    return -0.5 * ((deviations * solved).sum(axis=1) + np.linalg.slogdet(2 * np.pi * covariance)[1])


@given(seeds, st.integers(1, 7), st.integers(1, 5))
def test_with_the_exact_posterior_any_draw_gives_log_p(seed, rows, samples):
    vae, W, b = linear_vae(seed % 1000)
    x = 2 * normal(seed, rows, 6)
    expected = log_normal(x, b, W @ W.T + SIGMA**2 * np.eye(6))
    np.testing.assert_allclose(vae.score_samples(x, samples=samples), expected, rtol=1e-10)
    np.testing.assert_allclose(vae.anomaly_score(x, samples=samples), -expected, rtol=1e-10)
    np.testing.assert_allclose(vae.anomaly_score(x, "elbo", samples=samples), -expected, rtol=1e-10)


def test_a_wrong_posterior_is_corrected_by_many_draws_and_the_elbo_is_below():
    vae, W, b = linear_vae()
    vae.params["encoder.0.b"][2:] += 0.5  # log σ² too large
    x = W @ normal(2, 2) + b + SIGMA * normal(3, 40, 6)
    expected = log_normal(x, b, W @ W.T + SIGMA**2 * np.eye(6))
    np.testing.assert_allclose(vae.score_samples(x, samples=20_000), expected, atol=0.03)
    elbo = -vae.anomaly_score(x, "elbo", samples=20_000)
    variance = np.exp(vae.encode(x)[1])
    gap = 0.5 * (variance / (variance / np.exp(0.5)) - 1.0 - 0.5).sum(axis=1)  # KL of two Gaussians with one mean
    np.testing.assert_allclose(expected - elbo, gap, atol=0.03)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("settings", [{}, {"architecture": "conv", "image_shape": (4, 5)}, {"missing": True}], ids=str)
def test_a_row_has_the_same_score_wherever_it_stands(backend, settings):
    vae, x = sv.VAE(20, 3, hidden=(8,), backend=backend, **settings), uniform(0, 700, 20).astype("float32")
    order = np.random.default_rng(0).permutation(700)
    scores = vae.score_samples(x, samples=8)
    for method in ("log_likelihood", "elbo", "reconstruction"):
        scores = vae.anomaly_score(x, method, samples=8)
        for rows in (order, order[:1], order[:130], order[-513:]):
            assert np.array_equal(vae.anomaly_score(x[rows], method, samples=8), scores[rows])
    assert len(np.unique(scores)) > 690


def test_noise_is_of_the_contents_and_of_the_seed():
    first = row_generator(0, np.array([[0.0, np.nan, 2.0]])).standard_normal(4)
    negative_nan = -np.array([np.nan])
    same = row_generator(0, np.array([[-0.0, negative_nan[0], 2.0]])).standard_normal(4)
    assert np.array_equal(first, same)
    for seed, row in ((1, [[0.0, np.nan, 2.0]]), (0, [[0.0, np.nan, 2.5]]), (0, [[np.nan, 0.0, 2.0]])):
        assert not np.isclose(row_generator(seed, np.array(row)).standard_normal(4), first).any()
    vae = sv.VAE(4, 2, hidden=(3,))
    x = uniform(0, 3, 4)
    assert not np.isclose(vae.score_samples(x, samples=4), vae.score_samples(x, samples=4, seed=1)).any()


def test_scores_are_densities_in_the_units_of_the_data():
    x = normal(0, 60, 3) * [1.0, 10.0, 1000.0]
    vae = sv.VAE(3, 2, hidden=(5,), likelihood="gaussian_learned", dtype="float64")
    sv.Trainer(vae).fit(x, 2)
    scaled = sv.VAE(3, 2, hidden=(5,), likelihood="gaussian_learned", dtype="float64", scale="none")
    scaled.theta[...] = vae.theta
    expected = scaled.score_samples(vae.scale.to_networks(x)) - np.log(x.std(axis=0)).sum()
    np.testing.assert_allclose(vae.score_samples(x), expected, rtol=1e-10)


def test_missing_values_are_integrated_out():
    vae, W, b = linear_vae(missing=True)
    vae.params["encoder.0.b"][2:] = 0.0  # as wide as the prior: with less observed, the posterior is wider
    x = np.array([[1.0, np.nan, 0.5, np.nan, np.nan, -1.0]])
    seen = ~np.isnan(x[0])
    covariance = (W @ W.T + SIGMA**2 * np.eye(6))[np.ix_(seen, seen)]
    expected = log_normal(x[:, seen], b[seen], covariance)
    np.testing.assert_allclose(vae.score_samples(x, samples=200_000), expected, atol=0.03)


def test_an_iwae_is_scored_by_the_draws_that_are_asked_for():
    vae, _, _ = linear_vae()
    iwae = sv.IWAE(6, 2, hidden=(), dtype="float64", likelihood="gaussian", sigma=SIGMA, importance_samples=7)
    iwae.theta[...] = vae.theta
    x = normal(5, 9, 6)
    np.testing.assert_allclose(iwae.score_samples(x, samples=3), vae.score_samples(x, samples=3), rtol=1e-12)


def test_classes_are_given_or_summed_out():
    x, labels = uniform(0, 30, 5), np.arange(30) % 3
    vae = sv.SemiSupervisedVAE(5, 2, hidden=(4,), classes=3, dtype="float64")
    sv.Trainer(vae).fit(x, 1, labels=labels)
    of_class = np.stack([vae.score_samples(x, labels=k) for k in range(3)])
    np.testing.assert_allclose(vae.score_samples(x), np.log(np.exp(of_class).mean(axis=0)), rtol=1e-12)
    assert np.array_equal(vae.score_samples(x, labels=labels), of_class[labels, np.arange(30)])
    with pytest.raises(RangeError, match="labels"):
        vae.score_samples(x, labels=np.full(30, -1))
    conditional = sv.ConditionalVAE(5, 2, hidden=(4,), classes=3)
    with pytest.raises(ConfigError, match="needs the class of each row"):
        conditional.score_samples(x)
    assert conditional.anomaly_score(x, "reconstruction", labels=1).shape == (30,)


def test_reconstruction_is_scored_at_the_code():
    vae, x = sv.VAE(20, 3, hidden=(8,), dtype="float64"), uniform(0, 9, 20)
    p = vae.reconstruct(x)
    expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(vae.anomaly_score(x, "reconstruction"), expected, rtol=1e-12)
    plain = sv.Autoencoder(20, 3, hidden=(8,), dtype="float64")
    p = plain.reconstruct(x)
    expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(plain.anomaly_score(x), expected, rtol=1e-12)


def test_a_row_whose_numbers_overflow_is_infinitely_unlikely_without_a_warning():
    vae = sv.VAE(3, 2, hidden=(4,), likelihood="gaussian", image_shape=(1, 3))
    x = np.array([[0.1, 0.2, 0.3], [1e30, -1e30, 1e30]])
    scores = vae.score_samples(x)
    assert np.isfinite(scores[0]) and scores[1] == -np.inf
    for method in ("log_likelihood", "elbo", "reconstruction"):
        assert vae.anomaly_score(x, method)[1] == np.inf
    assert log_mean_exp(np.full(3, -np.inf)) == -np.inf and log_mean_exp(np.array([-np.inf, 0.0])) == -np.log(2)


def test_draws_of_codes_have_the_moments_of_the_posterior():
    vae, _, _ = linear_vae()
    x = normal(0, 3, 6)
    mu, logvar = vae.encode(x)
    z = vae.posterior_sample(x, draws=20_000)
    assert z.shape == (20_000, 3, 2)
    np.testing.assert_allclose(z.mean(axis=0), mu, atol=0.03)
    np.testing.assert_allclose(z.std(axis=0), np.exp(0.5 * logvar), atol=0.03)
    assert np.array_equal(vae.posterior_sample(x, seed=3), vae.posterior_sample(x, draws=2, seed=3)[:1])


def test_predicted_rows_have_the_noise_of_the_likelihood_or_not():
    vae, W, b = linear_vae()
    x = normal(0, 2, 6)
    mu, logvar = vae.encode(x)
    drawn = vae.posterior_predictive(x, draws=20_000)
    assert drawn.shape == (20_000, 2, 6)
    of_codes = (W * np.exp(logvar[0])) @ W.T
    np.testing.assert_allclose(np.cov(drawn[:, 0].T), of_codes + SIGMA**2 * np.eye(6), atol=0.03)
    np.testing.assert_allclose(drawn.mean(axis=0), mu @ W.T + b, atol=0.03)
    means = vae.posterior_predictive(x, draws=20_000, values="mean")
    np.testing.assert_allclose(np.cov(means[:, 0].T), of_codes, atol=0.03)


def test_predicted_rows_are_in_the_units_of_the_data():
    x = normal(0, 60, 3) * [1.0, 10.0, 1000.0] + 5000.0
    vae = sv.VAE(3, 2, hidden=(5,), likelihood="gaussian")
    sv.Trainer(vae, lr=1e-2).fit(x, 60)
    assert abs(vae.posterior_predictive(x, draws=3).mean(axis=(0, 1)) - 5000.0)[:2].max() < 10


def test_scores_agree_on_a_device():
    x = uniform(0, 6, 8)
    host, device = (sv.VAE(8, 2, hidden=(5,), dtype="float64", backend=name) for name in ("numpy", FAKE_CUPY))
    for call in (
        lambda vae: vae.score_samples(x, samples=5),
        lambda vae: vae.anomaly_score(x, "reconstruction"),
        lambda vae: vae.posterior_sample(x, draws=3),
        lambda vae: vae.posterior_predictive(x, draws=3),
    ):
        np.testing.assert_allclose(to_numpy(call(device)), call(host), rtol=1e-12)


def test_samples_may_be_drawn_from_the_likelihood():
    counts = np.random.default_rng(0).poisson(3.0, (60, 4)).astype(np.float32)
    vae = sv.VAE(4, 2, (8,), likelihood="poisson", seed=1)
    sv.Trainer(vae, seed=0).fit(counts, 3)
    means, drawn = vae.sample(2000, seed=3), vae.sample(2000, seed=3, values="drawn")
    assert (drawn % 1 == 0).all() and not (means % 1 == 0).all()
    np.testing.assert_allclose(drawn.mean(axis=0), means.mean(axis=0), rtol=0.1)
    assert (drawn.var(axis=0) > 2 * means.var(axis=0)).all()
    assert np.array_equal(drawn, vae.sample(2000, seed=3, values="drawn"))
    conditional = sv.ConditionalVAE(input_dim=3, latent_dim=2, classes=2, likelihood="gaussian", sigma=0.5)
    assert not np.array_equal(conditional.sample(5), conditional.sample(5, values="drawn"))
