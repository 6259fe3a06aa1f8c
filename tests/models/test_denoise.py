"""`denoise`: the reconstruction, or the mean of decoded posterior draws."""

import copy
import warnings

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, DenoiseWarning, RangeError

pytestmark = pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")  # the models are untrained

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


@pytest.mark.parametrize("kind", [sv.VAE, sv.IWAE, sv.Autoencoder])
def test_a_model_warns_until_it_was_trained_to_remove_noise(kind, tmp_path):
    model = kind(9, 2, (8,))
    sv.Trainer(model).fit(X, 1)
    draws = [{}] if kind is sv.Autoencoder else [{}, {"draws": 2}]
    for settings in draws:
        with pytest.warns(
            DenoiseWarning, match="was not trained to remove noise.*train it with corrupt=Masking"
        ) as caught:
            model.denoise(X, **settings)
        (warning,) = caught
        assert len(str(warning.message)) <= 200 and warning.filename == __file__
    sv.Trainer(model, corrupt=sv.training.GaussianNoise(0.2)).fit(X, 1)
    sv.save(model, tmp_path / "model.npz")
    for trained in (model, copy.deepcopy(model), sv.load(tmp_path / "model.npz")):
        assert trained.metadata["corrupt"] == {"kind": "gaussian", "level": 0.2}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for settings in draws:
                trained.denoise(X, **settings)


def test_a_step_and_noise_of_ones_own_count_as_training_to_remove_it():
    class Blackout(sv.training.Corruption):
        def draw(self, x, rng, noisy, masks, support):
            noisy[...] = 0.0

    model = sv.VAE(9, 2, (8,))
    sv.Trainer(model, corrupt=Blackout(0.5)).step(X)
    assert model.metadata["corrupt"] == {"kind": "Blackout", "level": 0.5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.denoise(X)
