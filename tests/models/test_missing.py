"""A model of rows that are not all there: NaN marks what is missing, and nothing is learnt of it."""

import numpy as np
import pytest
from fake_cupy import FAKE_CUPY
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.errors import ConfigError, RangeError
from scratchvae.models import input_validation
from scratchvae.models.parts import LIKELIHOODS

HIDDEN = uniform(7, 30, 6) < 0.4
X = np.where(HIDDEN, np.nan, uniform(3, 30, 6))
KINDS = pytest.mark.parametrize("kind", [sv.VAE, sv.IWAE, sv.Autoencoder])


@KINDS
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_with_nothing_missing_it_is_the_same_model(kind, likelihood):
    whole = kind(6, 2, (5,), likelihood=likelihood, dtype="float64")
    other = kind(**{**whole.config, "missing": True})
    other.theta[...] = whole.theta
    x, eps = uniform(3, 4, 6), normal(0, 4, whole.noise_dim)
    for ours, plain in zip(other.terms(x, eps), whole.terms(x, eps), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-13, atol=1e-13)
    (loss, grads), (plain_loss, plain_grads) = (model.loss_and_grads(x, eps) for model in (other, whole))
    assert loss == pytest.approx(plain_loss, rel=1e-13)
    for name, grad in plain_grads.items():
        np.testing.assert_allclose(grads[name], grad, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(other.reconstruct(x), whole.reconstruct(x))
    assert not whole.config["missing"] and other.config["missing"]


@KINDS
def test_what_is_missing_is_learnt_from_neither_its_value_nor_its_weights(kind):
    model = kind(6, 2, (), missing=True, dtype="float64")
    x = X[:8].copy()
    x[:, 4] = np.nan  # a column that no row has
    x[:, 0] = 0.5
    _, grads = model.loss_and_grads(x)
    assert not grads["decoder.0.W"][:, 4].any() and not grads["decoder.0.b"][4] and not grads["encoder.0.W"][4].any()
    assert grads["decoder.0.W"][:, 0].all() and grads["encoder.0.W"][0].all()


def test_the_terms_of_a_row_are_those_of_what_is_there_alone():
    vae = sv.VAE(6, 2, (), missing=True, dtype="float64")
    few = sv.VAE(3, 2, (), dtype="float64")
    for name, view in few.params.items():
        given = vae.params[name]
        view[...] = given[:3] if name == "encoder.0.W" else given[..., :3] if name.startswith("dec") else given
    x, eps = uniform(1, 5, 6), normal(2, 5, 2)
    x[:, 3:] = np.nan
    for ours, theirs in zip(vae.elbo(x, eps), few.elbo(x[:, :3], eps), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_a_row_with_nothing_in_it_has_a_likelihood_of_one():
    terms = sv.VAE(6, 2, (5,), missing=True).elbo(np.full((2, 6), np.nan))
    assert not terms.reconstruction.any()


@KINDS
@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_it_trains_and_is_scored_on_rows_that_are_not_all_there_on_any_device(kind, binarize):
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


def test_the_output_begins_at_the_mean_of_what_is_there(monkeypatch):
    monkeypatch.setattr(input_validation, "CHUNK_BYTES", 13 * 8 * 6)
    mean = np.empty(6)
    model = sv.VAE(6, 2, (), missing=True)
    model.check_data(X, "x", mean)
    np.testing.assert_allclose(mean, np.nanmean(X, axis=0), rtol=1e-13)


def test_nan_is_let_in_only_where_it_was_said_that_it_marks_something():
    vae = sv.VAE(6, 2, (4,), missing=True)
    for refused in (np.where(HIDDEN, np.inf, X), np.where(HIDDEN, -1.0, X), np.where(HIDDEN, 1.5, X)):
        with pytest.raises(RangeError):
            vae.encode(refused)
    with pytest.raises(RangeError, match="make the model with missing=True"):
        sv.VAE(6, 2, (4,)).encode(X)
    empty = X.copy()
    empty[:, 3] = np.nan
    with pytest.raises(RangeError, match="images has no observed value in column 3"):
        sv.Trainer(vae).fit(empty, 1)
    with pytest.raises(ConfigError, match="missing=1: expected True or False"):
        sv.VAE(6, 2, missing=1)


def test_it_is_saved_and_read_with_what_it_is(tmp_path):
    model = sv.IWAE(6, 2, (4,), missing=True, importance_samples=3)
    sv.save(model, tmp_path / "model.npz")
    again = sv.load(tmp_path / "model.npz")
    assert type(again) is sv.IWAE and again.config == model.config and again.importance_samples == 3
    assert np.array_equal(again.elbo(X).value, model.elbo(X).value)
