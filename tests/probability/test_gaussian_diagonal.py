"""Tests of the Gaussian likelihood with a σ of each column, learned."""

import time

import numpy as np
import pytest
from hypothesis import given
from scipy import stats
from strategies import batches, normal, seeds, widths

import scratchvae as sv
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.probability import GaussianDiagonal, GaussianLearned, Mixed


@given(seed=seeds, rows=batches, width=widths)
def test_the_log_likelihood_is_that_of_independent_normals_of_the_observed_entries(seed, rows, width):
    mu, x = 3 * normal(seed, 2, rows, width)
    x[np.random.default_rng(seed).random(x.shape) < 0.3] = np.nan
    likelihood, logvar = GaussianDiagonal(width), normal(seed, width)
    likelihood.forward(mu, x)
    likelihood.logvar[...] = logvar
    exact = np.nansum(stats.norm(mu, np.exp(logvar / 2)).logpdf(x), axis=1)
    np.testing.assert_allclose(likelihood.forward(mu, x), exact, rtol=1e-12, atol=1e-12)


def test_missing_entries_have_no_gradient_and_count_for_no_variance():
    likelihood, mu, x = GaussianDiagonal(3), np.zeros((4, 3)), normal(0, 4, 3)
    x[:, 1] = np.nan
    likelihood.forward(mu, x)
    dmu, dx = likelihood.backward(np.ones(4)).copy(), likelihood.backward_data(np.ones(4))
    assert (dmu[:, 1] == 0).all() and (dx[:, 1] == 0).all() and likelihood.dlogvar[1] == 0
    np.testing.assert_allclose(likelihood.dlogvar[[0, 2]], 0.5 * (x[:, [0, 2]] ** 2 - 1).sum(axis=0))


def test_each_variance_equals_the_mean_squared_error_of_its_column():
    vae = sv.VAE(4, 1, (), likelihood="gaussian_diagonal", dtype="float64")
    for name in ("encoder.0.W", "encoder.0.b", "decoder.0.W"):
        vae.params[name][...] = 0.0
    x = 3 + np.array([0.2, 1.0, 5.0, 0.01]) * normal(0, 50, 4)
    vae.params["decoder.0.b"][...] = x.mean(axis=0)
    for _ in range(300):
        vae.params["likelihood.logvar"][...] -= 0.3 * vae.loss_and_grads(x)[1]["likelihood.logvar"]
    np.testing.assert_allclose(np.exp(vae.params["likelihood.logvar"]), x.var(axis=0), rtol=1e-9)


def test_draws_have_the_sigma_of_their_column():
    likelihood, mu = GaussianDiagonal(3), np.tile([-2.0, 0.0, 5.0], (20000, 1))
    likelihood.forward(mu, mu)
    likelihood.logvar[...] = 2 * np.log([0.1, 1.0, 30.0])
    error = likelihood.draw(mu, normal(1, 20000, 3), np.empty((20000, 3))) - mu
    np.testing.assert_allclose(error.std(axis=0), [0.1, 1.0, 30.0], rtol=5 / np.sqrt(40000))


@pytest.mark.parametrize("missing", [False, True])
def test_a_block_of_columns_equals_one_learned_sigma_for_each(missing):
    x = normal(0, 20, 3)
    if missing:
        x[::4, 1] = np.nan
    one = GaussianDiagonal(3)
    each = Mixed([(GaussianLearned(), 1) for _ in range(3)])
    each = each.masked() if missing else each
    mu, dlog = normal(1, 20, 3), normal(2, 20)
    for likelihood in (one, each):
        likelihood.forward(mu, x)
    logvar = np.array([-1.0, 0.5, 2.0])
    one.logvar[...] = logvar
    for k, likelihood in enumerate(each.likelihoods):
        (likelihood.inner if missing else likelihood).logvar[...] = logvar[k]
    np.testing.assert_allclose(one.forward(mu, x), each.forward(mu, x), rtol=1e-13)
    np.testing.assert_allclose(one.backward(dlog), each.backward(dlog), rtol=1e-13)
    dlogvar = [(part.inner if missing else part).dlogvar[0] for part in each.likelihoods]
    np.testing.assert_allclose(one.dlogvar, dlogvar, rtol=1e-12)


def test_it_is_scaled_saved_and_imputed(tmp_path):
    x = normal(0, 60, 5) * np.array([1.0, 100.0, 0.01, 5.0, 1.0]) + 1000
    x[::5, 2] = np.nan
    vae = sv.VAE(5, 2, (8,), likelihood="gaussian_diagonal", missing=True)
    sv.Trainer(vae, lr=0.01).fit(x, 3)
    assert vae.scale.kind == "standardize" and vae.params["likelihood.logvar"].shape == (5,)
    assert isinstance(vae.likelihood.inner, GaussianDiagonal)
    sv.save(vae, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz")
    assert np.array_equal(loaded.theta, vae.theta) and np.array_equal(loaded.elbo(x).value, vae.elbo(x).value)
    filled = loaded.impute(x, draws=1, samples=20)[0]
    assert np.isfinite(filled).all() and abs(filled[0, 2] - 1000) < 1
    # the change of variables leaves out the missing entries
    in_other_units = sv.VAE(5, 2, (8,), likelihood="gaussian_diagonal", missing=True)
    in_other_units.theta[...] = vae.theta
    in_other_units.schema = vae.schema._replace(scale=None)
    scaled = vae.scale.to_networks(x)
    difference = in_other_units.elbo(scaled).value - vae.elbo(x).value
    volume = (np.log(vae.scale.factor) * ~np.isnan(x)).sum(axis=1)
    np.testing.assert_allclose(difference, volume, rtol=1e-4, atol=1e-3)


def test_its_width_must_fit():
    assert sv.VAE(likelihood=GaussianDiagonal(7, 0.5), latent_dim=2, hidden=()).input_dim == 7
    assert sv.VAE(likelihood=GaussianDiagonal(7, 0.5), latent_dim=2, hidden=()).config["sigma"] == 0.5
    with pytest.raises(ConfigError, match="for rows of 7 numbers, and input_dim=6"):
        sv.VAE(6, 2, likelihood=GaussianDiagonal(7))
    with pytest.raises(ShapeError, match="given rows of 6 numbers; expected 7"):
        GaussianDiagonal(7).forward(np.zeros((1, 6)), np.zeros((1, 6)))
    for columns in (0, -1, 2.5, None, True):
        with pytest.raises(ConfigError, match="columns="):
            GaussianDiagonal(columns)


@pytest.mark.slow
def test_a_table_of_200_numbers_costs_little_more_than_one_likelihood():
    x = normal(0, 512, 200)
    seconds = {}
    for name, likelihood in (("one", GaussianLearned()), ("mixed", Mixed([(GaussianDiagonal(200), 200)]))):
        trainer = sv.Trainer(sv.VAE(200, 4, (64,), likelihood=likelihood, scale="none"))
        trainer.fit(x, 2)
        times = []
        for _ in range(15):
            start = time.perf_counter()
            trainer.fit(x, 5)
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    assert seconds["mixed"] < 2 * seconds["one"], seconds
