"""Tests of kinks, cusps and the edges of the domain, at the point and near it."""

import math
import time

import numpy as np
import pytest
from hypothesis import assume, given
from strategies import batches, normal, seeds, widths

from scratchvae.gradcheck import check
from scratchvae.gradcheck.gradient_check import MAX_EXCLUDED

KINKED = {
    "relu": (lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0)),
    "relu, the mean of its slopes": (lambda x: np.maximum(x, 0), lambda dy, x: dy * np.heaviside(x, 0.5)),
    "abs": (lambda x: np.abs(x), lambda dy, x: dy * np.sign(x)),
    "leaky relu": (lambda x: np.where(x > 0, x, 0.01 * x), lambda dy, x: dy * np.where(x > 0, 1, 0.01)),
    "nearly straight": (lambda x: np.where(x > 0, x, 0.9999 * x), lambda dy, x: dy * np.where(x > 0, 1, 0.9999)),
    "piecewise smooth": (
        lambda x: np.where(x > 0, np.sin(x), np.expm1(2 * np.minimum(x, 0))),
        lambda dy, x: dy * np.where(x > 0, np.cos(x), 2 * np.exp(2 * np.minimum(x, 0))),
    ),
}


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize(("coordinates", "double"), [(False, False), (True, True)])
def test_a_kink_at_the_point_is_reported_as_a_kink_and_not_as_wrong(name, coordinates, double):
    f, vjp = KINKED[name]
    for x in (0.0, np.zeros(3), np.array([1.3, 0.0, -0.7])):
        result = check(lambda x: f(np.asarray(x, float) if double else x), vjp, x, coordinates=coordinates)["x"]
        assert result.verdict == "kink"
        assert result.kink > 0


@pytest.mark.parametrize("coordinates", [False, True])
def test_the_maximum_has_a_kink_only_if_it_is_attained_twice(coordinates):
    def vjp(dy, x):
        return dy * (x == x.max()) / np.sum(x == x.max())

    assert check(lambda x: x.max(), vjp, np.array([1.0, 1.0, 0.0]), coordinates=coordinates)["x"].verdict == "kink"
    assert check(lambda x: x.max(), vjp, np.array([1.0, 0.8, 0.8]), coordinates=coordinates).passed


@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("name", KINKED)
def test_a_kink_near_the_point_does_not_change_the_verdict(name, distance):
    for x in (np.array([1.3, distance, -0.7]), np.array([1.3, -distance, -0.7])):
        report = check(*KINKED[name], x, coordinates=True)
        assert report.passed, str(report)


@given(batches, widths, seeds)
def test_relu_networks_agree_at_random_points(batch, width, seed):
    def f(x, W, V):
        return np.maximum(x @ W, 0) @ V

    def vjp(dy, x, W, V):
        a = x @ W
        da = (dy @ V.T) * (a > 0)
        return da @ W.T, x.T @ da, np.maximum(a, 0).T @ dy

    x, W, V = normal(seed, batch, 3), normal(seed + 1, 3, width), normal(seed + 2, width, 2)
    assume(np.abs(x @ W).min() > 1e-4)
    report = check(f, vjp, x, W, V, seed=seed)
    assert report.passed, str(report)


CONTINUOUS_SLOPES = {
    "elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda dy, x: dy * np.exp(np.minimum(x, 0))),
    "relu²": (lambda x: np.maximum(x, 0) ** 2, lambda dy, x: 2 * dy * np.maximum(x, 0)),
    "x|x|": (lambda x: x * np.abs(x), lambda dy, x: 2 * dy * np.abs(x)),
}


@pytest.mark.parametrize("name", CONTINUOUS_SLOPES)
def test_a_jump_of_the_second_derivative_is_not_a_kink(name):
    tolerance = 1e-9 if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else 1e-6  # differences err by φ″ h
    report = check(*CONTINUOUS_SLOPES[name], np.array([0.0, 0.4, -0.3]), coordinates=True, tolerance=tolerance)
    assert report.passed, str(report)


@pytest.mark.parametrize(
    "cusp",
    [
        lambda x: np.sqrt(np.abs(x)),
        lambda x: np.cbrt(x),
        lambda x: np.sign(x) * np.sqrt(np.abs(x)),
        lambda x: np.sign(x) + x,
    ],
    ids=["√|x|", "∛x", "±√|x|", "a jump"],
)
@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_cusps_vertical_tangents_and_jumps_never_pass(cusp, slope):
    for x in (np.zeros(1), np.array([0.0, 1.0])):
        report = check(cusp, lambda dy, x: dy * slope, x)
        assert report["x"].verdict in ("kink", "unresolved", "wrong")


def test_steps_outside_the_domain_are_ignored():
    x = np.array([1e-3, 1.0, 5.0])
    assert check(np.log, lambda dy, x: dy / x, x, coordinates=True).passed
    assert check(np.log, lambda dy, x: dy / x, np.array([0.1, 1.0, 5.0]), step=10.0).passed
    assert check(lambda x: np.sqrt(1 - x), lambda dy, x: -dy / (2 * np.sqrt(1 - x)), np.array([0.999, 0.5])).passed
    assert check(math.log, lambda dy, x: dy / x, 1e-3).passed


def test_exceptions_outside_the_domain_are_ignored():
    def f(x):
        return np.array([math.log(t) for t in x])

    assert check(f, lambda dy, x: dy / x, np.array([1e-3, 1.0, 5.0])).passed


def test_an_f_that_is_finite_only_on_one_side_or_at_the_point_does_not_pass():
    for f in (lambda x: x * np.sqrt(x), lambda x: np.where(x == 0, x, np.nan)):
        for slope in (0.0, 1.0):
            for coordinates in (False, True):
                report = check(f, lambda dy, x, slope=slope: dy * slope, np.zeros(2), coordinates=coordinates)
                assert report["x"].verdict in ("not finite", "unresolved")


def test_infinite_values_at_a_step_are_ignored():
    def f(x):
        return np.where(np.abs(x - 1) > 0.01, np.copysign(np.inf, x - 1), x**2)

    assert check(f, lambda dy, x: 2 * dy * x, np.ones(1)).passed


def relu(x):
    return np.maximum(x, 0)


# Among so many numbers, some lie so close to the kink that only the smallest steps do not cross it.
def check_wide_relu(shape, seed, precision="double"):
    x = np.random.default_rng(seed).standard_normal(shape)
    return check(relu, lambda dy, x: dy * (x > 0), x, seed=seed, precision=precision)


@pytest.mark.parametrize("seed", [4, 6, 12, 19])
def test_a_wide_relu_agrees_although_numbers_lie_close_to_the_kink(seed):
    assert check_wide_relu((128, 512), seed).passed


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "seeds"), [("double", 100), ("long double", 10)])
@pytest.mark.parametrize("shape", [(128, 512), (256, 784)])
def test_wide_relus_agree_at_every_seed(shape, precision, seeds):
    assert [seed for seed in range(seeds) if not check_wide_relu(shape, seed, precision)] == []


@pytest.mark.slow
def test_a_relu_of_a_million_numbers_is_checked_in_seconds():
    start = time.process_time()
    assert check_wide_relu((1024, 1024), 0, "long double")
    assert time.process_time() - start < 10  # 4.3 s on a busy Xeon


@pytest.mark.parametrize("distance", [1e-7, 1e-8, 1e-9])
def test_a_kink_that_is_very_near_is_not_at_the_point(distance):
    for x in ([distance, 1.0], [-distance, 1.0]):
        for coordinates in (False, True):
            assert check(relu, lambda dy, x: dy * (x > 0), np.array(x), coordinates=coordinates).passed
    wrong = check(relu, lambda dy, x: dy * (x > -1), np.array([-distance, 1.0]))
    assert wrong.arguments[0].verdict == "wrong" and wrong.arguments[0].coordinate == (0,)


@pytest.mark.parametrize("precision", ["double", "long double"])
def test_one_wrong_number_among_65536_near_kinks_is_found(precision):
    x = np.random.default_rng(6).standard_normal((128, 512))
    x[3, 5] = 0.7

    def vjp(dy, x):
        dx = dy * (x > 0)
        dx[3, 5] *= 1.01
        return dx

    report = check(relu, vjp, x, precision=precision)
    assert report.arguments[0].verdict == "wrong" and report.arguments[0].coordinate == (3, 5)


def test_more_kinks_than_can_be_left_out_of_a_direction_are_a_kink():
    def f(x):  # along each axis it is 0
        return np.abs(x).sum() - np.abs(x).max()

    report = check(f, lambda dy, x: 0 * x, np.zeros(3 * MAX_EXCLUDED), precision="double")
    assert report["x"].verdict == "kink"
