"""Tests of the likelihoods of counts: their masses against SciPy and exact sums, their limits and their offset."""

import numpy as np
import pytest
from hypothesis import given
from scipy import stats
from strategies import batches, normal, seeds, widths

from scratchvae.errors import ConfigError
from scratchvae.probability import MaskedLikelihood, NegativeBinomial, Poisson
from scratchvae.probability.count_likelihood import MAX_LOG_RATE
from scratchvae.probability.negative_binomial import MAX_LOG_DISPERSION, MIN_LOG_DISPERSION

KINDS = [Poisson, NegativeBinomial]


def log_dispersion(rho):
    return np.minimum(MIN_LOG_DISPERSION + np.logaddexp(0, rho - MIN_LOG_DISPERSION), MAX_LOG_DISPERSION)


def nbinom(a, rho):
    r = np.exp(log_dispersion(rho))
    return stats.nbinom(r, r / (r + np.exp(a)))


def drawn(seed, rows, width):
    a, rho = 2 * normal(seed, 2, rows, width)
    return a, rho, np.random.default_rng(seed).poisson(np.exp(np.minimum(a + normal(seed + 1, rows, width), 7.0))) * 1.0


def inputs(kind, a, rho):
    return np.hstack([a, rho][: kind.outputs_per_dimension])


@given(seeds, batches, widths)
def test_the_log_mass_of_poisson_is_that_of_scipy(seed, rows, width):
    a, _, x = drawn(seed, rows, width)
    exact = stats.poisson(np.exp(a)).logpmf(x)
    actual = Poisson().forward(a, x)
    assert (np.abs(actual - exact.sum(axis=1)) <= 1e-12 * (1 + np.abs(exact)).sum(axis=1)).all()


# SciPy computes log C(x + r − 1, x) from log Γ, whose digits it loses for a large r: see the sums below
@given(seeds, batches, widths)
def test_the_log_mass_of_the_negative_binomial_is_that_of_scipy(seed, rows, width):
    a, rho, x = drawn(seed, rows, width)
    exact = nbinom(a, rho).logpmf(x)
    actual = NegativeBinomial().forward(np.hstack([a, rho]), x)
    terms = 1 + np.abs(exact) + x * (1 + np.abs(a) + np.abs(rho))
    assert (np.abs(actual - exact.sum(axis=1)) <= 1e-12 * terms.sum(axis=1)).all()


# log p(x) = Σ_{j < x} [log(r + j) − log(1 + j)] + r log p + x log(1 − p), in long double
@pytest.mark.parametrize("rho", [-40.0, -12.0, -5.0, 0.0, 5.0, 12.0, 18.0, 25.0, 29.0])
@pytest.mark.parametrize("a", [-5.0, 0.0, 1.0, 4.0, 8.0])
@pytest.mark.parametrize("x", [0, 1, 5, 40, 2000])
def test_the_log_mass_of_the_negative_binomial_is_exact_for_any_dispersion(a, rho, x):
    r, mean, j = np.exp(np.longdouble(log_dispersion(rho))), np.exp(np.longdouble(a)), np.arange(x, dtype=np.longdouble)
    # without the differences of large numbers:  x log(μ/(r + μ)) + Σ log(r + j) = Σ [log(1 + (j − μ)/(r + μ)) + log μ]
    exact = (np.log1p((j - mean) / (r + mean)) + a - np.log1p(j)).sum() - r * np.log1p(mean / r)
    actual = NegativeBinomial().forward(np.array([[a, rho]]), np.array([[float(x)]]))[0]
    assert abs(actual - float(exact)) <= 1e-12 * (1 + abs(float(exact)) + x * (1 + abs(a)))


@pytest.mark.parametrize("a", [-8.0, -1.0, 0.0, 2.0, 4.0])
@pytest.mark.parametrize("rho", [-3.0, 0.0, 2.0, 20.0, 1e6])
@pytest.mark.parametrize("kind", KINDS)
def test_the_mass_sums_to_one_with_the_mean_and_the_variance(kind, a, rho):
    x = np.arange(60_000 if rho < 0 else 20_000, dtype=np.float64)[:, None]
    parameters = np.tile(inputs(kind, np.array([[a]]), np.array([[rho]])), (len(x), 1))
    p = np.exp(kind().forward(parameters, x))
    mean, r = np.exp(a), np.exp(log_dispersion(rho)) if kind is NegativeBinomial else np.inf
    assert p.sum() == pytest.approx(1.0, abs=1e-10)
    assert (p * x[:, 0]).sum() == pytest.approx(mean, rel=1e-8)
    assert (p * (x[:, 0] - mean) ** 2).sum() == pytest.approx(mean + mean**2 / r, rel=1e-7)
    assert kind().mean(parameters[:1], np.empty((1, 1)))[0, 0] == pytest.approx(mean, rel=1e-14)


def test_the_negative_binomial_tends_to_poisson():
    a, _, x = drawn(3, 50, 4)
    poisson, other = Poisson(), NegativeBinomial()
    exact = poisson.forward(a, x).copy()
    da = poisson.backward(np.ones(50))
    for rho in (28.0, 1e3, 1e30):
        np.testing.assert_allclose(other.forward(np.hstack([a, np.full_like(a, rho)]), x), exact, rtol=1e-8)
        np.testing.assert_allclose(other.backward(np.ones(50))[:, :4], da, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("error")
def test_nothing_overflows_at_extreme_decoder_outputs(kind, dtype):
    ends = np.array([-1e6, -100.0, 0.0, 60.0, 75.0, 1e4])
    a, rho = (grid.reshape(-1, 1) for grid in np.meshgrid(ends, ends))
    for x in (0.0, 3.0, 1e6):
        rows = np.full(a.shape, x, dtype)
        likelihood = kind()
        assert np.isfinite(likelihood.forward(inputs(kind, a, rho).astype(dtype), rows)).all()
        assert np.isfinite(likelihood.backward(np.ones(len(a), dtype))).all()
        out = np.empty(a.shape, dtype)
        assert np.isfinite(likelihood.mean(inputs(kind, a, rho).astype(dtype), out)).all()
        eps = np.linspace(-6, 6, len(a))[:, None].astype(dtype)
        counts = likelihood.draw(inputs(kind, a, rho).astype(dtype), eps, out)
        assert np.isfinite(counts).all() and (counts >= 0).all()
        assert dtype == "float32" or (counts % 1 == 0).all()


def test_poisson_is_continued_by_a_tangent_beyond_the_largest_log_rate():
    x, beyond = np.array([[2.0]]), MAX_LOG_RATE + 3.0
    likelihood = Poisson()
    value = likelihood.forward(np.array([[beyond]]), x)[0]
    assert value == pytest.approx(-4.0 * np.exp(MAX_LOG_RATE), rel=1e-14)
    assert likelihood.backward(np.ones(1))[0, 0] == pytest.approx(-np.exp(MAX_LOG_RATE), rel=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_a_library_size_is_an_offset_of_each_row(kind):
    a, rho, x = drawn(5, 6, 4)
    x[0] = [1, 0, 0, 0]
    offset = np.log(x.sum(axis=1, keepdims=True) / 20.0)
    expected = kind().forward(inputs(kind, a + offset, rho), x)
    np.testing.assert_allclose(kind(20.0).forward(inputs(kind, a, rho), x), expected, rtol=1e-13)
    bias = kind(20.0).output_bias(x.mean(axis=0))
    assert kind(20.0).mean(bias[None], np.empty((1, 4))).sum() == pytest.approx(20.0)
    np.testing.assert_allclose(
        kind().mean(kind().output_bias(x.mean(axis=0))[None], np.empty((1, 4)))[0], x.mean(axis=0)
    )


def test_a_row_without_counts_is_finite_with_a_library_size():
    for kind in KINDS:
        likelihood, zeros = kind(10.0), np.zeros((2, 3))
        assert np.isfinite(likelihood.forward(np.zeros((2, 3 * kind.outputs_per_dimension)), zeros)).all()
        assert np.isfinite(likelihood.backward(np.ones(2))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_count_adds_nothing(kind):
    a, rho, x = drawn(6, 5, 3)
    x[:, 1] = np.nan
    masked, kept = MaskedLikelihood(kind()), [0, 2]
    log_p = masked.forward(inputs(kind, a, rho), x)
    expected = kind().forward(inputs(kind, a[:, kept], rho[:, kept]), x[:, kept])
    np.testing.assert_allclose(log_p, expected, rtol=1e-12)
    back, dx = masked.backward(np.ones(5)), masked.backward_data(np.ones(5))
    assert not back[:, 1::3].any() and not dx[:, 1].any()
    with pytest.raises(ConfigError, match="library_size=4 needs the total"):
        kind(4.0).masked()
