"""Tests of the checker: right gradients pass, wrong ones fail, and rounding is not reported as an error."""

from functools import wraps

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import batches, normal, seeds, widths

from scratchvae.errors import DTypeError, ShapeError
from scratchvae.gradcheck import check, check_gradient

WIDE = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps


def layer(x, W, b):
    return np.sin(x @ W + b)


def layer_vjp(dy, x, W, b):
    da = dy * np.cos(x @ W + b)
    return da @ W.T, x.T @ da, da.sum(axis=0)


def random_inputs(seed, batch, width):
    return normal(seed, batch, 3), normal(seed + 1, 3, width), normal(seed + 2, width)


def in_double(f):
    @wraps(f)
    def rounded(*inputs):
        return f(*(np.asarray(x, np.float64) for x in inputs))

    return rounded


@given(batches, widths, seeds, st.booleans())
def test_right_gradients_agree(batch, width, seed, coordinates):
    def vjp(*args):  # in double, a coordinate where terms cancel would have a relative error above 1e-12
        return [g.astype(np.float64) for g in layer_vjp(*(np.asarray(x, np.longdouble) for x in args))]

    report = check(layer, vjp, *random_inputs(seed, batch, width), seed=seed, coordinates=coordinates)
    assert report.passed, str(report)
    assert report.worst <= (1e-12 if WIDE else 1e-9)
    assert report.precision == ("long double" if WIDE else "double")


@given(batches, widths, seeds)
def test_right_gradients_agree_if_f_computes_in_double(batch, width, seed):
    report = check(in_double(layer), layer_vjp, *random_inputs(seed, batch, width), seed=seed)
    assert report.passed, str(report)
    assert report.precision != "long double"


@given(batches, widths, seeds, st.integers(0, 2))
def test_an_error_of_one_percent_in_a_whole_gradient_is_found(batch, width, seed, argument):
    def vjp(*args):
        return [1.01 * g if k == argument else g for k, g in enumerate(layer_vjp(*args))]

    report = check(layer, vjp, *random_inputs(seed, batch, width), seed=seed)
    assert [a.verdict for a in report.arguments] == ["wrong" if k == argument else "agrees" for k in range(3)], str(
        report
    )
    result = report.arguments[argument]
    assert result.error == pytest.approx(0.01 / 1.01, rel=1e-6)
    assert result.analytic == pytest.approx(1.01 * result.numeric)
    assert not report


@given(batches, widths, seeds, st.integers(0, 2), st.integers(0, 10**6), st.booleans())
def test_an_error_of_one_percent_in_one_coordinate_is_found_and_located(
    batch, width, seed, argument, position, coordinates
):
    inputs = random_inputs(seed, batch, width)
    index = np.unravel_index(position % inputs[argument].size, inputs[argument].shape)

    def vjp(*args):
        gradients = layer_vjp(*args)
        gradients[argument][index] *= 1.01
        return gradients

    report = check(layer, vjp, *inputs, seed=seed, coordinates=coordinates)
    assert [a.verdict for a in report.arguments] == ["wrong" if k == argument else "agrees" for k in range(3)], str(
        report
    )
    assert report.arguments[argument].coordinate == tuple(map(int, index))


def test_an_error_in_a_tiny_coordinate_is_found_if_every_coordinate_is_checked():
    scale = np.array([1.0, 1e-9, 1.0])
    wrong = scale * [1.0, 1.01, 1.0]
    x = normal(0, 3)
    assert check(lambda x: scale * np.sin(x), lambda dy, x: wrong * dy * np.cos(x), x).passed
    report = check(lambda x: scale * np.sin(x), lambda dy, x: wrong * dy * np.cos(x), x, coordinates=True)
    assert (report["x"].verdict, report["x"].coordinate) == ("wrong", (1,))


@given(widths, seeds)
def test_a_zero_gradient_of_a_varying_function_is_an_error_of_one(width, seed):
    report = check(lambda x: x**2, lambda dy, x: 0 * x, normal(seed, width), seed=seed)
    assert (report["x"].verdict, report.worst) == ("wrong", pytest.approx(1.0))


def test_a_nonzero_gradient_of_a_constant_is_an_error_of_one():
    report = check(lambda x: np.ones(2), lambda dy, x: x, normal(0, 3))
    assert (report["x"].verdict, report.worst) == ("wrong", pytest.approx(1.0))


@pytest.mark.parametrize(
    "constant",
    [
        lambda x: np.ones(2),
        lambda x: np.zeros(2),
        lambda x: 3.0,
        lambda x: np.sin(x) ** 2 + np.cos(x) ** 2,
        in_double(lambda x: 1e6 * (np.sin(x) ** 2 + np.cos(x) ** 2)),
    ],
    ids=["ones", "zeros", "a number", "one, but for rounding", "a million, but for rounding"],
)
@pytest.mark.parametrize("coordinates", [False, True])
def test_a_constant_with_a_gradient_of_zero_passes(constant, coordinates):
    report = check(constant, lambda dy, x: np.zeros_like(x), normal(0, 3), coordinates=coordinates)
    assert report.passed
    assert report.worst == 0.0


@pytest.mark.parametrize("factor", [1.0, 1.01])
@pytest.mark.parametrize("double", [False, True])
def test_a_tiny_gradient_beside_large_values_passes_only_if_it_is_right(factor, double):
    def f(x, y):
        return 1e-5 * np.sin(x) + y

    def vjp(dy, x, y):
        return factor * 1e-5 * dy * np.cos(x), dy

    report = check(in_double(f) if double else f, vjp, normal(0, 4), normal(1, 4), tolerance=1e-6)
    assert report["x"].verdict == ("agrees" if factor == 1.0 else "wrong")
    assert report["y"].verdict == "agrees"


def test_a_gradient_smaller_than_rounding_is_unresolved():
    for factor in (1.0, 1.01):
        report = check(in_double(lambda x: 1e10 + 1e-7 * x), lambda dy, x, g=factor * 1e-7: g * dy, normal(0, 3))
        assert report["x"].verdict == "unresolved"
        assert report["x"].uncertainty > 0.1


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_the_verdict_does_not_depend_on_the_scale_of_f(scale):
    x = normal(0, 3)
    assert check(lambda x: scale * np.sin(x), lambda dy, x: scale * dy * np.cos(x), x).passed
    assert check(lambda x: scale * np.sin(x), lambda dy, x: 1.01 * scale * dy * np.cos(x), x)["x"].verdict == "wrong"


@pytest.mark.parametrize("scale", [1e-100, 1e-10, 1e10, 1e100])
def test_the_verdict_does_not_depend_on_the_scale_of_an_input(scale):
    x = normal(0, 3) * scale
    assert check(lambda x: np.sin(x / scale), lambda dy, x: dy * np.cos(x / scale) / scale, x).passed


@given(st.integers(2, 7), seeds)  # with one coordinate, all directions can agree by chance
def test_an_f_that_returns_float32_is_unresolved_and_passes_with_a_larger_tolerance(width, seed):
    def f(x):
        return np.tanh(x.astype(np.float32))

    def vjp(dy, x, factor=1.0):
        return factor * dy * (1 - np.tanh(x) ** 2)

    x = normal(seed, width)
    report = check(f, vjp, x, seed=seed)
    assert report["x"].verdict == "unresolved"
    assert report.precision != "long double"
    assert check(f, vjp, x, seed=seed, tolerance=1e-4).passed
    assert check(f, lambda dy, x: vjp(dy, x, 1.01), x, seed=seed, tolerance=1e-4)["x"].verdict == "wrong"


@given(st.sampled_from([2, 30, 1000]), seeds)
def test_an_f_with_hidden_float32_arithmetic_is_unresolved(width, seed):
    x = normal(seed, width)
    array_report = check(
        lambda x: np.tanh(x.astype(np.float32)) + 0.0, lambda dy, x: dy * (1 - np.tanh(x) ** 2), x, seed=seed
    )
    number_report = check_gradient(lambda x: float(np.sum(x.astype(np.float32) ** 2)), lambda x: 2 * x, x, seed=seed)
    assert [array_report["x"].verdict, number_report["x"].verdict] == ["unresolved", "unresolved"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("coordinates", [False, True])
def test_a_gradient_that_is_not_finite_is_named_with_its_coordinate(value, coordinates):
    def vjp(dy, x, W):
        dx = 2 * dy * x
        dx[1, 2] = value
        return dx, dy

    report = check(lambda x, W: x**2 + W, vjp, normal(0, 2, 3), normal(1, 2, 3), coordinates=coordinates)
    assert [a.verdict for a in report.arguments] == ["not finite", "agrees"]
    assert (report["x"].coordinate, report["x"].error) == ((1, 2), np.inf)
    assert "[1, 2]" in str(report)


def test_long_double_is_not_reported_if_it_is_no_wider_than_double(monkeypatch):
    monkeypatch.setattr("scratchvae.gradcheck.function.LONG_DOUBLE_IS_WIDER", False)
    report = check(layer, layer_vjp, *random_inputs(0, 2, 2))
    assert report.passed
    assert report.precision != "long double"


def test_one_wrong_coordinate_among_many_is_located_with_few_calls():
    calls = []

    def counted(x):
        calls.append(0)
        return np.tanh(x)

    def wrong_vjp(dy, x):
        dx = dy * (1 - np.tanh(x) ** 2)
        dx[12_345] *= 1.01
        return dx

    report = check(counted, wrong_vjp, normal(0, 20_000), directions=1)
    assert report["x"].coordinate == (12_345,)
    assert len(calls) < 400


@given(seeds)
def test_a_zero_gradient_does_not_pass_if_f_is_large_and_in_float32(seed):
    def f(x):
        return np.float32(1e5) + np.sum(np.sin(x.astype(np.float32)))

    report = check_gradient(f, lambda x: 0 * x, normal(seed, 30), tolerance=1e-4, seed=seed)
    assert report["x"].verdict in ("unresolved", "wrong")


# At these seeds the slope along each direction is so small that rounding may hide it.
@pytest.mark.parametrize(("offset", "slope", "seed"), [(10.0, 1e-3, 21), (10.0, 1e-3, 78), (1.0, 1e-4, 24)])
def test_a_zero_gradient_does_not_pass_if_float32_hides_the_slope(offset, slope, seed):
    def f(x):
        return float(np.float32(offset) + np.float32(slope) * np.sum(np.sin(x.astype(np.float32))))

    report = check_gradient(f, lambda x: 0 * x, normal(seed, 30), seed=seed)
    assert report["x"].verdict in ("unresolved", "wrong")


# A finite difference that only one step size shows is no evidence: f is wrong at steps near 0.1 alone.
@pytest.mark.parametrize("wide", [False, True])
def test_what_a_single_step_size_shows_is_not_called_wrong(wide):
    def f(x):
        shift = np.abs(x - 1.0).max()
        return 2.0 * x + (0.3 * (x - 1.0) if 0.04 < shift < (0.2 if wide else 0.06) else 0.0)

    report = check(f if wide else in_double(f), lambda dy, x: 2 * dy, np.ones(3), coordinates=True)
    assert report["x"].verdict != "wrong"


FUNCTIONS_OF_ANY_SCALE = {
    "linear": (lambda x: 3 * x, lambda dy, x: 3 * dy),
    "square": (lambda x: x * x, lambda dy, x: 2 * x * dy),
    "sine": (np.sin, lambda dy, x: dy * np.cos(x)),
    "exponential": (np.exp, lambda dy, x: dy * np.exp(x)),
    "root": (lambda x: np.sqrt(np.abs(x)), lambda dy, x: dy * np.sign(x) / (2 * np.sqrt(np.abs(x)))),
    "steep": (lambda x: x * 1e300, lambda dy, x: dy * 1e300),
    "flat": (lambda x: x * 1e-300, lambda dy, x: dy * 1e-300),
    "sum": (lambda x: x.sum(), lambda dy, x: dy * np.ones_like(x)),
}


SCALES = [5e-324, 1e-320, 1e-310, 1e-300, 1e-150, 1e-30, 1e30, 1e150, 1e300, 5e307]


def is_finite_at(name, scale):
    f, vjp = FUNCTIONS_OF_ANY_SCALE[name]
    x = np.array([1.0, -2.0, 3.0]) * scale
    with np.errstate(all="ignore"):
        return np.isfinite(f(x)).all() and np.isfinite(vjp(np.ones(np.shape(f(x))), x)).all()


@pytest.mark.parametrize("double", [False, pytest.param(True, id="in double")])
@pytest.mark.parametrize(
    ("name", "scale"),
    [
        pytest.param(name, s, marks=[] if s in (5e-324, 1e-310, 1e-30, 1e300) else pytest.mark.slow)
        for name in FUNCTIONS_OF_ANY_SCALE
        for s in SCALES
        if is_finite_at(name, s)
    ],
)
def test_at_any_scale_a_right_gradient_is_not_wrong_and_a_wrong_one_does_not_agree(name, scale, double):
    f, vjp = FUNCTIONS_OF_ANY_SCALE[name]
    x = np.array([1.0, -2.0, 3.0]) * scale
    for coordinates in (False, True):
        right, wrong = (
            check(in_double(f) if double else f, lambda dy, x, by=by: by * vjp(dy, x), x, coordinates=coordinates)
            for by in (1.0, 1.1)
        )
        assert right.arguments[0].verdict in ("agrees", "unresolved"), str(right)
        assert wrong.arguments[0].verdict in ("wrong", "unresolved"), str(wrong)
        assert np.isfinite([right.arguments[0].numeric, right.arguments[0].error]).all()
        assert "nan" not in repr(right) + repr(wrong) and "inf" not in repr(right) + repr(wrong)


@pytest.mark.parametrize("name", ["linear", "sine", "exponential", "flat", "sum"])
@pytest.mark.parametrize("scale", [5e-324, 1e-320, 1e-310, 1e-300, 1e-30])
def test_an_input_near_0_is_judged_as_0_is(name, scale):
    f, vjp = FUNCTIONS_OF_ANY_SCALE[name]
    for rounded in (f, in_double(f)):
        assert check(rounded, vjp, np.array([1.0, -2.0, 3.0]) * scale, coordinates=True).passed
        wrong = check(rounded, lambda dy, x: 1.1 * vjp(dy, x), np.array([1.0, -2.0, 3.0]) * scale)
        assert wrong.arguments[0].verdict == "wrong"


def test_values_that_underflow_leave_a_small_gradient_unresolved():
    report = check_gradient(lambda x: float((x**2).sum()), lambda x: 2 * x, np.array([1e-310, 2e-310]))
    assert report.arguments[0].verdict == "unresolved" and "uncertain by all of the gradient" in str(report)
    in_float32 = check(lambda x: x.astype("float32"), lambda dy, x: dy, np.array([1e-310, 1e-320]), tolerance=1e-4)
    assert in_float32.passed


def test_the_slope_of_a_parabola_at_its_minimum_is_0():
    assert check(lambda x: x * x, lambda dy, x: 2 * x * dy, np.zeros(3), coordinates=True).passed
    assert not check(lambda x: x * x + x * 1e-3, lambda dy, x: 2 * x * dy, np.zeros(3))


@pytest.mark.parametrize("step", [1e-320, 1e-300, 1e-30, 1e10, 1e300, 1.7e308])
def test_an_unsuitable_step_of_the_differences_gives_no_wrong_verdict(step):
    for scale in (1e-310, 1.0, 1e300):
        report = check(lambda x: 2 * x, lambda dy, x: 2 * dy, normal(0, 4) * scale, step=step)
        assert report.arguments[0].verdict in ("agrees", "unresolved"), str(report)


def test_a_gradient_whose_norm_overflows_is_still_compared():
    W = normal(0, 30, 20) * 1e305
    assert check(lambda x: W @ x, lambda dy, x: W.T @ dy, normal(1, 20)).passed
    report = check(lambda x: W @ x, lambda dy, x: 1.001 * (W.T @ dy), normal(1, 20))
    assert report.arguments[0].verdict == "wrong" and report.worst == pytest.approx(1e-3, rel=0.1)


MIXED = [
    ("root", [1e-30, 2.0, -3.0]),
    ("root", [-1e-68, 4e287, 7e-222]),
    ("sine", [1e20, 1e-20, 1e-5]),
    ("exponential", [1e-200, -1e3, 0.5]),
    ("linear", [1e-310, 1.0, 1e300]),
]


@pytest.mark.parametrize(("name", "x"), MIXED)
def test_coordinates_of_very_different_sizes_give_no_wrong_verdict(name, x):
    f, vjp = FUNCTIONS_OF_ANY_SCALE[name]
    for coordinates in (False, True):
        for rounded in (f, in_double(f)):
            report = check(rounded, vjp, np.array(x), coordinates=coordinates)
            assert report.arguments[0].verdict in ("agrees", "unresolved"), str(report)


def test_a_curve_that_looks_like_a_corner_from_afar_is_no_kink():
    def softplus(x):
        return np.logaddexp(0, x)

    def vjp(dy, x):
        return dy / (1 + np.exp(-x))

    for coordinates in (False, True):
        verdict = check(softplus, vjp, np.array([1e-8, 1e-9, 1e12]), coordinates=coordinates).arguments[0].verdict
        assert verdict in ("agrees", "unresolved")
    relu = check(lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0), np.array([0.0, 1e-9, 1e12]), coordinates=True)
    assert relu.arguments[0].verdict == "kink"  # at 0 it is one


def test_an_error_in_a_coordinate_far_smaller_than_others_is_found_along_that_coordinate():
    def vjp(dy, x):
        return dy * np.array([1.1, 1.0, 1.0]) / x

    report = check(np.log, vjp, np.array([1e-30, 1.0, 2.0]), coordinates=True)
    assert report.arguments[0].verdict == "wrong" and report.arguments[0].coordinate == (0,)


def test_a_note_tells_that_a_vjp_does_not_depend_on_dy():
    def f(x):
        return float(x @ x)

    x = np.arange(3.0)
    report = check(f, lambda dy, x: 2 * x, x)
    assert not report.passed and "vjp does not depend on dy; check_gradient is for" in report.notes[0]
    assert not check(f, lambda dy, x: 3 * dy * x, x).notes
    assert check_gradient(f, lambda x: 2 * x, x).passed


def test_inputs_without_real_numbers_are_named_if_gradients_are_missing():
    with pytest.raises(ShapeError, match=r"expected 1: one for each of X; W: no real numbers, hence no gradient"):
        check(lambda X, W: X @ W, lambda dy, X, W: (dy @ W.T, 0, 0), np.ones((2, 3)), np.ones((3, 2), int))
    with pytest.raises(DTypeError, match="nothing to differentiate, only an array of int64"):
        check(lambda x: x, lambda dy, x: dy, np.ones(3, "int64"))
