"""Draws of x from a likelihood: they have its moments and, where there is one in closed form, its distribution."""

import numpy as np
import pytest
from fake_cupy import FAKE_CUPY, DeviceArray
from strategies import normal, uniform

from scratchvae.memory import BatchBuffers
from scratchvae.models.parts import LIKELIHOODS, make_likelihood
from scratchvae.probability import ContinuousBernoulli, GaussianHeteroscedastic, MaskedLikelihood

N, SIGMAS = 40_000, 5.5


def noise_of(likelihood, seed, *shape):
    return getattr(np.random.default_rng(seed), likelihood.noise)(shape)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("wrap", [lambda of: of, MaskedLikelihood], ids=["alone", "masked"])
def test_the_mean_of_the_draws_is_the_mean_and_they_are_within_the_support(name, wrap):
    likelihood = wrap(make_likelihood(name, 0.7 if "gaussian" in name and "decoded" not in name else None))
    row = np.array([-6.0, -0.3, 0.0, 0.2, 30.0])[: 5 * (name != "gaussian_heteroscedastic")]
    row = np.array([-1.0, 3.0, -4.0, 1.0]) if name == "gaussian_heteroscedastic" else row
    parameters = np.tile(row, (N, 1))
    width = row.size // likelihood.outputs_per_dimension
    likelihood.forward(parameters, np.full((N, width), 0.5))
    x = likelihood.draw(parameters, noise_of(likelihood, 3, N, width), np.empty((N, width)))
    mean = likelihood.mean(parameters, np.empty((N, width)))[0]
    low, high = likelihood.support
    assert ((x >= low) & (x <= high)).all()
    assert (np.abs(x.mean(axis=0) - mean) <= SIGMAS * x.std(axis=0) / np.sqrt(N) + 1e-9).all()
    assert (x.std(axis=0) > 0).sum() >= min(width, 4)


@pytest.mark.parametrize("t", [-1000.0, -8.0, -0.5, -1e-8, 0.0, 1e-3, 3.0, 40.0])
def test_continuous_bernoulli_draws_have_its_distribution(t):
    u = (np.arange(2000) + 0.5) / 2000
    x = ContinuousBernoulli().draw(np.full((2000, 1), t), u[:, None], np.empty((2000, 1)))[:, 0]
    if t < 0:
        below = np.expm1(np.maximum(x * t, -700)) / np.expm1(max(t, -700.0))
    else:  # drawn by 1 − u
        below = 1 - (np.expm1((1 - x) * -t) / np.expm1(-t) if t else 1 - x)
    np.testing.assert_allclose(below, u if t < 0 else 1 - u, atol=1e-9)


def test_a_decoded_gaussian_spreads_as_its_decoder_says():
    parameters = np.tile([0.0, 5.0, np.log(4.0), -20.0], (N, 1))
    likelihood = GaussianHeteroscedastic()
    x = likelihood.draw(parameters, normal(1, N, 2), np.empty((N, 2)))
    sigma = np.exp((-12 + np.logaddexp(0, np.array([np.log(4.0), -20.0]) + 12)) / 2)
    np.testing.assert_allclose(x.std(axis=0), sigma, rtol=SIGMAS / np.sqrt(2 * N))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_draw_is_a_function_of_its_noise_on_a_device_too(name):
    here, away = (make_likelihood(name, 0.7 if name in ("gaussian", "gaussian_learned") else None) for _ in range(2))
    away.bind(BatchBuffers(FAKE_CUPY, np.dtype("float64"), 4), (3,))
    if "learnt" in name:
        away.logvar[...] = 2 * np.log(0.7)
    k = here.outputs_per_dimension
    parameters, noise = normal(0, 4, 3 * k), noise_of(here, 1, 4, 3)
    here.forward(parameters, uniform(0, 4, 3))
    expected = here.draw(parameters, noise, np.empty((4, 3)))
    given = away.draw(DeviceArray(parameters), DeviceArray(noise), FAKE_CUPY.xp.empty((4, 3)))
    np.testing.assert_allclose(given.get(), expected, rtol=1e-13)
    assert np.array_equal(here.draw(parameters, noise, np.empty((4, 3))), expected)
