import sys
import tracemalloc
from math import log, pi

import numpy as np
import pytest
from strategies import in_support, normal, uniform

import scratchvae as sv
from scratchvae.backend import fake_cupy
from scratchvae.errors import ConfigError, NonFiniteWarning, RangeError
from scratchvae.evaluation import log_likelihood
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.training import score

module = sys.modules["scratchvae.evaluation.log_likelihood"]
X = (uniform(0, 12, 9) > 0.5).astype(np.float64)
LABELS = np.arange(12) % 3


def make(kind=sv.VAE, **settings):
    model = kind(9, 2, (8,), dtype="float64", seed=3, **settings)
    model.theta[...] += 0.3 * normal(1, model.theta.size)
    return model


def linear_gaussian(spread=1.0, seed=0):
    """A VAE whose log p(x) is known, with its exact posterior but for variances `spread` times too large; and rows.

    z ~ N(0, I), x = W z + b + σ ε, where the columns of W are orthogonal: the posterior has independent dimensions.
    """
    D, Z, sigma = 12, 3, 0.7
    rng = np.random.default_rng(seed)
    W = np.linalg.qr(rng.normal(size=(D, Z)))[0] * [2.0, 1.0, 0.5]
    b = rng.normal(size=D)
    vae = sv.VAE(D, Z, (), likelihood="gaussian", sigma=sigma, dtype="float64", scale="none")
    variance = 1 / (1 + (W * W).sum(axis=0) / sigma**2)
    vae.params["encoder.0.W"][...] = np.hstack([W * variance / sigma**2, np.zeros((D, Z))])
    vae.params["encoder.0.b"][...] = np.concatenate([-b @ W * variance / sigma**2, np.log(spread * variance)])
    vae.params["decoder.0.W"][...], vae.params["decoder.0.b"][...] = W.T, b
    x = rng.normal(size=(200, Z)) @ W.T + b + sigma * rng.normal(size=(200, D))
    covariance = W @ W.T + sigma**2 * np.eye(D)
    difference = x - b
    distances = np.einsum("ni,ni->n", difference, np.linalg.solve(covariance, difference.T).T)
    return vae, x, -0.5 * (distances + np.linalg.slogdet(covariance)[1] + D * log(2 * pi))


def test_the_exact_posterior_gives_the_exact_log_likelihood_with_one_draw():
    vae, x, exact = linear_gaussian()
    found = log_likelihood(vae, x, samples=1)
    np.testing.assert_allclose(found.rows, exact, rtol=1e-12)
    assert found.value == pytest.approx(exact.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(exact.std(ddof=1) / 200**0.5)
    assert np.array_equal(found.effective_sample_size, np.ones(200)) and np.isnan(found.monte_carlo_error).all()


def test_a_posterior_that_is_too_wide_is_corrected():
    vae, x, exact = linear_gaussian(spread=1.3)
    found = log_likelihood(vae, x, samples=5000)
    errors = found.rows - exact
    assert abs(errors.mean()) <= 0.002 and np.abs(errors).max() <= 0.05
    assert (np.abs(errors) < 5 * found.monte_carlo_error).all()
    assert (found.effective_sample_size > 4000).all() and (found.effective_sample_size < 5000).all()


# With a true error of e and an estimate of it for each of 200 rows, the mean of (error/e)² is 1 ± 0.1. The estimated
# errors vary too, so the limits are three times as wide: a false alarm is rarer than once in 10⁴ seeds.
def test_the_monte_carlo_error_is_that_of_the_estimates():
    vae, x, exact = linear_gaussian(spread=1.3)
    for samples in (200, 1000):
        found = log_likelihood(vae, x, samples=samples, seed=7)
        assert 0.7 < (((found.rows - exact) / found.monte_carlo_error) ** 2).mean() < 1.3


def test_one_draw_gives_the_elbo_of_that_draw():
    vae = make()
    found = log_likelihood(vae, np.tile(X[:1], (2000, 1)), samples=1)
    many = np.array([log_likelihood(vae, X[:1], samples=1, seed=seed).value for seed in range(400)])
    assert np.ptp(found.rows) == 0.0  # equal rows have equal noise
    elbo = vae.elbo(X[:1], draws=20_000)
    assert abs(many.mean() - float(elbo.value[0])) < 5 * many.std() / 20


def test_estimates_grow_with_the_draws_to_the_integral_over_z():
    vae = sv.VAE(9, 2, (8,), dtype="float64")
    sv.Trainer(vae, lr=1e-2).fit(X, 300)  # so that q is near the posterior, and the errors are estimated well
    axis = np.linspace(-7, 7, 281)
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    p = np.clip(vae.decode(z), 1e-12, 1 - 1e-12)
    log_prior = -0.5 * (z * z).sum(axis=1) - log(2 * pi)
    log_joint = X @ np.log(p).T + (1 - X) @ np.log1p(-p).T + log_prior
    exact = np.log(np.exp(log_joint).sum(axis=1) * (axis[1] - axis[0]) ** 2)
    means = []
    for samples in (1, 10, 20_000):
        found = log_likelihood(vae, X, samples=samples)
        means.append(found.value)
    assert means[0] < means[1] < means[2]
    assert (np.abs(found.rows - exact) < 5 * found.monte_carlo_error).all()
    assert found.monte_carlo_error.max() < 0.05


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
def test_every_likelihood_agrees_with_the_scores_of_single_rows(likelihood, missing):
    rows = in_support(likelihood, uniform(2, 12, 9))
    if missing:
        rows = np.where(uniform(3, 12, 9) < 0.3, np.nan, rows)
    vae = make(likelihood=likelihood, missing=missing)
    for samples in (7, 2500):
        found = log_likelihood(vae, rows, samples=samples, seed=2).rows
        np.testing.assert_allclose(found, vae.score_samples(rows, samples, seed=2), rtol=1e-9)


@pytest.mark.parametrize(
    ("kind", "settings", "labels"),
    [
        (sv.IWAE, {"importance_samples": 5}, None),
        (sv.ConditionalVAE, {"classes": 3}, LABELS),
        (sv.ConditionalVAE, {"classes": 3}, 1),
        (sv.SemiSupervisedVAE, {"classes": 3}, None),
        (sv.SemiSupervisedVAE, {"classes": 3}, LABELS),
    ],
)
def test_every_model_agrees_with_the_scores_of_single_rows(kind, settings, labels):
    model = make(kind, **settings)
    found = log_likelihood(model, X, samples=300, labels=labels)
    np.testing.assert_allclose(found.rows, model.score_samples(X, 300, labels=labels), rtol=1e-9)
    assert np.isfinite(found.monte_carlo_error).all() and (found.effective_sample_size >= 1).all()


# The spread over 200 seeds has a relative error of 5 %, and the estimates of it vary from seed to seed: the limits are
# wide enough that a false alarm is rarer than once in 10⁴ choices of the seeds.
def test_classes_that_share_their_noise_have_the_error_of_their_sum():
    model = make(sv.SemiSupervisedVAE, classes=3)
    sv.Trainer(model, lr=1e-2).fit(X, 100, labels=LABELS)
    found = [log_likelihood(model, X, samples=400, seed=seed) for seed in range(200)]
    each = [log_likelihood(model, X, samples=400, labels=label).rows for label in range(3)]
    np.testing.assert_allclose(found[0].rows, np.log(np.exp(each).mean(axis=0)), rtol=1e-12)
    spread = np.std([estimate.rows for estimate in found], axis=0)
    claimed = np.sqrt(np.mean([estimate.monte_carlo_error**2 for estimate in found], axis=0))
    assert (spread / claimed > 0.7).all() and (spread / claimed < 1.4).all()
    assert (found[0].effective_sample_size <= 400).all()


@pytest.mark.parametrize("at_once", [1, 10, 64, 1000])
def test_the_number_of_draws_at_once_changes_only_rounding(at_once, monkeypatch):
    vae = make()
    expected = log_likelihood(vae, X, samples=33)
    monkeypatch.setattr(module, "HOST_DRAWS", at_once)
    for field, value in zip(log_likelihood(vae, X, samples=33), expected, strict=True):
        np.testing.assert_allclose(field, value, rtol=1e-9)


def test_memory_does_not_grow_with_the_draws():
    vae, peaks = make(), []
    for samples in (2_000, 20_000):
        log_likelihood(vae, X[:2], samples=samples)
        tracemalloc.start()
        log_likelihood(vae, X[:2], samples=samples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] + 10_000


def test_grey_pixels_are_binarized_once_as_in_score(monkeypatch):
    vae, grey = make(), uniform(5, 12, 9)
    once = log_likelihood(vae, grey, samples=5, binarize="dynamic", seed=4)
    seen, estimate = [], module.Estimator.__call__
    with monkeypatch.context() as patch:
        patch.setattr(module.Estimator, "__call__", lambda self, x, t: seen.append(x.copy()) or estimate(self, x, t))
        assert np.array_equal(log_likelihood(vae, grey, samples=5, binarize="dynamic", seed=4).rows, once.rows)
    assert set(np.unique(seen[0])) == {0.0, 1.0}
    np.testing.assert_allclose(once.rows, log_likelihood(vae, seen[0], samples=5, seed=4).rows)
    assert score(vae, grey, seed=4, binarize="dynamic").value == score(vae, seen[0], seed=4).value


def test_a_device_gives_the_same():
    host, device = make(), sv.VAE(9, 2, (8,), dtype="float64", backend="fake-cupy")
    device.theta.set(host.theta)
    expected = log_likelihood(host, X, samples=50)
    reads = fake_cupy.reads
    np.testing.assert_allclose(log_likelihood(device, X, samples=50).rows, expected.rows, rtol=1e-9)
    assert fake_cupy.reads == reads


def test_rows_that_overflow_are_named():
    vae = sv.VAE(9, 2, (8,), likelihood="gaussian", scale="none")
    rows = np.zeros((3, 9), np.float32)
    rows[1] = 1e30
    with pytest.warns(NonFiniteWarning, match="1 of 3 rows is −∞, first of row 1"):
        found = log_likelihood(vae, rows, samples=20)
    assert found.rows[1] == -np.inf and np.isfinite(found.rows[[0, 2]]).all()
    for field in (found.effective_sample_size, found.monte_carlo_error):
        assert np.isnan(field[1]) and np.isfinite(field[[0, 2]]).all()


@pytest.mark.parametrize(("kind", "settings"), [(sv.VAE, {}), (sv.SemiSupervisedVAE, {"classes": 3})])
def test_the_buffers_are_as_large_as_the_draws_need(kind, settings):
    model = make(kind, **settings)
    log_likelihood(model, X[:2], samples=50)
    assert model.likelihood._buffers.rows <= 102 + model.classes
    log_likelihood(model, X, samples=module.HOST_DRAWS + 1)
    assert model.likelihood._buffers.rows <= module.HOST_DRAWS + model.classes


def test_a_long_estimate_lets_other_readers_run(monkeypatch):
    ways, model = [], make()
    monkeypatch.setattr(model.lock, "give_way", lambda: ways.append(1))
    log_likelihood(model, X[:1], samples=5 * module.HOST_DRAWS)
    assert len(ways) == 5


def test_what_has_no_log_likelihood_is_refused():
    with pytest.raises(ConfigError, match="an autoencoder has no density"):
        log_likelihood(sv.Autoencoder(9, 2, (8,)), X)
    with pytest.raises(ConfigError, match="samples"):
        log_likelihood(make(), X, samples=0)
    with pytest.raises(RangeError):
        log_likelihood(make(), X + 2)
    with pytest.raises(ConfigError, match="binarize"):
        log_likelihood(make(likelihood="gaussian"), X, binarize="dynamic")
