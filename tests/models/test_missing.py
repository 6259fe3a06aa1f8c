"""A model of incomplete rows: NaN marks missing values, which have no effect on training."""

import numpy as np
import pytest
from strategies import in_support, normal, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, RangeError
from scratchvae.models import input_validation
from scratchvae.models.parts import LIKELIHOODS

HIDDEN = uniform(7, 30, 6) < 0.4
X = np.where(HIDDEN, np.nan, uniform(3, 30, 6))
KINDS = pytest.mark.parametrize("kind", [sv.VAE, sv.IWAE, sv.Autoencoder])


@KINDS
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_complete_rows_give_the_same_numbers_with_missing(kind, likelihood):
    plain_model = kind(6, 2, (5,), likelihood=likelihood, dtype="float64")
    other = kind(**{**plain_model.config, "missing": True})
    other.theta[...] = plain_model.theta
    x, eps = in_support(likelihood, uniform(3, 4, 6)), normal(0, 4, plain_model.noise_dim)
    for ours, plain in zip(other.terms(x, eps), plain_model.terms(x, eps), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-13, atol=1e-13)
    (loss, grads), (plain_loss, plain_grads) = (model.loss_and_grads(x, eps) for model in (other, plain_model))
    assert loss == pytest.approx(plain_loss, rel=1e-13)
    for name, grad in plain_grads.items():
        np.testing.assert_allclose(grads[name], grad, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(other.reconstruct(x), plain_model.reconstruct(x))
    assert not plain_model.config["missing"] and other.config["missing"]


@KINDS
def test_missing_values_have_no_gradient(kind):
    model = kind(6, 2, (), missing=True, dtype="float64")
    x = X[:8].copy()
    x[:, 4] = np.nan  # a column without observed values
    x[:, 0] = 0.5
    _, grads = model.loss_and_grads(x)
    assert not grads["decoder.0.W"][:, 4].any() and not grads["decoder.0.b"][4] and not grads["encoder.0.W"][4].any()
    assert grads["decoder.0.W"][:, 0].all() and grads["encoder.0.W"][0].all()


def test_the_terms_of_a_row_are_those_of_its_observed_values():
    vae = sv.VAE(6, 2, (), missing=True, dtype="float64")
    narrow = sv.VAE(3, 2, (), dtype="float64")
    for name, view in narrow.params.items():
        parameter = vae.params[name]
        view[...] = (
            parameter[:3] if name == "encoder.0.W" else parameter[..., :3] if name.startswith("dec") else parameter
        )
    x, eps = uniform(1, 5, 6), normal(2, 5, 2)
    x[:, 3:] = np.nan
    for ours, theirs in zip(vae.elbo(x, eps), narrow.elbo(x[:, :3], eps), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_a_row_without_observed_values_has_log_likelihood_zero():
    terms = sv.VAE(6, 2, (5,), missing=True).elbo(np.full((2, 6), np.nan))
    assert not terms.reconstruction.any()


@KINDS
@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_training_and_score_on_incomplete_rows_agree_on_every_backend(kind, binarize):
    losses, thetas = [], []
    for backend in ("numpy", FAKE_CUPY):
        model = kind(6, 2, (5,), missing=True, dtype="float64", backend=backend)
        trainer = sv.Trainer(model, batch_size=8, seed=1, binarize=binarize, lr=1e-2)
        history = trainer.fit(X, 3, validation=X[:7])
        trainer.step(X[:5])
        losses.append([*history.loss, history.epochs[-1].validation])
        thetas.append(to_numpy(model.theta).copy())
    assert np.isfinite(thetas[0]).all() and np.isfinite(losses[0]).all()
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-10)
    np.testing.assert_allclose(thetas[1], thetas[0], atol=1e-9)


def test_the_mean_of_the_data_ignores_missing_values(monkeypatch):
    monkeypatch.setattr(input_validation, "CHUNK_BYTES", 13 * 8 * 6)
    mean = np.empty(6)
    model = sv.VAE(6, 2, (), missing=True)
    model.check_data(X, "x", mean)
    np.testing.assert_allclose(mean, np.nanmean(X, axis=0), rtol=1e-13)


def test_nan_is_accepted_only_with_missing():
    vae = sv.VAE(6, 2, (4,), missing=True)
    for refused in (np.where(HIDDEN, np.inf, X), np.where(HIDDEN, -1.1, X), np.where(HIDDEN, 2.1, X)):
        with pytest.raises(RangeError):
            vae.encode(refused)
    with pytest.raises(RangeError, match="make the model with missing=True"):
        sv.VAE(6, 2, (4,)).encode(X)
    empty = X.copy()
    empty[:, 3] = np.nan
    with pytest.raises(RangeError, match="images has no observed value in column 4"):
        sv.Trainer(vae).fit(empty, 1)
    with pytest.raises(ConfigError, match="missing=1: expected True or False"):
        sv.VAE(6, 2, missing=1)


def test_the_place_of_an_infinite_value_is_told_where_nan_is_accepted():
    x = np.array([[np.nan, 0.5], [0.5, np.inf]])
    with pytest.raises(RangeError, match="the first in row 2, column 2"):
        sv.VAE(2, 1, (), missing=True).elbo(x)


def test_missing_is_saved_and_loaded(tmp_path):
    model = sv.IWAE(6, 2, (4,), missing=True, importance_samples=3)
    sv.save(model, tmp_path / "model.npz")
    loaded = sv.load(tmp_path / "model.npz")
    assert type(loaded) is sv.IWAE and loaded.config == model.config and loaded.importance_samples == 3
    assert np.array_equal(loaded.elbo(X).value, model.elbo(X).value)
