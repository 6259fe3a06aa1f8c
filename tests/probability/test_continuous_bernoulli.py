"""Tests of the continuous Bernoulli: near ½, at large logits and against SciPy's truncated exponential."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from scipy import integrate, stats
from strategies import batches, normal, seeds, uniform, widths

import scratchvae as sv
from scratchvae.errors import RangeError
from scratchvae.kernels.continuous_bernoulli import SERIES_BELOW
from scratchvae.probability import ContinuousBernoulli

LOGITS = np.array([-1000.0, -30.0, -2.0, -SERIES_BELOW, -0.1, -1e-7, 0.0, 1e-7, 0.1, SERIES_BELOW, 2.0, 30.0, 1000.0])


def means(logits):
    return ContinuousBernoulli().mean(logits[None], np.empty((1, len(logits)), logits.dtype))[0]


# exp(x t) on [0, 1] is, for t < 0, an exponential of rate −t truncated at 1
@given(seed=seeds, rows=batches, width=widths)
def test_the_log_likelihood_equals_that_of_a_truncated_exponential(seed, rows, width):
    x, logits = uniform(seed, rows, width), -np.abs(5 * normal(seed, rows, width)) - 0.3
    exact = stats.truncexpon(b=-logits, scale=-1 / logits).logpdf(x).sum(axis=1)
    likelihood = ContinuousBernoulli()
    np.testing.assert_allclose(likelihood.forward(logits, x), exact, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(likelihood.forward(-logits, 1 - x), exact, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("logit", LOGITS)
def test_the_density_integrates_to_one_and_to_the_mean(logit):
    likelihood, logits = ContinuousBernoulli(), np.array([[logit]])

    def density(x):
        return float(np.exp(likelihood.forward(logits, np.array([[x]])))[0])

    breakpoints = sorted({0.0, 0.01, 0.1, 0.9, 0.99, 1.0})
    integrals = [
        [integrate.quad(lambda x, k=k: x**k * density(x), a, b, epsabs=1e-13)[0] for k in (0, 1)]
        for a, b in pairwise(breakpoints)
    ]
    mass, mean = np.sum(integrals, axis=0)
    assert mass == pytest.approx(1.0, abs=1e-10)
    assert means(logits[0])[0] == pytest.approx(mean, abs=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_the_mean_is_continuous_where_the_series_begins_and_increasing(dtype):
    eps = float(np.finfo(dtype).eps)
    limit = np.dtype(dtype).type(SERIES_BELOW)
    around = np.array([np.nextafter(limit, 0), np.nextafter(limit, 1), limit])
    assert np.ptp(means(around).astype("longdouble")) < max(16 * eps, 1e-17)
    grid = np.linspace(-2, 2, 4001).astype(dtype)
    assert (np.diff(means(grid)) > 0).all()
    ends = means(np.array([-1e4, 1e4], dtype)).astype("float64")
    np.testing.assert_allclose(ends, [1e-4, 1 - 1e-4], rtol=8 * eps, atol=4 * eps)
    np.testing.assert_allclose((means(grid) + means(-grid)).astype("float64"), 1.0, rtol=4 * eps)


# A long double wider than a double has a mantissa of at least 64 bits, enough to measure a double's rounding
@pytest.mark.skipif(np.finfo("longdouble").eps > 1e-18, reason="a long double is a double here")
def test_mean_and_density_are_accurate_to_the_last_digits_in_double_precision():
    logits = np.concatenate([np.linspace(-40, 40, 1001), np.logspace(-12, 0, 100)])[:, None]
    x = uniform(0, *logits.shape)
    single, wide = ContinuousBernoulli(), ContinuousBernoulli()
    t = logits.astype("longdouble")
    # the definition is accurate in long double unless t is small
    far = np.abs(logits) > 0.1
    defined = (1 / (-np.expm1(-t[far])) - 1 / t[far]).astype("float64")
    np.testing.assert_allclose(single.mean(logits, np.empty_like(logits))[far], defined, rtol=3e-15, atol=4e-16)
    near = ~far
    tiny = t[near]
    series = 0.5 + tiny / 12 - tiny**3 / 720 + tiny**5 / 30240 - tiny**7 / 1209600
    np.testing.assert_allclose(single.mean(logits, np.empty_like(logits))[near], series.astype("float64"), rtol=3e-16)
    log_likelihood = single.forward(logits, x)
    np.testing.assert_allclose(
        log_likelihood, wide.forward(t, x.astype("longdouble")).astype("float64"), rtol=2e-15, atol=4e-16
    )


@pytest.mark.parametrize("pixel", [0.0, 1.0])
def test_all_black_and_all_white_rows_are_finite_and_exact(pixel):
    logits = (1 - 2 * pixel) * np.array([[-1000.0, -1.0, 1.0, 1000.0]])
    small = np.log(np.expm1(1.0))
    exact = np.log(1000) - np.log(1 - np.exp(-1.0)) - small - (1000 - np.log(1000))
    np.testing.assert_allclose(ContinuousBernoulli().forward(logits, np.full((1, 4), pixel)), exact, rtol=1e-13)


def test_mean_does_not_change_the_backward_of_the_last_forward():
    likelihood, logits, x = ContinuousBernoulli(), normal(0, 3, 4), uniform(1, 3, 4)
    likelihood.forward(logits, x)
    expected = likelihood.backward(np.ones(3)).copy()
    likelihood.mean(normal(2, 3, 4), np.empty((3, 4)))
    assert np.array_equal(likelihood.backward(np.ones(3)), expected)


def test_a_model_of_grey_values_refuses_values_outside_0_to_1_and_starts_at_the_mean():
    vae = sv.VAE(5, 2, (8,), likelihood="continuous_bernoulli", dtype="float64")
    with pytest.raises(RangeError, match="0 to 1"):
        vae.elbo(np.full((2, 5), 1.5))
    vae.initialize_output_bias(np.array([0.0, 0.05, 0.3, 0.5, 1.0]))
    np.testing.assert_allclose(vae.decode(np.zeros((1, 2)))[0], [0.05, 0.05, 0.3, 0.5, 0.95], rtol=1e-12)
    x = uniform(0, 64, 5) ** 3
    before = vae.elbo(x).value.mean()
    sv.Trainer(vae, lr=1e-2).fit(x, 20)
    assert vae.elbo(x).value.mean() > before
    assert (vae.decode(normal(0, 9, 2)) >= 0).all() and (vae.decode(normal(0, 9, 2)) <= 1).all()


def test_the_density_is_1_everywhere_at_a_logit_of_zero():
    x = uniform(0, 4, 50)
    assert (ContinuousBernoulli().forward(np.zeros_like(x), x) == 0.0).all()
    near = ContinuousBernoulli().forward(np.full_like(x, 1e-9), x)
    np.testing.assert_allclose(near, 1e-9 * (x - 0.5).sum(axis=1), atol=50 * 1.2e-16)
