"""Tests of the objectives whose gradient reaches the posterior through z alone: the same mean, less variance."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.objectives import ELBO, DoublyReparameterized, ImportanceWeighted, StickingTheLanding

D, Z = 5, 2


def make(objective, seed=0, **settings):
    vae = sv.VAE(D, Z, (), dtype="float64", objective=objective, **settings)
    vae.theta[...] = 0.7 * normal(seed, vae.theta.size)
    return vae


# The surrogate has log q(z; h₀) with h₀ = h as a constant, and the factors of each draw as constants, so that autograd
# finds the pathwise gradient of the encoder. That of the decoder is the gradient of the loss itself.
def by_autograd(vae, x, eps, weight, factors):
    K, params = vae.objective.draws, {name: array.copy() for name, array in vae.params.items()}

    def log_w(encoder, decoder, fixed_h):
        h = anp.repeat(anp.dot(x, encoder[0]) + encoder[1], K, axis=0)
        z = h[:, :Z] + anp.exp(h[:, Z:] / 2) * eps.reshape(-1, Z)
        t = anp.dot(z, decoder[0]) + decoder[1]
        rows = np.repeat(x, K, axis=0)
        log_p = anp.sum(rows * t - anp.logaddexp(0.0, t), axis=1) - 0.5 * anp.sum(z**2, axis=1) * weight
        mu, logvar = fixed_h[:, :Z], fixed_h[:, Z:]
        log_q = -0.5 * anp.sum((z - mu) ** 2 * anp.exp(-logvar) + logvar, axis=1)
        return anp.reshape(log_p - weight * log_q, (len(x), K))

    encoder, decoder = ([params[f"{part}.0.{name}"] for name in "Wb"] for part in ("encoder", "decoder"))
    fixed_h = np.repeat(x @ encoder[0] + encoder[1], K, axis=0)
    values = log_w(encoder, decoder, fixed_h)
    w = np.exp(values - values.max(axis=1, keepdims=True))
    w /= w.sum(axis=1, keepdims=True)
    of_encoder = grad(lambda e: -anp.sum(w * factors(w) * log_w(e, decoder, fixed_h)) / len(x))(encoder)
    of_decoder = grad(lambda d: -anp.sum(w * log_w(encoder, d, fixed_h)) / len(x))(decoder)
    return [*of_encoder, *of_decoder]


@given(seeds, st.integers(1, 4), st.integers(1, 4), st.sampled_from([1.0, 0.3, 0.0]))
def test_the_gradients_are_those_of_the_published_estimators_by_autograd(seed, rows, draws, weight):
    x = uniform(seed, rows, D).round()
    for objective, factors in (
        (DoublyReparameterized(draws), lambda w: 1 - weight + weight * w),
        (StickingTheLanding(), np.ones_like),
    ):
        vae = make(objective, seed)
        eps = normal(seed + 1, rows, vae.noise_dim)
        vae.forward(x, eps, kl_weight=weight)
        vae.backward()
        expected = by_autograd(vae, x, eps, weight, factors)
        for name, gradient in zip(("encoder.0.W", "encoder.0.b", "decoder.0.W", "decoder.0.b"), expected, strict=True):
            scale = max(1.0, np.linalg.norm(gradient))
            assert np.abs(vae.grads[name] - gradient).max() <= 1e-12 * scale, name


# 200 batches of 100 copies of a row give means and standard errors of 32 gradients, for 6 pairs. With errors of 5 σ, a
# false alarm is rarer than once in 10⁴ runs of the test.
@pytest.mark.parametrize("weight", [1.0, 0.4])
@pytest.mark.parametrize(
    ("usual", "pathwise"),
    [
        (lambda: ImportanceWeighted(3), lambda: DoublyReparameterized(3)),
        (lambda: ELBO(), lambda: StickingTheLanding()),
        (lambda: ELBO(2.0), lambda: StickingTheLanding(2.0)),
    ],
)
def test_the_mean_is_that_of_the_usual_gradient(usual, pathwise, weight):
    x, means, errors, losses = np.repeat(uniform(3, 1, D).round(), 100, axis=0), [], [], []
    for objective in (usual(), pathwise()):
        vae, rng, found = make(objective, seed=5), np.random.default_rng(6), []
        for _ in range(200):
            vae.forward(x, rng.standard_normal((100, vae.noise_dim)), kl_weight=weight)
            vae.backward()
            found.append(vae.dtheta.copy())
        means.append(np.mean(found, axis=0))
        errors.append(np.std(found, axis=0, ddof=1) / np.sqrt(200))
        losses.append(vae.theta)
    assert np.all(np.abs(means[0] - means[1]) <= 5 * np.hypot(*errors) + 1e-12)
    assert np.array_equal(*losses)


def exact_model(objective):
    """z ~ N(0, 1), x = w z + ½ ε, with the true posterior as the encoder, and rows."""
    w, sigma = np.array([[0.8, -0.5, 0.3]]), 0.5
    vae = sv.VAE(3, 1, (), likelihood="gaussian", sigma=sigma, scale="none", dtype="float64", objective=objective)
    variance = 1 / (1 + (w**2).sum() / sigma**2)
    vae.params["encoder.0.W"][...] = np.hstack([w.T * variance / sigma**2, np.zeros((3, 1))])
    vae.params["encoder.0.b"][...] = [0.0, np.log(variance)]
    vae.params["decoder.0.W"][...], vae.params["decoder.0.b"][...] = w, 0.0
    x = normal(0, 50, 1) @ w + sigma * normal(1, 50, 3)
    return vae, x


def of_encoder(vae):
    return np.concatenate([array.ravel() for name, array in vae.grads.items() if name.startswith("encoder")])


def test_at_the_exact_posterior_the_gradient_of_the_encoder_is_zero_for_any_draw():
    for objective in (StickingTheLanding(), DoublyReparameterized(1), DoublyReparameterized(4)):
        vae, x = exact_model(objective)
        for seed in range(5):
            vae.loss_and_grads(x, normal(seed, 50, vae.noise_dim))
            assert np.abs(of_encoder(vae)).max() < 1e-13
    for objective in (ELBO(), ImportanceWeighted(4)):
        vae, x = exact_model(objective)
        vae.loss_and_grads(x, normal(0, 50, vae.noise_dim))
        assert np.abs(of_encoder(vae)).max() > 1e-3


# Rainforth et al. 2018: with K, the ratio of mean and deviation of the encoder's gradient falls like 1/√K; with
# the doubly reparameterized gradient it rises like √K, by a factor of 4 from K = 4 to 64. From 400 draws, its relative
# error is below 0.1, so that the limits are at least 5 standard errors away.
def test_with_more_draws_the_signal_rises_above_the_noise():
    ratios = {}
    for kind in (ImportanceWeighted, DoublyReparameterized):
        for draws in (4, 64):
            vae, x = exact_model(kind(draws))
            vae.params["encoder.0.b"][...] += [0.05, np.log(1.5)]  # near the true posterior, and too wide
            rng, found = np.random.default_rng(0), []
            for _ in range(400):
                vae.loss_and_grads(x[:1], rng.standard_normal((1, vae.noise_dim)))
                found.append(of_encoder(vae))
            ratios[kind, draws] = np.abs(np.mean(found, axis=0)) / np.std(found, axis=0)
    assert np.all(ratios[DoublyReparameterized, 64] > 2 * ratios[DoublyReparameterized, 4])
    assert np.all(ratios[DoublyReparameterized, 64] > 10 * ratios[ImportanceWeighted, 64])


def test_training_saving_and_other_priors(tmp_path):
    x = uniform(0, 60, D).round().astype(np.float32)
    prior = sv.probability.MixturePrior(3, Z)
    for objective in (StickingTheLanding(), DoublyReparameterized(3)):
        for settings in ({}, {"missing": True}, {"prior": prior}):
            vae = sv.VAE(D, Z, (6,), objective=type(objective).from_config(objective.config()), **settings)
            history = sv.Trainer(vae, batch_size=20).fit(x, epochs=2)
            assert np.isfinite(history.loss).all()
            sv.save(vae, tmp_path / "vae.npz")
            assert repr(sv.load(tmp_path / "vae.npz").objective) == repr(objective)
            prior = sv.probability.MixturePrior(3, Z)


def test_free_bits_and_posteriors_without_a_density_are_refused():
    with pytest.raises(TypeError, match="free_bits"):
        StickingTheLanding(1.0, free_bits=0.1)
    vae = sv.VAE(D, Z, objective=StickingTheLanding(), posterior=sv.flows.InverseAutoregressive(Z))
    with pytest.raises(ConfigError, match=r"InverseAutoregressive has no backward_density\(dlog_q\), which this obj"):
        vae.loss_and_grads(np.zeros((2, D), np.float32), np.zeros((2, Z), np.float32))
