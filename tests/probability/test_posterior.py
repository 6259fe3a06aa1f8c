"""Tests of the posterior: its parameters, the log-density of a draw, and its gradients."""

import numpy as np
import pytest
from hypothesis import given
from scipy import stats
from strategies import batches, normal, seeds, widths

from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.gradcheck import check
from scratchvae.probability import DiagonalGaussian, Posterior, Reparameterize


@given(seed=seeds, rows=batches, width=widths)
def test_a_diagonal_gaussian_draws_mu_plus_sigma_eps_and_returns_its_log_density(seed, rows, width):
    h, eps = normal(seed, rows, 2 * width), normal(seed + 1, rows, width)
    mu, sigma = h[:, :width], np.exp(h[:, width:] / 2)
    posterior = DiagonalGaussian()
    z = posterior.forward(h, eps)
    np.testing.assert_allclose(z, mu + sigma * eps, rtol=1e-13, atol=1e-15)
    exact = stats.norm(mu, sigma).logpdf(mu + sigma * eps).sum(axis=1)
    np.testing.assert_allclose(posterior.log_prob(), exact, rtol=1e-9, atol=1e-10)


def test_the_parameters_are_mu_and_logvar_and_the_mean_is_mu():
    posterior, h = DiagonalGaussian(), normal(0, 4, 6)
    mu, logvar = posterior.parameters(h)
    assert np.array_equal(np.hstack([mu, logvar]), h) and np.array_equal(posterior.mean(h), h[:, :3])
    eps = normal(1, 4, 3)
    z = posterior.draw((h[:, :3], h[:, 3:]), eps)
    np.testing.assert_allclose(z, posterior.forward(h, eps), rtol=1e-14)
    assert not np.shares_memory(z, posterior.forward(h, eps))
    assert (posterior.outputs(3), posterior.noise(3), posterior.output_shape((6,))) == (6, 3, (3,))
    with pytest.raises(ShapeError, match="DiagonalGaussian was given rows of width 5; expected 2 numbers for each"):
        DiagonalGaussian().forward(normal(0, 4, 5), eps)


# ∂/∂h and ∂/∂ε of Σ dz·z + Σ dlog_q·log q + Σ dμ·μ + Σ dℓ·log σ², all at once
@given(seed=seeds, rows=batches, width=widths)
def test_backward_sums_the_gradients_of_z_log_q_and_the_parameters(seed, rows, width):
    posterior = DiagonalGaussian()

    def forward(h, eps):
        z = posterior.forward(h, eps).copy()
        return np.hstack([z, posterior.log_prob()[:, None], h])

    def backward(upstream, h, eps):
        dz, dlog_q, dparameters = np.split(upstream, [width, width + 1], axis=1)
        dz, dlog_q = np.ascontiguousarray(dz), dlog_q[:, 0].copy()
        dmu, dlogvar = (half.copy() for half in np.split(dparameters, 2, axis=1))
        return posterior.backward(dz, dlog_q, (dmu, dlogvar)).copy(), posterior.backward_noise(dz, dlog_q).copy()

    h, eps = normal(seed, rows, 2 * width), normal(seed + 1, rows, width)
    assert check(forward, backward, h, eps), check(forward, backward, h, eps)


def test_omitted_gradients_count_as_zero():
    posterior, h, eps, dz = DiagonalGaussian(), normal(0, 4, 6), normal(1, 4, 3), normal(2, 4, 3)
    posterior.forward(h, eps)
    expected = posterior.backward(dz).copy()
    draw = Reparameterize()
    draw.forward(h[:, :3].copy(), h[:, 3:].copy(), eps)
    np.testing.assert_allclose(expected, np.hstack(draw.backward(dz)), rtol=1e-15)
    zeros = np.zeros((4, 3))
    assert np.array_equal(posterior.backward(dz, np.zeros(4), (zeros, zeros)), expected)
    np.testing.assert_allclose(posterior.backward_noise(dz), draw.backward_noise(dz), rtol=1e-15)


def test_wrong_shapes_and_calls_before_forward_are_refused():
    posterior, dz = DiagonalGaussian(), normal(2, 4, 3)
    with pytest.raises(ShapeError, match="log_prob was called before forward; call forward first"):
        posterior.log_prob()
    posterior.forward(normal(0, 4, 6), normal(1, 4, 3))
    for back in (posterior.backward, posterior.backward_noise):
        with pytest.raises(ShapeError, match=r"dz of shape \(4, 2\); expected \(4, 3\)"):
            back(dz[:, :2])
        for wrong in (np.ones(3), np.ones((4, 1)), np.ones((4, 3))):
            with pytest.raises(ShapeError, match=r"dlog_q of shape .*; expected \(4,\)"):
                back(dz, wrong)
        with pytest.raises(DTypeError, match="dlog_q of dtype float32"):
            back(dz, np.ones(4, "float32"))


class Shifted(Posterior):
    """z = h + (ε₁ + ε₂)/√2, with one output and two noise values per dimension."""

    outputs_per_latent = 1
    noise_per_latent = 2

    def forward(self, h, eps):
        return h + (eps[:, : h.shape[1]] + eps[:, h.shape[1] :]) / 2**0.5

    def backward(self, dz, dlog_q=None):
        return dz


def test_a_custom_posterior_inherits_mean_parameters_and_draw():
    posterior, h, eps = Shifted(), normal(0, 4, 3), normal(1, 4, 6)
    assert (posterior.outputs(3), posterior.noise(3), posterior.output_shape((3,))) == (3, 6, (3,))
    assert np.array_equal(posterior.mean(h), h)
    assert posterior.mean(h.astype("float32")).dtype == np.float32
    (parameters,) = posterior.parameters(h)
    assert parameters is h
    assert np.array_equal(posterior.draw((h,), eps), posterior.forward(h, eps))


@pytest.mark.parametrize(
    ("call", "method"),
    [
        (lambda posterior: posterior.log_prob(), "log_prob()"),
        (lambda posterior: posterior.backward_noise(normal(0, 4, 3)), "backward_noise(dz, dlog_q)"),
    ],
)
def test_a_method_that_a_custom_posterior_lacks_is_named_in_the_error(call, method):
    with pytest.raises(ConfigError) as refusal:
        call(Shifted())
    assert str(refusal.value).startswith(f"Shifted has no {method}") and "write it in the class" in str(refusal.value)
