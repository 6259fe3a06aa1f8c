"""Tests of the categorical likelihood: its masses, its draws, missing groups and initial biases."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from scipy import special, stats
from strategies import batches, normal, seeds, uniform

from scratchvae.probability import Categorical

LEVELS = (3, 2, 4)
ROWS = np.array([np.concatenate(row) for row in product(*(np.eye(k) for k in LEVELS))])  # all of them


def drawn(seed, rows):
    return ROWS[np.random.default_rng(seed).integers(len(ROWS), size=rows)].copy()


@given(seeds, batches)
def test_the_log_mass_is_that_of_independent_multinomials_of_one_trial(seed, rows):
    logits, x = 3 * normal(seed, rows, 9), drawn(seed, rows)
    groups = np.split(np.arange(9), np.cumsum(LEVELS)[:-1])
    exact = sum(stats.multinomial(1, special.softmax(logits[:, g], axis=1)).logpmf(x[:, g]) for g in groups)
    np.testing.assert_allclose(Categorical(LEVELS).forward(logits, x), exact, rtol=1e-12, atol=1e-13)


@given(seeds)
def test_the_mass_of_all_rows_sums_to_one(seed):
    logits = np.tile(4 * normal(seed, 9), (len(ROWS), 1))
    likelihood = Categorical(LEVELS)
    p = np.exp(likelihood.forward(logits, ROWS))
    assert p.sum() == pytest.approx(1.0, abs=1e-13)
    np.testing.assert_allclose(likelihood.mean(logits[:1], np.empty((1, 9)))[0], p @ ROWS, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("error")
def test_nothing_overflows_at_extreme_logits(dtype):
    logits = np.array([[1e4, -1e4, 0.0, 1e4, 1e4, -1e4, 0, 0, 1e4]], dtype)
    likelihood, x = Categorical(LEVELS), ROWS[:1].astype(dtype)
    assert likelihood.forward(logits, x)[0] == pytest.approx(-np.log(2) - 2e4, rel=1e-6)
    np.testing.assert_allclose(likelihood.backward(np.ones(1, dtype))[0], [0, 0, 0, 0.5, -0.5, 1, 0, 0, -1], atol=1e-7)


def test_a_missing_group_adds_nothing():
    logits, x = normal(0, 6, 9), drawn(1, 6)
    x[:, 3:5] = np.nan
    likelihood = Categorical(LEVELS)
    assert likelihood.masked() is likelihood
    log_p, kept = likelihood.forward(logits, x), [0, 1, 2, 5, 6, 7, 8]
    np.testing.assert_allclose(log_p, Categorical((3, 4)).forward(logits[:, kept], x[:, kept]), rtol=1e-13)
    dlogits, dx = likelihood.backward(np.ones(6)), likelihood.backward_data(np.ones(6))
    assert not dlogits[:, 3:5].any() and not dx[:, 3:5].any() and dlogits[:, kept].all()


def test_draws_are_one_hot_and_as_frequent_as_their_probabilities():
    n, logits = 40_000, np.array([[0.0, 1.0, -1.0, 30.0, 0.0, 0.0, -2.0, 0.5, 0.3]])
    likelihood = Categorical(LEVELS)
    x = likelihood.draw(np.tile(logits, (n, 1)), uniform(2, n, 9), np.empty((n, 9)))
    for group in np.split(x, np.cumsum(LEVELS)[:-1], axis=1):
        assert np.array_equal(np.sort(group, axis=1)[:, -1], np.ones(n)) and (group.sum(axis=1) == 1).all()
    q = likelihood.mean(logits, np.empty((1, 9)))[0]
    assert (np.abs(x.mean(axis=0) - q) <= 5 * np.sqrt(q * (1 - q) / n) + 1e-12).all()
    last = np.full((1, 9), np.nextafter(1.0, 0.0))
    assert likelihood.draw(logits, last, np.empty((1, 9))).sum() == 3


def test_the_output_bias_has_the_mean_of_the_columns():
    mean = drawn(3, 50).mean(axis=0)
    likelihood = Categorical(LEVELS)
    np.testing.assert_allclose(
        likelihood.mean(likelihood.output_bias(mean)[None], np.empty((1, 9)))[0], mean, rtol=1e-12
    )
    never = np.array([1.0, 0.0, 0.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25])
    assert np.isfinite(likelihood.output_bias(never)).all()
