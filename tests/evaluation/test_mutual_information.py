"""On codes made from factors, where what each tells is known."""

from math import log

import numpy as np
import pytest
from fake_cupy import FAKE_CUPY
from hypothesis import given
from hypothesis import strategies as st

from scratchvae.datasets import factor_grid
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.evaluation import mutual_information_gap

GRID = factor_grid(rotation=0.0, shape=(0, 1, 2), x=np.linspace(0, 1, 5), y=np.linspace(0, 1, 4), scale=(0.5, 1.0))
FACTORS = {name: GRID[name] for name in ("shape", "scale", "x", "y")}
SIZES = (3, 2, 5, 4)


def columns(*some):
    return np.stack(some, axis=1).astype(np.float64)


def test_a_dimension_for_each_factor_is_a_gap_of_one():
    found = mutual_information_gap(columns(*FACTORS.values()), FACTORS)
    assert found.value == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(found.entropy, np.log(SIZES))
    np.testing.assert_allclose(found.information, np.diag(np.log(SIZES)), atol=1e-12)
    assert found.names == tuple(FACTORS)


@given(st.permutations(range(6)), st.lists(st.sampled_from([-3.0, -1e-6, 0.1, 1e6]), min_size=6, max_size=6))
def test_order_scale_and_sign_of_the_dimensions_and_idle_ones_change_nothing(order, factors):
    noise = np.arange(len(FACTORS["x"])) * 0.0
    codes = columns(*FACTORS.values(), noise, noise + 7)
    found = mutual_information_gap((codes * factors)[:, order], FACTORS)
    np.testing.assert_allclose(found.gaps, 1, atol=1e-12)
    assert found.information[:, [order.index(4), order.index(5)]].max() < 1e-12


def test_a_factor_that_two_dimensions_tell_has_no_gap_however_well_they_do():
    x, y, shape, scale = (FACTORS[name] for name in ("x", "y", "shape", "scale"))
    found = mutual_information_gap(columns(x, np.exp(-x), y, shape, scale), FACTORS)
    np.testing.assert_allclose(found.gaps, [1, 1, 0, 1], atol=1e-12)
    assert found.value == pytest.approx(3 / 4)


def test_a_dimension_that_tells_two_factors_is_no_fault_of_either():
    """Chen et al. ask that a factor be told by one dimension, not that a dimension tell of one factor alone."""
    both = FACTORS["x"] * 10 + FACTORS["y"]
    found = mutual_information_gap(both[:, None], {name: FACTORS[name] for name in ("x", "y")})
    np.testing.assert_allclose(found.gaps, [1, 1], atol=1e-12)


def test_what_is_told_in_part_is_counted_in_part():
    """Which half of four values: log 2 of log 4. And a code that hits 3 of 4 times: by the formula."""
    v = np.repeat(np.arange(4), 30)
    half = mutual_information_gap(columns(v // 2, v * 0), {"v": v})
    np.testing.assert_allclose(half.information, [[log(2), 0]], atol=1e-12)
    assert half.value == pytest.approx(0.5)
    coin = np.repeat([0, 1], 40)
    code = coin ^ (np.arange(80) % 4 == 0)
    told = log(2) + 0.75 * log(0.75) + 0.25 * log(0.25)
    assert mutual_information_gap(code[:, None], {"coin": coin}).value == pytest.approx(told / log(2))
    rival = mutual_information_gap(columns(code, coin), {"coin": coin})
    assert rival.value == pytest.approx(1 - told / log(2))


def test_the_information_of_two_gaussians_is_that_of_their_correlation():
    """−½ log(1 − ρ²), less what the bins hide, more what counting adds."""
    rng = np.random.default_rng(0)
    v, w = rng.standard_normal((2, 200_000))
    for rho in (0.0, 0.5, 0.9):
        code = rho * v + np.sqrt(1 - rho**2) * w
        found = mutual_information_gap(code[:, None], {"v": v})
        true, overstated = -0.5 * np.log(1 - rho**2), 19**2 / 4e5
        assert 0.94 * true < found.information[0, 0] < true + 2 * overstated
        assert found.entropy[0] == pytest.approx(log(20))


@given(st.integers(2, 30), st.integers(0, 5))
def test_parts_hold_as_many_rows_each_and_equal_values_stay_together(bins, seed):
    v = np.random.default_rng(seed).permutation(bins * 31)
    assert mutual_information_gap(v[:, None], {"v": v}, bins=bins).entropy[0] == pytest.approx(log(bins))
    for mostly in (np.where(v < bins * 30, -1, v), np.where(v >= bins, bins, v)):  # one value has nearly all rows
        found = mutual_information_gap(mostly[:, None], {"v": mostly == mostly[v.argsort()[bins * 15]]}, bins=bins)
        assert found.value == pytest.approx(1)


def test_arrays_of_a_device_and_lists_are_taken():
    codes = FAKE_CUPY.upload(np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert mutual_information_gap(codes, {"v": [4, 5]}).value == pytest.approx(1)


def test_what_cannot_be_measured_is_refused():
    codes, v = np.zeros((4, 2)), np.arange(4)
    for of, factors, error, message in (
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
            mutual_information_gap(of, factors)
    with pytest.raises(ConfigError, match="bins"):
        mutual_information_gap(codes, {"v": v}, bins=1)
