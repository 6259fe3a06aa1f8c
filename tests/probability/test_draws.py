"""Tests of draws of x from a likelihood: their moments and, where it has a closed form, their distribution."""

import numpy as np
import pytest
from strategies import normal, uniform

from scratchvae.backend.fake_cupy import FAKE_CUPY, DeviceArray
from scratchvae.memory import BatchBuffers
from scratchvae.models.parts import LIKELIHOODS, make_likelihood
from scratchvae.probability import (
    ContinuousBernoulli,
    Gaussian,
    GaussianHeteroscedastic,
    GaussianLearned,
    MaskedLikelihood,
    ScaledLikelihood,
)
from scratchvae.probability.masked_likelihood import mask

N, SIGMAS = 40_000, 5.5


def draw_noise(likelihood, seed, *shape):
    return getattr(np.random.default_rng(seed), likelihood.noise)(shape)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("wrap", [lambda likelihood: likelihood, mask], ids=["alone", "masked"])
def test_draws_lie_in_the_support_and_average_to_the_mean(name, wrap):
    row = {
        "gaussian_heteroscedastic": [-1.0, 3.0, -4.0, 1.0],
        "poisson": [-6.0, -0.3, 2.0, 6.0, 11.0],
        "negative_binomial": [-6.0, -0.3, 2.0, 6.0, 0.0, 3.0, -1.0, 25.0],
    }.get(name, [-6.0, -0.3, 0.0, 0.2, 30.0])
    row = np.array(row)
    parameters = np.tile(row, (N, 1))
    width = row.size // LIKELIHOODS[name].outputs_per_dimension
    likelihood = wrap(make_likelihood(name, 0.7 if name in ("gaussian", "gaussian_learned") else None, width))
    likelihood.forward(parameters, np.full((N, width), 0.5))
    x = likelihood.draw(parameters, draw_noise(likelihood, 3, N, width), np.empty((N, width)))
    mean = likelihood.mean(parameters, np.empty((N, width)))[0]
    low, high = likelihood.support
    assert ((x >= low) & (x <= high)).all()
    assert (np.abs(x.mean(axis=0) - mean) <= SIGMAS * x.std(axis=0) / np.sqrt(N) + 1e-9).all()
    assert (x.std(axis=0) > 0).sum() >= min(width, 4)
    assert not likelihood.keeps_units or (x % 1 == 0).all()


@pytest.mark.parametrize("kind", [Gaussian, GaussianLearned])
@pytest.mark.parametrize("sigma", [0.3, 4.0])
@pytest.mark.parametrize(
    "wrap", [lambda inner: inner, MaskedLikelihood, ScaledLikelihood], ids=["alone", "masked", "scaled"]
)
def test_gaussian_draws_have_the_moments_of_their_sigma(kind, sigma, wrap):
    mu, inner = np.tile([-2.0, 0.0, 5.0], (N, 1)), kind(sigma if kind is Gaussian else 1.0)
    likelihood = wrap(inner)
    likelihood.forward(mu, np.zeros((N, 3)))
    if kind is GaussianLearned:
        inner.logvar[...] = 2 * np.log(sigma)  # as training does
    error = likelihood.draw(mu, normal(1, N, 3), np.empty((N, 3))) - mu
    assert (np.abs(error.mean(axis=0)) < SIGMAS * sigma / np.sqrt(N)).all()
    np.testing.assert_allclose(error.std(axis=0), sigma, rtol=SIGMAS / np.sqrt(2 * N))
    assert np.abs(np.corrcoef(error.T) - np.eye(3)).max() < SIGMAS / np.sqrt(N)


@pytest.mark.parametrize("t", [-1000.0, -8.0, -0.5, -1e-8, 0.0, 1e-3, 3.0, 40.0])
def test_continuous_bernoulli_draws_follow_its_distribution(t):
    u = (np.arange(2000) + 0.5) / 2000
    x = ContinuousBernoulli().draw(np.full((2000, 1), t), u[:, None], np.empty((2000, 1)))[:, 0]
    if t < 0:
        below = np.expm1(np.maximum(x * t, -700)) / np.expm1(max(t, -700.0))
    else:  # drawn by 1 − u
        below = 1 - (np.expm1((1 - x) * -t) / np.expm1(-t) if t else 1 - x)
    np.testing.assert_allclose(below, u if t < 0 else 1 - u, atol=1e-9)


def test_heteroscedastic_gaussian_draws_have_the_predicted_standard_deviation():
    parameters = np.tile([0.0, 5.0, np.log(4.0), -20.0], (N, 1))
    likelihood = GaussianHeteroscedastic()
    x = likelihood.draw(parameters, normal(1, N, 2), np.empty((N, 2)))
    sigma = np.exp((-12 + np.logaddexp(0, np.array([np.log(4.0), -20.0]) + 12)) / 2)
    np.testing.assert_allclose(x.std(axis=0), sigma, rtol=SIGMAS / np.sqrt(2 * N))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_draw_is_the_same_function_of_its_noise_on_a_device(name):
    sigma = 0.7 if name in ("gaussian", "gaussian_learned") else None
    host, device = (make_likelihood(name, sigma, 3) for _ in range(2))
    device.bind(BatchBuffers(FAKE_CUPY, np.dtype("float64"), 4), (3,))
    k = host.outputs_per_dimension
    parameters, noise = normal(0, 4, 3 * k), draw_noise(host, 1, 4, 3)
    host.forward(parameters, uniform(0, 4, 3))
    expected = host.draw(parameters, noise, np.empty((4, 3)))
    actual = device.draw(DeviceArray(parameters), DeviceArray(noise), FAKE_CUPY.xp.empty((4, 3)))
    np.testing.assert_allclose(actual.get(), expected, rtol=1e-13)
    assert np.array_equal(host.draw(parameters, noise, np.empty((4, 3))), expected)
