"""Tests of the mutual information gap, on codes computed from known factors."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.datasets import factor_grid
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.evaluation import mutual_information_gap

GRID = factor_grid(rotation=0.0, shape=(0, 1, 2), x=np.linspace(0, 1, 5), y=np.linspace(0, 1, 4), scale=(0.5, 1.0))
FACTORS = {name: GRID[name] for name in ("shape", "scale", "x", "y")}
SIZES = (3, 2, 5, 4)


def columns(*vectors):
    return np.stack(vectors, axis=1).astype(np.float64)


def test_one_dimension_per_factor_has_a_gap_of_one():
    result = mutual_information_gap(columns(*FACTORS.values()), FACTORS)
    assert result.value == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(result.entropy, np.log(SIZES))
    np.testing.assert_allclose(result.information, np.diag(np.log(SIZES)), atol=1e-12)
    assert result.names == tuple(FACTORS)


@given(st.permutations(range(6)), st.lists(st.sampled_from([-3.0, -1e-6, 0.1, 1e6]), min_size=6, max_size=6))
def test_order_scale_and_sign_of_dimensions_and_inactive_ones_do_not_matter(order, factors):
    noise = np.arange(len(FACTORS["x"])) * 0.0
    codes = columns(*FACTORS.values(), noise, noise + 7)
    result = mutual_information_gap((codes * factors)[:, order], FACTORS)
    np.testing.assert_allclose(result.gaps, 1, atol=1e-12)
    assert result.information[:, [order.index(4), order.index(5)]].max() < 1e-12


def test_a_factor_encoded_by_two_dimensions_has_no_gap():
    x, y, shape, scale = (FACTORS[name] for name in ("x", "y", "shape", "scale"))
    result = mutual_information_gap(columns(x, np.exp(-x), y, shape, scale), FACTORS)
    np.testing.assert_allclose(result.gaps, [1, 1, 0, 1], atol=1e-12)
    assert result.value == pytest.approx(3 / 4)


def test_a_dimension_that_encodes_two_factors_does_not_reduce_their_gaps():
    """Chen et al. require one dimension per factor, but not one factor per dimension."""
    code = FACTORS["x"] * 10 + FACTORS["y"]
    result = mutual_information_gap(code[:, None], {name: FACTORS[name] for name in ("x", "y")})
    np.testing.assert_allclose(result.gaps, [1, 1], atol=1e-12)


def test_partial_information_gives_a_partial_gap():
    """The half of four values gives log 2 of log 4; a code that is right in 3 of 4 rows follows the formula."""
    v = np.repeat(np.arange(4), 30)
    half = mutual_information_gap(columns(v // 2, v * 0), {"v": v})
    np.testing.assert_allclose(half.information, [[log(2), 0]], atol=1e-12)
    assert half.value == pytest.approx(0.5)
    coin = np.repeat([0, 1], 40)
    code = coin ^ (np.arange(80) % 4 == 0)
    information = log(2) + 0.75 * log(0.75) + 0.25 * log(0.25)
    assert mutual_information_gap(code[:, None], {"coin": coin}).value == pytest.approx(information / log(2))
    two_dimensions = mutual_information_gap(columns(code, coin), {"coin": coin})
    assert two_dimensions.value == pytest.approx(1 - information / log(2))


def test_the_information_of_two_gaussians_follows_from_their_correlation():
    """The exact value is −½ log(1 − ρ²); binning reduces it and finite counts increase it."""
    rng = np.random.default_rng(0)
    v, w = rng.standard_normal((2, 200_000))
    for rho in (0.0, 0.5, 0.9):
        code = rho * v + np.sqrt(1 - rho**2) * w
        result = mutual_information_gap(code[:, None], {"v": v})
        exact, bias = -0.5 * np.log(1 - rho**2), 19**2 / 4e5
        assert 0.94 * exact < result.information[0, 0] < exact + 2 * bias
        assert result.entropy[0] == pytest.approx(log(20))


@given(st.integers(2, 30), st.integers(0, 5))
def test_bins_have_equal_counts_and_equal_values_share_a_bin(bins, seed):
    v = np.random.default_rng(seed).permutation(bins * 31)
    assert mutual_information_gap(v[:, None], {"v": v}, bins=bins).entropy[0] == pytest.approx(log(bins))
    for skewed in (np.where(v < bins * 30, -1, v), np.where(v >= bins, bins, v)):  # one value has nearly all rows
        result = mutual_information_gap(skewed[:, None], {"v": skewed == skewed[v.argsort()[bins * 15]]}, bins=bins)
        assert result.value == pytest.approx(1)


def test_device_arrays_and_lists_are_accepted():
    codes = FAKE_CUPY.upload(np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert mutual_information_gap(codes, {"v": [4, 5]}).value == pytest.approx(1)


def test_invalid_codes_factors_and_bins_are_refused():
    codes, v = np.zeros((4, 2)), np.arange(4)
    for code, factors, error, message in (
        (codes, {}, ShapeError, "0 factors"),
        (codes[:, :0], {"v": v}, ShapeError, "0 latent"),
        (codes[0], {"v": v}, ShapeError, r"\(2,\): expected \(N, Z\)"),
        (codes[:0], {"v": v}, ShapeError, "at least 1"),
        (codes, {"v": v[:3]}, ShapeError, "'v' has 3 values for 4 codes"),
        (codes, {"v": codes}, ShapeError, "'v' of shape"),
        (codes, {"v": v * 0 + 3}, RangeError, "'v' is 3 in all rows"),
        (codes, {"v": v * np.nan}, RangeError, "'v': NaN"),
        (np.full((4, 2), np.inf), {"v": v}, RangeError, "codes: NaN or inf"),
    ):
        with pytest.raises(error, match=message):
            mutual_information_gap(code, factors)
    with pytest.raises(ConfigError, match="bins"):
        mutual_information_gap(codes, {"v": v}, bins=1)
