"""Tests of the comparison with an oracle: relative errors and verdicts."""

from math import inf, isnan, nan

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.gradcheck.autodiff import relative_errors
from scratchvae.verification import (
    CASES,
    Comparison,
    GradientProblem,
    compare,
    get_oracle,
    model_gradient_problem,
)
from scratchvae.verification.cases.custom_parts import TanhGaussian, TwoComponentMixture, tanh_gaussian_draw
from scratchvae.verification.formulas import gaussian_draw


def test_an_error_is_relative_to_its_array_or_to_a_fraction_of_all_arrays():
    expected = {"long": np.full(4, 1e3), "short": np.full(1, 1.0)}
    assert relative_errors({"long": expected["long"] * 1.01, "short": expected["short"]}, expected) == {
        "long": pytest.approx(0.01),
        "short": 0.0,
    }
    assert relative_errors({**expected, "short": np.full(1, 1.01)}, expected)["short"] == pytest.approx(
        0.01 / 20, rel=1e-3
    )
    assert relative_errors({"a": np.full(1, 1.01)}, {"a": np.ones(1)})["a"] == pytest.approx(0.01)


def test_finite_differences_agree_on_the_zero_gradients_of_dead_units():
    problem = CASES["VAE after training steps"].draw(np.random.default_rng(154))
    _, *grads = problem.vjp(np.ones(()), *problem.inputs.values())
    assert sum(not grad.any() for grad in grads) > 10
    assert compare(problem, None, 154).failures == {}


def test_the_error_of_a_loss_near_zero_is_relative_to_its_terms():
    actual, expected = {"value": np.full((), 5e-4 + 1e-7)}, {"value": np.full((), 5e-4)}
    assert relative_errors(actual, expected)["value"] == pytest.approx(2e-4)
    assert relative_errors(actual, expected, min_scale=0.01)["value"] == pytest.approx(1e-5)
    problem = CASES["IWAE, missing data"].draw(np.random.default_rng(383))  # its loss is 7.6e-4 nats
    comparison = compare(problem, get_oracle("autograd"), 383, "float32")
    assert abs(problem.forward(*problem.inputs.values())) < 1e-3 and comparison.failures == {}


@pytest.mark.parametrize("gradient", [np.ones((1, 3)), np.ones(1), np.ones(())])
def test_the_error_of_a_wrong_shape_is_infinite_even_if_it_broadcasts(gradient):
    assert relative_errors({"db": gradient}, {"db": np.ones(3)})["db"] == inf


def test_the_error_of_a_nonzero_array_is_infinite_if_zero_is_expected():
    assert relative_errors({"dx": np.ones(2)}, {"dx": np.zeros(2)})["dx"] == inf
    assert relative_errors({"dx": np.zeros(2)}, {"dx": np.zeros(2)})["dx"] == 0.0


def test_nan_is_the_worst_error():
    assert isnan(Comparison({"value": 1e-15, "dx": nan}, {}).worst)
    problem = CASES["ReLU"].draw(np.random.default_rng(0))
    broken = problem._replace(vjp=lambda dy, x: [np.full_like(x, nan)])
    for oracle in (None, get_oracle("autograd")):
        assert "dx" in compare(broken, oracle).failures


def test_a_wrong_gradient_is_found_beside_much_larger_ones():
    def problem(factor):
        return GradientProblem(
            {"x": np.full(3, 0.3), "y": np.full(3, 0.4)},
            lambda x, y: 1e6 * np.sin(x) + np.cos(y),
            lambda dy, x, y: [1e6 * dy * np.cos(x), -factor * dy * np.sin(y)],
            lambda oracle: lambda x, y: 1e6 * oracle.tanh(x),
        )

    assert compare(problem(1.0), None).failures == {}
    assert list(compare(problem(1.01), None).failures) == ["dy"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_comparison_does_not_change_the_weights_of_a_model(dtype):
    vae = sv.VAE(5, 2, (3,), dtype=dtype)
    before, rng = vae.theta.copy(), np.random.default_rng(0)
    problem = model_gradient_problem(vae, rng.random((4, 5)), rng.standard_normal((4, 2)))
    assert compare(problem, None).failures == compare(problem, get_oracle("autograd")).failures == {}
    assert np.array_equal(vae.theta, before)


class CustomELBO(sv.objectives.ELBO):
    def forward(self, log_likelihood, kl, kl_weight=1.0, kl_per_dimension=None):
        return super().forward(log_likelihood, kl, 2 * kl_weight, kl_per_dimension)


CUSTOM_PARTS = {
    "encoder": lambda: {"encoder": sv.layers.Repeat(1), "input_dim": 4},
    "posterior": lambda: {"posterior": TanhGaussian()},
    "prior": lambda: {"prior": TwoComponentMixture(2)},
    "likelihood": lambda: {"likelihood": sv.probability.MaskedLikelihood(sv.probability.Bernoulli())},
    "objective": lambda: {"objective": CustomELBO()},
}


@pytest.mark.parametrize("name", CUSTOM_PARTS)
def test_a_custom_part_without_a_formula_is_refused_except_for_finite_differences(name):
    vae = sv.VAE(**{"input_dim": 5, "latent_dim": 2, "hidden": (3,), "dtype": "float64", **CUSTOM_PARTS[name]()})
    rng = np.random.default_rng(0)
    problem = model_gradient_problem(vae, rng.random((4, vae.input_dim)), rng.standard_normal((4, 2)))
    assert compare(problem, None).failures == {}
    with pytest.raises(
        ConfigError, match=rf"^{name} is of class \w+, which has no known formula: .* finite differences instead"
    ):
        compare(problem, get_oracle("autograd"))


def test_a_custom_posterior_and_prior_are_compared_with_their_formulas():
    vae, rng = (
        sv.VAE(5, 2, (3,), dtype="float64", posterior=TanhGaussian(), prior=TwoComponentMixture(2)),
        np.random.default_rng(0),
    )
    x, eps = rng.random((4, 5)), rng.standard_normal((4, 2))
    assert compare(model_gradient_problem(vae, x, eps, draw=tanh_gaussian_draw), get_oracle("autograd")).failures == {}
    wrong = model_gradient_problem(vae, x, eps, draw=gaussian_draw)
    assert "value" in compare(wrong, get_oracle("autograd")).failures


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_a_model_with_labels_is_compared_with_the_classes_in_turn(kind):
    model, rng = kind(5, 2, (3,), classes=3, dtype="float64"), np.random.default_rng(0)
    x, eps = rng.random((7, 5)), rng.standard_normal((7, 2))
    classes = [0, 1, 2, 0, 1, 2, 0] if kind is sv.ConditionalVAE else [-1, 0, 1, 2, -1, 0, 1]
    problem, other = (
        model_gradient_problem(model, x, eps),
        model_gradient_problem(model, x, eps, targets=model.one_hot(np.array(classes))),
    )
    assert problem.forward(*problem.inputs.values()) == other.forward(*other.inputs.values())
    assert compare(problem, None).failures == compare(problem, get_oracle("autograd")).failures == {}
