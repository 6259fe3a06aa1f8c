"""How far is far: the arithmetic of the verdict."""

from math import inf, isnan, nan

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.verification import SUBJECTS, Finding, GradientProblem, examine, get_oracle, of_model
from scratchvae.verification.judge import relative_errors


def test_an_error_is_relative_to_the_array_or_to_a_hundredth_of_all():
    expected = {"long": np.full(4, 1e3), "short": np.full(1, 1.0)}
    assert relative_errors({"long": expected["long"] * 1.01, "short": expected["short"]}, expected) == {
        "long": pytest.approx(0.01),
        "short": 0.0,
    }
    assert relative_errors({**expected, "short": np.full(1, 1.01)}, expected)["short"] == pytest.approx(
        0.01 / 20, rel=1e-3
    )
    assert relative_errors({"a": np.full(1, 1.01)}, {"a": np.ones(1)})["a"] == pytest.approx(0.01)


def test_units_that_are_dead_close_by_and_live_far_out_have_no_gradient_and_differences_see_it():
    problem = SUBJECTS["VAE-after-steps"].draw(np.random.default_rng(10417))
    _, *grads = problem.vjp(np.ones(()), *problem.inputs.values())
    assert sum(not grad.any() for grad in grads) > 10
    assert examine(problem, None, 10417).complaints == {}


def test_a_loss_near_zero_is_as_exact_as_its_terms_not_as_itself():
    given, expected = {"value": np.full((), 5e-4 + 1e-7)}, {"value": np.full((), 5e-4)}
    assert relative_errors(given, expected)["value"] == pytest.approx(2e-4)
    assert relative_errors(given, expected, least=0.01)["value"] == pytest.approx(1e-5)
    problem = SUBJECTS["IWAE-incomplete"].draw(np.random.default_rng(248))  # whose loss is -5.5e-4 nats
    found = examine(problem, get_oracle("autograd"), 248, "float32")
    assert abs(problem.forward(*problem.inputs.values())) < 1e-3 and found.complaints == {}


@pytest.mark.parametrize("given", [np.ones((1, 3)), np.ones(1), np.ones(())])
def test_another_shape_is_infinitely_off_though_it_would_broadcast(given):
    assert relative_errors({"db": given}, {"db": np.ones(3)})["db"] == inf


def test_what_should_be_nothing_and_is_something_is_infinitely_off():
    assert relative_errors({"dx": np.ones(2)}, {"dx": np.zeros(2)})["dx"] == inf
    assert relative_errors({"dx": np.zeros(2)}, {"dx": np.zeros(2)})["dx"] == 0.0


def test_nan_is_never_the_smaller_error():
    assert isnan(Finding({"value": 1e-15, "dx": nan}, {}).worst)
    problem = SUBJECTS["ReLU"].draw(np.random.default_rng(0))
    broken = problem._replace(vjp=lambda dy, x: [np.full_like(x, nan)])
    for oracle in (None, get_oracle("autograd")):
        assert "dx" in examine(broken, oracle).complaints


def test_a_wrong_gradient_stays_wrong_beside_much_larger_ones():
    def problem(factor):
        return GradientProblem(
            {"x": np.full(3, 0.3), "y": np.full(3, 0.4)},
            lambda x, y: 1e6 * np.sin(x) + np.cos(y),
            lambda dy, x, y: [1e6 * dy * np.cos(x), -factor * dy * np.sin(y)],
            lambda oracle: lambda x, y: 1e6 * oracle.tanh(x),
        )

    assert examine(problem(1.0), None).complaints == {}
    assert list(examine(problem(1.01), None).complaints) == ["dy"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_keeps_its_weights_while_it_is_examined(dtype):
    vae = sv.VAE(5, 2, (3,), dtype=dtype)
    before, rng = vae.theta.copy(), np.random.default_rng(0)
    problem = of_model(vae, rng.random((4, 5)), rng.standard_normal((4, 2)))
    assert examine(problem, None).complaints == examine(problem, get_oracle("autograd")).complaints == {}
    assert np.array_equal(vae.theta, before)
