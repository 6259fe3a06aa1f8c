"""`denoise`: the reconstruction, or the mean of decoded posterior draws."""

import numpy as np
import pytest
from fake_cupy import FAKE_CUPY
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.errors import ConfigError, RangeError

X = uniform(0, 7, 9)


@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
def test_denoise_without_draws_is_the_reconstruction(kind):
    model = kind(9, 2, (8,))
    assert np.array_equal(model.denoise(X), model.reconstruct(X))
    with pytest.raises(RangeError, match="x holds values"):
        model.denoise(X - 3)


def test_denoise_with_draws_is_the_mean_of_decoded_draws():
    vae = sv.VAE(9, 2, (8,), dtype="float64")
    mu, logvar = vae.encode(X)
    eps = sv.rng.generator(3, "noise").standard_normal((2, 7, 2))
    expected = sum(vae.decode(mu + np.exp(logvar / 2) * noise) for noise in eps) / 2
    np.testing.assert_allclose(vae.denoise(X, draws=2, seed=3), expected, rtol=1e-12)
    assert np.array_equal(vae.denoise(X, 2, 3), vae.denoise(X, 2, 3))
    assert not np.array_equal(vae.denoise(X, 2, 3), vae.denoise(X, 2, 4))


# If z is a scalar and the logit of the only pixel, the mean over draws is E σ(μ + σ ε), which differs from σ(μ).
def test_the_mean_of_many_draws_converges_to_the_posterior_mean():
    vae = sv.VAE(1, 1, (), dtype="float64")
    vae.theta[...] = 0
    vae.params["encoder.0.b"][...] = [1.5, 2 * np.log(2.0)]
    vae.params["decoder.0.W"][...] = 1.0
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    mean = (weights / (1 + np.exp(-1.5 - 2 * points))).sum() / weights.sum()
    drawn = vae.denoise(np.zeros((500, 1)), draws=200)
    assert abs(drawn.mean() - mean) < 6.2 * 0.5 / np.sqrt(100_000)
    assert abs(float(vae.denoise(np.zeros((1, 1)))[0, 0]) - mean) > 0.05


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_the_result_has_the_dtype_of_the_model(dtype):
    assert sv.VAE(9, 2, (8,), dtype=dtype).denoise(X, draws=2).dtype == dtype


def test_denoise_gives_the_same_on_a_device():
    host, device = (sv.VAE(9, 2, (8,), dtype="float64", backend=backend) for backend in ("numpy", FAKE_CUPY))
    for draws in (0, 3):
        np.testing.assert_allclose(to_numpy(device.denoise(X, draws)), host.denoise(X, draws), rtol=1e-12)


@pytest.mark.parametrize("draws", [-1, 1.5])
def test_draws_that_are_no_whole_number_are_refused(draws):
    with pytest.raises(ConfigError, match="draws="):
        sv.VAE(9, 2, (8,)).denoise(X, draws)
