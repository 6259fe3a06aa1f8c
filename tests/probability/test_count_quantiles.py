"""Tests of the quantiles of counts against SciPy, in both tails."""

import numpy as np
import pytest
from scipy import stats

from scratchvae.probability.count_quantiles import count_quantiles, distribution_tails

EPS = np.concatenate([np.random.default_rng(0).standard_normal(400), np.arange(-6.0, 6.5, 0.5)])
MEANS = [1e-3, 0.5, 3.0, 30.0, 60.0, 150.0, 1e3, 1e5]
DISPERSIONS = [6.2e-6, 1e-3, 0.1, 1.0, 7.0, 50.0, 1e3, 1e6]


def expected(distribution, eps):
    """The quantiles of Φ(eps), in the upper tail by the survival function, which is accurate there."""
    return np.where(eps < 0, distribution.ppf(stats.norm.cdf(eps)), distribution.isf(stats.norm.sf(eps)))


@pytest.mark.parametrize("mean", [*MEANS, 1e6])
def test_the_quantiles_of_a_poisson_distribution_are_exact(mean):
    actual = count_quantiles(np.full(EPS.shape, np.log(mean)), None, EPS)
    assert np.array_equal(actual, expected(stats.poisson(mean), EPS))


@pytest.mark.parametrize("r", DISPERSIONS)
@pytest.mark.parametrize("mean", MEANS)
def test_the_quantiles_of_a_negative_binomial_distribution_are_exact(mean, r):
    actual = count_quantiles(np.full(EPS.shape, np.log(mean)), np.full(EPS.shape, np.log(r)), EPS)
    exact = expected(stats.nbinom(r, r / (r + mean)), EPS)
    # among counts of millions, the probabilities of neighbours differ in the last digits of SciPy and of ours
    assert (np.abs(actual - exact) <= 1e-6 * exact).all()
    assert (actual == exact)[exact < 1e5].all()


@pytest.mark.parametrize("log_r", [None, np.log(1e10)])
def test_entries_of_very_different_sizes_are_solved_side_by_side(log_r):
    log_mean = np.repeat(np.log([1e-3, 2.0, 1e3, 1e6]), 100)
    eps = np.random.default_rng(1).standard_normal(400)
    r = None if log_r is None else np.full(400, log_r)
    actual = count_quantiles(log_mean, r, eps)
    mean = np.exp(log_mean)
    distribution = stats.poisson(mean) if log_r is None else stats.nbinom(1e10, 1e10 / (1e10 + mean))
    assert np.array_equal(actual, expected(distribution, eps))


@pytest.mark.parametrize("mean", [0.5, 20.0, 1e3, 1e5])
def test_the_tails_of_a_poisson_distribution_have_ten_digits(mean):
    k = np.unique(np.maximum(np.rint(mean + np.sqrt(mean) * np.linspace(-6, 7, 27)), 0.0))
    tail, is_lower, f = distribution_tails(k, np.full(k.shape, np.log(mean)), None)
    exact = np.where(is_lower, stats.poisson.cdf(k, mean), stats.poisson.sf(k, mean))
    np.testing.assert_allclose(tail, exact, rtol=1e-9)
    np.testing.assert_allclose(f, stats.poisson.pmf(k, mean), rtol=1e-9)


def test_the_largest_means_are_solved_too():
    log_mean = np.array([27.0, 60.0, 70.0, 70.0])  # the last three are 27, the largest
    counts = count_quantiles(log_mean, None, np.array([0.0, 0.0, 3.0, -3.0]))
    assert (np.abs(counts / np.exp(27.0) - 1) < 1e-5).all()
    spread = count_quantiles(log_mean, np.array([-12.0, -12.0, 0.0, 0.0]), np.array([0.0, 5.0, 0.0, 0.0]))
    assert spread[0] == 0 and spread[1] > np.exp(27.0)
    assert spread[2] == pytest.approx(np.log(2) * np.exp(27.0), rel=1e-6)
