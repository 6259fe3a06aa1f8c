"""Tests of the masked network and of the inverse autoregressive flow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds

import scratchvae as sv
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.flows import MADE, InverseAutoregressive
from scratchvae.layers import Layer, Linear, MaskedLinear, Sequential, Tanh


def jacobian(f, x, h=1e-6):
    """∂f/∂x at the row x (I,), (O, I), by central differences."""
    return np.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))], axis=1)


@given(seeds, st.integers(1, 5), st.lists(st.integers(1, 7), max_size=2), st.integers(1, 3), st.integers(0, 3))
def test_an_output_of_made_depends_on_the_inputs_before_it_and_on_the_context(seed, inputs, hidden, outputs, context):
    made = MADE(inputs, tuple(hidden), outputs, context)
    for layer in made.layers[::2]:
        layer.seed = seed
    x = normal(seed, 1, inputs + context)
    made.forward(x)
    changed = jacobian(lambda x: made.forward(x[None])[0].copy(), x[0])
    for p in range(outputs):
        of_z = changed[p * inputs : (p + 1) * inputs, :inputs]
        assert np.all(np.triu(of_z) == 0.0)  # exactly: there is no path
        if not hidden and inputs > 1:
            assert np.all(of_z[np.tril_indices(inputs, -1)] != 0.0)
        if not hidden and context:
            assert np.all(changed[p * inputs : (p + 1) * inputs, inputs:] != 0.0)


@given(seeds, st.integers(1, 4), st.integers(1, 3), st.integers(0, 3))
def test_log_q_is_that_of_the_noise_less_the_log_determinant_by_slogdet(seed, latent, steps, context):
    q = InverseAutoregressive(latent, steps, (6,), context)
    for network in q.networks:
        for layer in network.layers[::2]:
            layer.seed = seed
    h, eps = normal(seed, 1, 2 * latent + context), normal(seed + 1, 1, latent)
    q.forward(h, eps)
    for network in q.networks:  # far from the identity
        for layer in network.layers[::2]:
            layer.W *= 2.0
    q.forward(h, eps)
    log_q = q.log_prob().copy()
    sign, log_det = np.linalg.slogdet(jacobian(lambda eps: q.forward(h, eps[None])[0].copy(), eps[0]))
    assert abs(sign) == 1.0
    np.testing.assert_allclose(log_q, -0.5 * (eps**2 + np.log(2 * np.pi)).sum() - log_det, rtol=1e-7, atol=1e-7)


# Importance weights with an exact density have the mean 1: ∫ p(z) dz = E_q[p(z)/q(z)]. With 40,000 draws of a q wider
# than p, the check is wrong by chance once in 2·10⁸ (6 σ).
def test_the_density_of_a_flow_integrates_to_one():
    q, rows = InverseAutoregressive(2, 2, (8,), 0), 40_000
    for k, network in enumerate(q.networks):
        for layer in network.layers[::2]:
            layer.seed = k
    h = np.tile([0.1, -0.2, 0.8, 0.9], (rows, 1))
    z = q.forward(h, normal(0, rows, 2))
    log_p = -0.5 * (((z - z.mean(axis=0)) / 0.5) ** 2 + np.log(2 * np.pi * 0.25)).sum(axis=1)
    weights = np.exp(log_p - q.log_prob())
    assert abs(weights.mean() - 1) < 6 * weights.std() / np.sqrt(rows) < 0.1


def test_an_extreme_gate_keeps_log_q_finite():
    q = InverseAutoregressive(2, 1, (3,), 0)
    q.forward(np.zeros((1, 4), np.float32), np.zeros((1, 2), np.float32))
    q.networks[0].layers[-1].W[...] = 0
    q.networks[0].layers[-1].b[...] = [0, 0, -200, -200]
    z = q.forward(np.zeros((1, 4), np.float32), np.ones((1, 2), np.float32))
    assert np.isfinite(z).all() and q.log_prob()[0] == pytest.approx(2 * 198 - np.log(2 * np.pi) - 1)


class Parabola(Layer):
    """y = z_1² − z_2: all z on a parabola explain x, so that q(z | x) should be bent."""

    def output_shape(self, input_shape):
        return (1,)

    def forward(self, z):
        self.z = z
        return z[:, :1] ** 2 - z[:, 1:]

    def backward(self, dy):
        return np.hstack([2 * self.z[:, :1] * dy, -dy])


def test_a_flow_fits_a_posterior_that_no_gaussian_fits():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((2000, 2))
    x, bounds = z[:, :1] ** 2 - z[:, 1:] + 0.1 * rng.standard_normal((2000, 1)), []
    for posterior in (None, InverseAutoregressive(2, 2, (32,))):
        encoder = Sequential(Linear(1, 32), Tanh())
        likelihood = sv.probability.Gaussian(0.1)
        vae = sv.VAE(encoder=encoder, decoder=Parabola(), latent_dim=2, likelihood=likelihood, posterior=posterior)
        sv.Trainer(vae, lr=sv.optim.Cosine(1e-2, 60 * 20), batch_size=100).fit(x, epochs=60)
        bounds.append(vae.elbo(x, draws=20).value.mean())
    assert bounds[1] > bounds[0] + 0.2


def test_a_saved_model_has_its_flow(tmp_path):
    vae = sv.VAE(9, 3, (5,), posterior=InverseAutoregressive(3, 2, (4, 4), 2))
    x = np.random.default_rng(0).random((6, 9), np.float32)
    sv.Trainer(vae, batch_size=3).fit(x, epochs=1)
    sv.save(vae, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz")
    assert repr(loaded.posterior) == repr(vae.posterior)
    assert np.array_equal(loaded.elbo(x).value, vae.elbo(x).value) and loaded.embed(x).shape == (6, 3)


def test_bad_arguments_are_refused_with_what_to_do():
    for arguments, message in (
        ((0,), "latent_dim=0"),
        ((2, 0), "steps=0"),
        ((2, 1, 8), "hidden=8: expected a tuple"),
        ((2, 1, (8,), -1), "context=-1"),
    ):
        with pytest.raises(ConfigError, match=message):
            InverseAutoregressive(*arguments)
    with pytest.raises(ShapeError, match=r"InverseAutoregressive\(2\) was given rows of width 9; expected 6: means"):
        InverseAutoregressive(2).forward(np.zeros((1, 9)), np.zeros((1, 2)))
    with pytest.raises(ShapeError, match="log_prob was called before forward"):
        InverseAutoregressive(2).log_prob()
    for degrees in ((), 3, "12"):
        with pytest.raises(ConfigError, match=r"input_degrees=.*expected a whole number for each unit"):
            MaskedLinear(degrees, (1, 2))
    with pytest.raises(ConfigError, match="backward_density"):
        vae = sv.VAE(6, 2, posterior=InverseAutoregressive(2), objective=sv.objectives.StickingTheLanding())
        vae.loss_and_grads(np.zeros((2, 6)), np.zeros((2, 2)))
