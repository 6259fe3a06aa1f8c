"""Derivatives from values alone: right within the uncertainty that they state, and aware of kinks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds

from scratchvae.gradcheck.finite_difference import derivative

EPS = 2.0**-52
SMOOTH = [
    (lambda h, a, b, c: a * math.sin(b * h + c), lambda a, b, c: a * b * math.cos(c)),
    (lambda h, a, b, c: math.exp(b * h + c) + 1e3 * a, lambda a, b, c: b * math.exp(c)),
    (lambda h, a, b, c: a + b * h + c * h**2 + a * h**3, lambda a, b, c: b),
    (lambda h, a, b, c: a * math.tanh(b * h + c), lambda a, b, c: a * b * (1 - math.tanh(c) ** 2)),
    (lambda h, a, b, c: a * np.float64(b * h + c) ** 5, lambda a, b, c: 5 * a * b * c**4),
]


@given(st.sampled_from(SMOOTH), seeds, st.sampled_from([1e-3, 0.1, 1.0]))
def test_smooth_functions_are_known_to_nine_digits_and_within_the_stated_uncertainty(pair, seed, step):
    phi, slope = pair
    constants = normal(seed, 3)
    found = derivative(lambda h: phi(h, *constants), step, EPS)
    scale = max(abs(phi(0.0, *constants)), 1e-3)
    assert abs(found.value - slope(*constants)) <= 4 * found.uncertainty
    assert found.uncertainty <= 1e-9 * scale / step + 1e-9
    assert found.kink <= 1e-9 * scale / step


@given(seeds, st.sampled_from([1e-6, 1e-2, 1.0, 1e6]))
def test_the_jump_of_a_slope_is_measured_and_the_value_is_the_mean_of_both_slopes(seed, scale):
    right, left, bend = scale * normal(seed, 3)
    found = derivative(lambda h: (right if h > 0 else left) * h + bend * h**2, 0.1, EPS)
    assert found.kink == pytest.approx(abs(right - left), rel=1e-6)
    assert found.value == pytest.approx((right + left) / 2, rel=1e-6, abs=1e-9 * scale)


@pytest.mark.parametrize("distance", [1e-5, 1e-4, 1e-3, 1e-2])
def test_a_kink_beside_the_point_is_none_at_the_point(distance):
    for side in (1, -1):
        found = derivative(lambda h, at=side * distance: abs(h - at) + math.sin(h), 0.1, EPS)
        assert found.value == pytest.approx(1 - side, abs=1e-9)
        assert found.kink == 0


def test_even_functions_and_constants_have_neither_slope_nor_kink():
    for phi in (lambda h: h * h, lambda h: math.cos(h), lambda h: 7.0, lambda h: 0.0, lambda h: h * abs(h)):
        found = derivative(phi, 0.1, EPS)
        assert abs(found.value) <= 4 * found.uncertainty <= 1e-11
        assert found.kink == 0


def test_noise_is_noticed_and_widens_the_uncertainty():
    def phi(h):
        return np.float64(np.sin(np.float32(1 + h)))

    found = derivative(phi, 0.1, EPS)
    assert 1e-9 < abs(found.value - math.cos(1.0)) <= 4 * found.uncertainty < 1e-3


def test_values_outside_the_domain_are_passed_over():
    found = derivative(lambda h: math.log(1e-3 + h) if h > -1e-3 else math.nan, 0.1, EPS)
    assert found.value == pytest.approx(1e3, rel=1e-9)


@pytest.mark.parametrize("outside", [math.nan, np.float64(np.nan), math.inf, np.float64(np.inf)])
def test_nothing_finite_around_the_point_gives_nan_of_infinite_uncertainty(outside):
    for number in (type(outside)(0), outside):
        found = derivative(lambda h, at_zero=number: outside if h else at_zero, 0.1, EPS)
        assert math.isnan(found.value)
        assert found.uncertainty == math.inf


def test_infinities_of_both_signs_are_passed_over():
    found = derivative(lambda h: np.float64(math.copysign(math.inf, h) if abs(h) > 0.01 else math.sin(h)), 0.1, EPS)
    assert found.value == pytest.approx(1.0, rel=1e-9)
