"""Tests of the closed-form KL: against its integral and at large log-variances."""

import numpy as np
import pytest
from scipy import integrate, stats
from strategies import normal

from scratchvae.probability import GaussianKL


def test_gradients_are_scaled_by_dkl_per_row_or_per_dimension():
    divergence, mu, logvar = GaussianKL(), normal(0, 3, 2), normal(1, 3, 2)
    divergence.forward(mu, logvar)
    for dkl in (normal(2, 3), normal(3, 3, 2)):
        scale = dkl[:, None] if dkl.ndim == 1 else dkl
        dmu, dlogvar = divergence.backward(dkl)
        np.testing.assert_allclose(dmu, scale * mu, rtol=1e-15)
        np.testing.assert_allclose(dlogvar, scale * np.expm1(logvar) / 2, rtol=1e-15)


@pytest.mark.parametrize(("mu", "logvar"), [(0.3, -1.2), (-2.0, 0.5), (1.0, 0.0)])
def test_kl_equals_the_integral_of_its_definition(mu, logvar):
    q, p = stats.norm(mu, np.exp(logvar / 2)), stats.norm()
    integral, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -15, 15, epsabs=1e-12)
    kl = GaussianKL().forward(np.array([[mu]]), np.array([[logvar]]))
    np.testing.assert_allclose(kl, integral, rtol=1e-9)


def test_kl_per_dimension_sums_to_kl_and_is_never_negative():
    divergence = GaussianKL()
    kl = divergence.forward(normal(0, 50, 4), 3 * normal(1, 50, 4))
    np.testing.assert_allclose(divergence.per_dimension.sum(axis=1), kl)
    assert (divergence.per_dimension >= 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bug08_nothing_is_clipped_at_log_variances_of_50(dtype):
    mu = np.zeros((3, 1), dtype)
    logvar = np.array([[-50.0], [0.0], [50.0]], dtype)
    divergence = GaussianKL()
    eps = np.finfo(dtype).eps
    exact = (np.exp(logvar.astype("float64")) - 1 - logvar) / 2
    np.testing.assert_allclose(divergence.forward(mu, logvar), exact[:, 0], rtol=8 * eps)
    _, dlogvar = divergence.backward(np.ones(3, dtype))
    np.testing.assert_allclose(dlogvar, np.expm1(logvar.astype("float64")) / 2, rtol=8 * eps)


def test_the_kl_is_accurate_close_to_the_prior():
    logvar = np.array([[1e-6]])
    exact = logvar[0, 0] ** 2 / 4 * (1 + logvar[0, 0] / 3)
    np.testing.assert_allclose(GaussianKL().forward(np.zeros((1, 1)), logvar), exact, rtol=1e-9)


def test_one_row_gives_one_value():
    assert GaussianKL().forward(np.zeros((1, 3)), np.zeros((1, 3))).shape == (1,)
