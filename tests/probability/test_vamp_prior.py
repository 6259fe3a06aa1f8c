"""Tests of the VampPrior, whose density depends on the weights of the encoder."""

import copy

import numpy as np
import pytest
from hypothesis import given
from scipy import special, stats
from strategies import normal, seeds, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.probability import VampPrior


def model(seed=0, rows=5, **settings):
    settings = {"hidden": (4,), "activation": "tanh", "dtype": "float64", **settings}
    return sv.VAE(6, 2, prior=VampPrior(uniform(seed, rows, 6)), **settings)


@given(seeds)
def test_the_density_is_the_mean_of_the_posteriors_of_the_pseudo_inputs(seed):
    vae, z = model(seed), normal(seed + 1, 3, 2)
    vae.ensure_capacity(3)
    mu, logvar = vae.encode(vae.prior.u)
    of_each = stats.norm(mu[:, None], np.exp(logvar / 2)[:, None]).logpdf(z).sum(axis=2)
    np.testing.assert_allclose(vae.prior.forward(z), special.logsumexp(of_each, axis=0) - np.log(5), rtol=1e-11)


def test_the_gradient_of_the_encoder_has_both_ways_and_the_data_are_encoded_as_before():
    vae, x, eps = model(), uniform(1, 4, 6), normal(2, 4, 2)
    loss, grads = vae.loss_and_grads(x, eps)
    grads = {name: gradient.copy() for name, gradient in grads.items()}
    h = 1e-6
    for name in ("encoder.0.W", "encoder.2.b", "prior.u"):
        array = vae.params[name]
        array.flat[1] += h
        above = vae.loss_and_grads(x, eps)[0]
        array.flat[1] -= 2 * h
        below = vae.loss_and_grads(x, eps)[0]
        array.flat[1] += h
        assert grads[name].flat[1] == pytest.approx((above - below) / (2 * h), rel=1e-6)
    assert vae.loss_and_grads(x, eps)[0] == loss


def test_many_forwards_at_fixed_weights_encode_the_pseudo_inputs_once(monkeypatch):
    vae, z = model(), normal(3, 4, 2)
    vae.ensure_capacity(4)
    fixed, calls = vae.prior.at_fixed_weights(), []
    assert np.array_equal(fixed.forward(z), vae.prior.forward(z))
    forward = VampPrior._posteriors
    monkeypatch.setattr(VampPrior, "_posteriors", lambda self: calls.append(1) or forward(self))
    estimate = sv.evaluation.log_likelihood(vae, uniform(1, 3, 6), samples=5000)
    assert len(calls) == 1 and np.isfinite(estimate.rows).all()


def test_training_moves_the_pseudo_inputs_and_a_copy_has_them():
    vae, x = model(dtype="float32", rows=8), uniform(1, 64, 6).round()
    before = vae.prior.u.copy()
    sv.Trainer(vae, batch_size=16).fit(x, epochs=2)
    assert np.all(np.any(vae.prior.u != before, axis=1))
    other = copy.deepcopy(vae)
    assert np.array_equal(other.prior.u, vae.prior.u) and not np.shares_memory(other.theta, vae.theta)
    vae.params["encoder.0.W"][...] = 0
    assert not np.array_equal(other.sample(3), vae.sample(3))  # the prior of the copy has the encoder of the copy


def test_a_loaded_model_goes_on_with_the_same_bits(tmp_path):
    x, losses = uniform(1, 40, 6).round(), []
    vae = model(dtype="float32")
    sv.Trainer(vae, batch_size=8).fit(x, epochs=1)
    sv.save(vae, tmp_path / "vae.npz")
    for trained in (vae, sv.load(tmp_path / "vae.npz")):
        losses.append(sv.Trainer(trained, batch_size=8).fit(x, epochs=2).loss)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("settings", [{"architecture": "conv", "image_shape": (4, 5)}, {"missing": True}], ids=str)
def test_convolutions_and_missing_data(settings):
    x = uniform(1, 32, 20).round().astype(np.float32)
    if "missing" in settings:
        x[::2, :2] = np.nan
    vae = sv.VAE(20, 2, prior=VampPrior(uniform(0, 5, 20)), **settings)
    history = sv.Trainer(vae, batch_size=8).fit(x, epochs=3)
    assert np.isfinite(history.loss).all() and np.isfinite(sv.evaluation.log_likelihood(vae, x, samples=10).rows).all()


def test_bad_arguments_are_refused_with_what_to_do():
    with pytest.raises(DTypeError, match=r"pseudo_inputs have dtype uint8; expected floats.*bytes are divided by 255"):
        VampPrior(np.zeros((3, 6), np.uint8))
    for none in (np.zeros((0, 6)), np.zeros(6), np.zeros((2, 3, 4))):
        with pytest.raises(ShapeError, match=r"pseudo_inputs have shape .*expected \(K, D\): at least one row"):
            VampPrior(none)
    with pytest.raises(ConfigError, match="not finite; expected rows without missing values"):
        VampPrior(np.full((2, 6), np.nan))
    with pytest.raises(ConfigError, match="pseudo_inputs of VampPrior have 7 numbers, and the rows of the model 6"):
        sv.VAE(6, 2, prior=VampPrior(np.zeros((3, 7))))
    with pytest.raises(ConfigError, match="needs the density of a DiagonalGaussian at any z"):
        sv.VAE(6, 2, prior=VampPrior(np.zeros((3, 6))), posterior=sv.flows.InverseAutoregressive(2))
    with pytest.raises(ConfigError, match="VampPrior encodes pseudo-inputs, which have no class: use another prior"):
        sv.ConditionalVAE(6, 2, classes=2, prior=VampPrior(np.zeros((3, 6))))
    with pytest.raises(ConfigError, match="needs the encoder of a model"):
        VampPrior(np.zeros((3, 6))).forward(np.zeros((1, 2)))
