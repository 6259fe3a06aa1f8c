"""IWAE: its bound compared with the ELBO and with a known likelihood."""

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.gradcheck import check
from scratchvae.objectives import ImportanceWeighted
from scratchvae.optim import SGD
from scratchvae.probability import ImportanceBound
from scratchvae.training import Callback, Masking


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


SETTINGS = {"hidden": (5,), "activation": "tanh", "dtype": "float64"}
SEVERAL_DRAWS = {
    "IWAE": lambda: sv.IWAE(6, 2, importance_samples=4, **SETTINGS),
    "VAE": lambda: sv.VAE(6, 2, objective=ImportanceWeighted(4), **SETTINGS),
    "ConditionalVAE": lambda: sv.ConditionalVAE(6, 2, classes=3, objective=ImportanceWeighted(4), **SETTINGS),
}
EACH_KIND = pytest.mark.parametrize("make", SEVERAL_DRAWS.values(), ids=SEVERAL_DRAWS)
X, CORRUPTED, EPS, LABELS = uniform(0, 5, 6), uniform(1, 5, 6), normal(2, 5, 8), np.array([0, 2, 1, 1, 0])


def forward(model, x, eps, corrupted, weight):
    targets = {"targets": np.eye(3)[LABELS]} if model.classes else {}
    return model.forward(x, eps, corrupted, kl_weight=weight, **targets)


# With r_k = log q(z_k | x̃) − log p(z_k), for z_k drawn from q(z | x̃), and w_k = p(x | z_k) exp(−weight · r_k)
def terms_by_the_formula(model, x, eps, corrupted, weight, labels=LABELS):
    """value, reconstruction and kl (B,) of K draws of z for each row, from `encode` and `decode` alone."""
    B, K = len(x), eps.shape[1] // 2
    row_labels, draw_labels = (labels, np.repeat(labels, K)) if model.classes else (None, None)
    mu, logvar = (parameter[:, None] for parameter in model.encode(corrupted, row_labels))
    eps = eps.reshape(B, K, 2)
    z = mu + np.exp(logvar / 2) * eps
    mean, x = model.decode(z.reshape(B * K, 2), draw_labels).reshape(B, K, -1), x[:, None]
    log_p = (x * np.log(mean) + (1 - x) * np.log(1 - mean)).sum(axis=2)
    r = (z**2 - eps**2 - logvar).sum(axis=2) / 2
    log_w = log_p - weight * r
    log_normalized = log_softmax(log_w, axis=1)
    normalized = np.exp(log_normalized)
    kl = normalized * (r + log_normalized + np.log(K))
    return logsumexp(log_w, axis=1) - np.log(K), (normalized * log_p).sum(axis=1), kl.sum(axis=1)


@EACH_KIND
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 2.0])
def test_the_terms_of_several_draws_equal_the_formula_at_every_kl_weight(make, weight):
    model = make()
    for corrupted in (CORRUPTED, None):
        terms = forward(model, X, EPS, corrupted, weight)
        expected = terms_by_the_formula(model, X, EPS, X if corrupted is None else corrupted, weight)
        np.testing.assert_allclose(terms, expected, rtol=1e-11)


@EACH_KIND
def test_the_gradients_of_several_draws_are_those_of_the_formula_at_a_kl_weight_other_than_1(make):
    model, weight = make(), 0.3

    def loss(theta, x, corrupted, eps):
        model.theta[...] = theta
        return -terms_by_the_formula(model, x, eps, corrupted, weight)[0].mean()

    def gradients(dloss, _theta, x, corrupted, eps):
        forward(model, x, eps, corrupted, weight)
        inputs = model.backward_to_inputs()
        return [dloss * gradient for gradient in (model.dtheta, inputs.x, inputs.corrupted, inputs.eps)]

    report = check(loss, gradients, model.theta.copy(), X, CORRUPTED, EPS, directions=1)
    assert report, report


@EACH_KIND
def test_the_history_has_the_terms_of_several_draws_at_the_kl_weight_of_each_step(make):
    model, x, labels, batches = make(), uniform(0, 10, 6), np.arange(10) % 3, []

    class Recorder(Callback):
        def on_before_update(self, state):
            indices = state.batches.indices
            batches.append((indices, trainer._eps[: len(indices)].copy(), state.batches.corrupted.copy()))

    trainer = sv.Trainer(
        model, optimizer=SGD(1e-200), batch_size=4, kl_weight=lambda t: 0.25 + 0.5 * t, corrupt=Masking(0.4)
    )
    epoch = trainer.fit(x, 1, labels=labels if model.classes else None, callbacks=[Recorder()]).epochs[0]
    terms, kl_per_dimension = np.zeros(3), np.zeros(2)
    for (rows, eps, corrupted), weight in zip(batches, (0.25, 0.75, 1.25), strict=True):
        parts = terms_by_the_formula(model, x[rows], eps, corrupted, weight, labels[rows])
        terms += np.sum(parts, axis=1) / 10
        mu, logvar = model.encode(corrupted, labels[rows] if model.classes else None)
        kl_per_dimension += (mu**2 + np.exp(logvar) - 1 - logvar).sum(axis=0) / 2 / 10
    np.testing.assert_allclose((-epoch.loss, epoch.reconstruction, epoch.kl), terms, rtol=1e-11)
    np.testing.assert_allclose(epoch.kl_per_dimension, kl_per_dimension, rtol=1e-11)
    assert epoch.kl_weight == pytest.approx(0.75)


@pytest.mark.parametrize("settings", [{"beta": 2.0}, {"free_bits": 0.1}, {"importance_samples": 0}])
def test_settings_without_effect_on_the_bound_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        sv.IWAE(6, 2, **settings)
