"""Tests of finite differences: the derivative, its uncertainty and kinks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds

from scratchvae.gradcheck.finite_difference import Derivative, Estimate, derivative

EPS = 2.0**-52
SMOOTH = [
    (lambda h, a, b, c: a * math.sin(b * h + c), lambda a, b, c: a * b * math.cos(c)),
    (lambda h, a, b, c: math.exp(b * h + c) + 1e3 * a, lambda a, b, c: b * math.exp(c)),
    (lambda h, a, b, c: a + b * h + c * h**2 + a * h**3, lambda a, b, c: b),
    (lambda h, a, b, c: a * math.tanh(b * h + c), lambda a, b, c: a * b * (1 - math.tanh(c) ** 2)),
    (lambda h, a, b, c: a * np.float64(b * h + c) ** 5, lambda a, b, c: 5 * a * b * c**4),
]


@given(st.sampled_from(SMOOTH), seeds, st.sampled_from([1e-3, 0.1, 1.0]))
def test_derivatives_of_smooth_functions_have_nine_digits_and_a_correct_uncertainty(pair, seed, step):
    phi, slope = pair
    constants = normal(seed, 3)
    estimate = derivative(lambda h: phi(h, *constants), step, EPS)
    scale = max(abs(phi(0.0, *constants)), 1e-3)
    assert abs(estimate.value - slope(*constants)) <= 4 * estimate.uncertainty
    assert estimate.uncertainty <= 1e-9 * scale / step + 1e-9
    assert estimate.kink <= 1e-9 * scale / step


@given(seeds, st.sampled_from([1e-6, 1e-2, 1.0, 1e6]))
def test_a_kink_is_the_jump_of_the_slope_and_the_value_is_the_mean_of_both_slopes(seed, scale):
    right, left, bend = scale * normal(seed, 3)
    estimate = derivative(lambda h: (right if h > 0 else left) * h + bend * h**2, 0.1, EPS)
    assert estimate.kink == pytest.approx(abs(right - left), rel=1e-6)
    assert estimate.value == pytest.approx((right + left) / 2, rel=1e-6, abs=1e-9 * scale)


@pytest.mark.parametrize("distance", [1e-12, 1e-5, 1e-4, 1e-3, 1e-2])
def test_a_kink_near_the_point_is_not_reported_at_the_point(distance):
    for side in (1, -1):
        estimate = derivative(lambda h, at=side * distance: abs(h - at) + math.sin(h), 0.1, EPS)
        assert estimate.value == pytest.approx(1 - side, abs=1e-9)
        assert estimate.kink == 0


@pytest.mark.parametrize("large", [1e5, 1e6, 1e7])
@pytest.mark.parametrize("jump", [0.0, 1.0, 10.0])
def test_a_kink_is_found_beside_a_large_constant_and_waves_that_are_shorter_than_the_first_step(large, jump):
    estimate = derivative(lambda h: large + math.sin(1e3 * h + 0.2) + jump * abs(h), 0.1, EPS)
    assert estimate.kink == pytest.approx(2 * jump, rel=0.05)
    assert abs(estimate.value - 1e3 * math.cos(0.2)) <= 4 * estimate.uncertainty + jump


@pytest.mark.parametrize("at", [0.0, 2e-9, -1e-5, 1.0])
def test_another_unit_of_h_changes_all_results_by_its_power_of_two_alone(at):
    def phi(h):
        return abs(h - at) + h**2

    expected = derivative(phi, 0.1, EPS)
    for unit in (2.0**-20, 2.0**20):
        estimate = derivative(lambda h, unit=unit: phi(h / unit), 0.1 * unit, EPS)
        slopes = estimate.value, estimate.uncertainty, estimate.kink, estimate.full_scale_slope
        assert [unit * slope for slope in slopes] == [*expected[:3], expected.full_scale_slope]
        assert estimate.h == unit * expected.h and len(estimate.estimates) == len(expected.estimates)


def test_functions_with_zero_derivative_have_no_slope_and_no_kink():
    for phi in (lambda h: h * h, lambda h: math.cos(h), lambda h: 7.0, lambda h: 0.0, lambda h: h * abs(h)):
        estimate = derivative(phi, 0.1, EPS)
        assert abs(estimate.value) <= 4 * estimate.uncertainty <= 1e-11
        assert estimate.kink == 0


def test_noise_widens_the_uncertainty():
    def phi(h):
        return np.float64(np.sin(np.float32(1 + h)))

    estimate = derivative(phi, 0.1, EPS)
    assert 1e-9 < abs(estimate.value - math.cos(1.0)) <= 4 * estimate.uncertainty < 1e-3


def test_values_outside_the_domain_are_ignored():
    estimate = derivative(lambda h: math.log(1e-3 + h) if h > -1e-3 else math.nan, 0.1, EPS)
    assert estimate.value == pytest.approx(1e3, rel=1e-9)


@pytest.mark.parametrize("outside", [math.nan, np.float64(np.nan), math.inf, np.float64(np.inf)])
def test_no_finite_value_near_the_point_gives_nan_with_infinite_uncertainty(outside):
    for number in (type(outside)(0), outside):
        estimate = derivative(lambda h, at_zero=number: outside if h else at_zero, 0.1, EPS)
        assert math.isnan(estimate.value)
        assert estimate.uncertainty == math.inf


def test_infinities_of_both_signs_are_ignored():
    estimate = derivative(lambda h: np.float64(math.copysign(math.inf, h) if abs(h) > 0.01 else math.sin(h)), 0.1, EPS)
    assert estimate.value == pytest.approx(1.0, rel=1e-9)


def test_a_value_is_contradicted_only_by_estimates_of_more_than_one_step_size():
    def estimates(*steps):
        return Derivative(1.0, 1e-9, estimates=tuple(Estimate(1.0, 1e-9, h) for h in steps))

    assert not estimates(0.1).contradicts(1.1, 1e-6)
    assert not estimates(0.1, 0.1, 0.1).contradicts(1.1, 1e-6)
    assert estimates(0.1, 0.05).contradicts(1.1, 1e-6)
    assert not estimates(0.1, 0.05).contradicts(1.1, 0.2)  # by less than the tolerance
    assert not estimates(0.1, 0.05).contradicts(1.0 + 5e-9, 0.0)  # by less than ten times their own errors


def test_the_noise_of_one_side_alone_is_a_kink():
    def one_sided(h):  # kinks at every 1e-9, on one side
        return math.sin(h) + (1e-12 * (math.floor(h * 1e9) % 7) if h > 0 else 0.0)

    assert derivative(one_sided, 0.1, EPS).noise < 1e-14
    assert derivative(lambda h: one_sided(abs(h)), 0.1, EPS).noise > 1e-13
