"""The draw: its gradient at fixed noise, and the statistics of what comes out."""

import autograd.numpy as anp
import numpy as np
import oracle
import pytest
from drawing import batches, normal, relative_error, seeds, widths
from hypothesis import given

from scratchvae.errors import ShapeError
from scratchvae.gradcheck import check
from scratchvae.probability import Reparameterize

# A normal statistic is farther than 5.5 standard errors off once in 3e7 draws.
FAR = 5.5


def draw(mu, logvar, count=200_000, seed=0):
    eps = normal(seed, count, len(mu))
    return Reparameterize().forward(np.tile(mu, (count, 1)), np.tile(logvar, (count, 1)), eps)


@given(batches, widths, seeds)
def test_bug02_gradients_at_fixed_noise_agree_with_autograd_and_finite_differences(batch, width, seed):
    sampler = Reparameterize()
    sampler.forward(*(normal(seed + k, batch + 2, width) for k in range(3)))
    inputs = [normal(seed + k, batch, width) for k in range(3)]

    def backward(dz, *inputs):
        sampler.forward(*inputs)
        return *sampler.backward(dz), sampler.backward_noise(dz)

    dz = normal(seed + 9, batch, width)
    expected = oracle.vjp(lambda mu, logvar, eps: mu + anp.sqrt(anp.exp(logvar)) * eps, dz, *inputs)
    for given_, expected_ in zip(backward(dz, *inputs), expected, strict=True):
        assert relative_error(given_, expected_) <= 1e-12
    assert check(lambda *inputs: sampler.forward(*inputs).copy(), backward, *inputs, seed=seed).worst <= 1e-9


def test_bug01_bug18_draws_have_the_mean_and_the_standard_deviation_that_were_asked_for():
    mu, sigma = np.array([0.0, -3.0, 10.0]), np.array([0.5, 0.01, 4.0])
    z = draw(mu, 2 * np.log(sigma))
    n = len(z)
    assert (np.abs(z.mean(axis=0) - mu) < FAR * sigma / np.sqrt(n)).all()
    assert (np.abs(z.std(axis=0) / sigma - 1) < FAR / np.sqrt(2 * n)).all()


def test_bug07_rows_and_dimensions_are_drawn_independently():
    z = draw(np.zeros(4), np.zeros(4))
    n = len(z)
    across = np.corrcoef(z.T)[np.triu_indices(4, 1)]
    assert (np.abs(across) < FAR / np.sqrt(n)).all()
    neighbours = (z[1:] * z[:-1]).mean(axis=0)
    assert (np.abs(neighbours) < FAR / np.sqrt(n)).all()
    assert len(np.unique(z[:, 0])) == n


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_variances_of_50_either_way_are_drawn_and_differentiated_exactly(dtype):
    mu, eps = np.zeros((1, 2), dtype), np.ones((1, 2), dtype)
    sampler = Reparameterize()
    z = sampler.forward(mu, np.array([[-50.0, 50.0]], dtype), eps)
    np.testing.assert_allclose(z[0], [np.exp(-25.0), np.exp(25.0)], rtol=4 * np.finfo(dtype).eps)
    dmu, dlogvar = sampler.backward(np.ones_like(mu))
    np.testing.assert_allclose(dlogvar, z / 2, rtol=4 * np.finfo(dtype).eps)
    assert (dmu == 1).all()


def test_noise_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match="eps"):
        Reparameterize().forward(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((1, 2)))
