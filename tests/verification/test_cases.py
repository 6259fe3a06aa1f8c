"""Tests of every verification case against every oracle, with random shapes and random architectures of models."""

import inspect
import pkgutil
from importlib import import_module

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import THOROUGH, examples, seeds

import scratchvae as sv
from scratchvae.fused import FUSED_VARIANTS
from scratchvae.gradcheck.properties import DrawnGenerator
from scratchvae.verification import CASES, GradientProblem, compare, get_oracle
from scratchvae.verification.cases import models as checked_models
from scratchvae.verification.cases.custom_parts import TanhGaussian, TwoComponentMixture
from scratchvae.verification.cases.options import FREE_BITS, MODELS, ONE_DRAW, VAE, all_options, options_problem
from scratchvae.verification.cases.random_inputs import random_model
from scratchvae.verification.checks.injected_errors import undetected_errors
from scratchvae.verification.oracles import install_hint

PACKAGES = ("layers", "probability", "flows", "objectives", "models", "optim", "training")
GRADIENTS = [name for name, s in CASES.items() if isinstance(s.draw(np.random.default_rng(0)), GradientProblem)]
DIRECTIONS = 3 if THOROUGH else 1  # of finite differences


def oracle_or_skip(name):
    if install_hint(name):
        pytest.skip(install_hint(name))
    return get_oracle(name)


# Sizes, architectures and options are drawn by Hypothesis, which shrinks them; all other numbers by the seed.
def failures(name, data, oracle, seed, dtype="float64", directions=3):
    return compare(CASES[name].draw(DrawnGenerator(data.draw, seed)), oracle, seed, dtype, directions).failures


@pytest.mark.parametrize("name", CASES)
@examples(quick=3, thorough=30)
@given(st.data(), seeds)
def test_value_and_every_gradient_agree_with_autograd_to_1e_12(name, data, seed):
    assert failures(name, data, get_oracle("autograd"), seed) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@given(st.data(), seeds)
def test_value_and_every_gradient_agree_with_torch_to_1e_12(name, data, seed):
    assert failures(name, data, oracle_or_skip("torch"), seed) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@examples(quick=1, thorough=1)  # JAX compiles each formula, for each shape
@given(st.data(), seeds)
def test_value_and_every_gradient_agree_with_jax_to_1e_12(name, data, seed):
    assert failures(name, data, oracle_or_skip("jax"), seed) == {}


# OpenBLAS may raise this flag for a float32 product that is finite and right (numpy issues 13173, 24067). A NaN in a
# result is a failure here all the same.
@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul:RuntimeWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@given(st.data(), seeds)
def test_value_and_every_gradient_agree_with_autograd_in_float32_to_1e_4(name, data, seed):
    assert failures(name, data, get_oracle("autograd"), seed, "float32") == {}


@pytest.mark.parametrize("name", GRADIENTS)
@examples(quick=1, thorough=5)
@given(st.data(), seeds)
def test_every_gradient_agrees_with_finite_differences_to_1e_9(name, data, seed):
    assert failures(name, data, None, seed, directions=DIRECTIONS) == {}


@pytest.mark.parametrize("options", all_options(), ids=str)
@examples(quick=1, thorough=10)
@given(st.data(), seeds)
def test_every_model_agrees_with_every_combination_of_options(options, data, seed):
    problem = options_problem(DrawnGenerator(data.draw, seed), options)
    assert compare(problem, get_oracle("autograd"), seed).failures == {}


def test_every_combination_of_options_is_drawn_by_the_cases_of_models(monkeypatch):
    drawn = set()
    monkeypatch.setattr("scratchvae.verification.cases.models.options_problem", lambda rng, o, _: drawn.add(str(o)))
    for case in checked_models.MODELS:
        for seed in range(150):
            case.draw(np.random.default_rng(seed))
    assert {str(options) for options in all_options()} - drawn == set()


# What changes the loss must be among the options; what does not is listed here with the reason.
NOT_OPTIONS = {
    **dict.fromkeys(["self", "x", "eps", "args", "kwargs", "settings", "named"], "no options"),
    **dict.fromkeys(["input_dim", "latent_dim", "hidden", "decoder_hidden", "activation"], "always drawn"),
    **dict.fromkeys(["likelihood", "sigma", "beta"], "always drawn"),
    **dict.fromkeys(["classes", "alpha", "importance_samples", "targets"], "always drawn for its model"),
    **dict.fromkeys(["seed", "init"], "the initial weights, which are drawn"),
    **dict.fromkeys(["dtype", "backend", "image_shape"], "the loss is that of float64 on NumPy"),
    **dict.fromkeys(
        ["encoder", "decoder", "posterior", "prior", "architecture"], "cases of their own: custom_models.py"
    ),
    "scale": "a case of its own: ScaledLikelihood",
    "batch_mean": "for one process of several: tests/parallel",
}
AS_OPTIONS = {"free_bits": FREE_BITS, "objective": ONE_DRAW, "missing": "missing"}
AS_OPTIONS |= {"corrupted": "corrupted", "kl_weight": "kl_weight"}


@pytest.mark.parametrize("model_class", MODELS, ids=lambda kind: kind.__name__)
def test_every_argument_that_changes_the_loss_is_an_option(model_class):
    arguments = {
        name
        for kind in model_class.__mro__[:-1]
        for method in ("__init__", "forward")
        for name in (inspect.signature(vars(kind)[method]).parameters if method in vars(kind) else ())
    }
    assert arguments - NOT_OPTIONS.keys() - AS_OPTIONS.keys() == set()
    names = " ".join(str(options) for options in all_options() if options.model_class is VAE)
    assert all(option in names for option in AS_OPTIONS.values())


# The bias of a layer is wrong from the third output on: W, b, x and eps of the smallest network that shows it.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("Linear", 7), ("VAE", 18), ("SemiSupervisedVAE", 20)])
def test_a_wrong_bias_shrinks_to_the_smallest_network_that_shows_it(name, most, monkeypatch):
    original = sv.layers.Linear.backward_parameters, sv.layers.Linear.backward
    smallest = []

    def wrong(self, dy, method):
        result = method(self, dy)
        self.db[2:] *= 1.01
        return result

    monkeypatch.setattr(sv.layers.Linear, "backward_parameters", lambda self, dy: wrong(self, dy, original[0]))
    monkeypatch.setattr(sv.layers.Linear, "backward", lambda self, dy: wrong(self, dy, original[1]))

    @settings(max_examples=300, derandomize=True, database=None, phases=(Phase.generate, Phase.shrink))
    @given(st.data(), seeds)
    def find(data, seed):
        problem = CASES[name].draw(DrawnGenerator(data.draw, seed))
        smallest[:] = [problem]
        assert compare(problem, None, seed, directions=1).failures == {}

    with pytest.raises(AssertionError):
        find()
    assert sum(array.size for array in smallest[0].inputs.values()) <= most


# The check "undetected injected errors of 1 %" does the same with finite differences and with autograd.
@pytest.mark.slow
def test_bug20_an_error_of_one_percent_is_found_in_every_gradient_by_torch():
    assert undetected_errors(oracle_or_skip("torch"), seed=0) == []


def left_to_subclasses(method):
    return getattr(method, "required", False) or "raise NotImplementedError" in inspect.getsource(method)


def computing_classes():
    """Yield every class of the package that implements forward or step; abstract classes are left out."""
    for package_name in PACKAGES:
        package = import_module(f"scratchvae.{package_name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for _, kind in inspect.getmembers(import_module(module.name), inspect.isclass):
                methods = [getattr(kind, name, None) for name in ("forward", "step")]
                computes = [m for m in methods if m and not left_to_subclasses(m)]
                if kind.__module__ == module.name and computes:
                    yield kind


def test_every_layer_density_objective_model_and_optimizer_is_checked():
    classes = set(computing_classes())
    # an empty set would make the test pass
    assert {sv.layers.Linear, sv.probability.ExactKL, sv.objectives.ELBO, sv.VAE, sv.optim.Adam, sv.Trainer} <= classes
    covered = {kind for module in CASES.values() for kind in module.covers}
    unchecked = classes - covered
    assert FUSED_VARIANTS.keys() <= covered  # tests/fused compares the fused variants with these
    assert {kind.__name__ for kind in unchecked} == set()


def test_the_checked_kinds_of_kl_are_those_that_models_use():
    posterior, prior = sv.probability.DiagonalGaussian(), sv.probability.StandardNormal()
    assert type(prior.kl(posterior, exact=True)) is sv.probability.ExactKL
    assert type(prior.kl(posterior, exact=False)) is sv.probability.GaussianDrawKL
    for exact in (True, False):
        assert (
            type(prior.kl(TanhGaussian(), exact))
            is type(TwoComponentMixture(2).kl(posterior, exact))
            is sv.probability.MonteCarloKL
        )


@given(seeds)
def test_a_vae_with_the_importance_weighted_objective_equals_an_iwae_exactly(seed):
    rng = np.random.default_rng(seed)
    iwae, x, eps = random_model(rng, sv.IWAE, importance_samples=int(rng.integers(1, 5)))
    settings = {name: value for name, value in iwae.config.items() if name != "importance_samples"}
    vae = sv.VAE(**settings, objective=sv.objectives.ImportanceWeighted(iwae.importance_samples))
    assert vae.shapes == iwae.shapes and vae.noise_dim == iwae.noise_dim
    vae.theta[...] = iwae.theta
    (loss, grads), (expected, expected_grads) = (model.loss_and_grads(x, eps) for model in (vae, iwae))
    assert loss == expected and all(np.array_equal(grads[name], expected_grads[name]) for name in expected_grads)
    assert all(
        np.array_equal(vae_term, iwae_term)
        for vae_term, iwae_term in zip(vae.elbo(x, eps), iwae.elbo(x, eps), strict=True)
    )


def test_problems_differ_between_seeds_and_repeat_with_the_same_seed():
    for module in CASES.values():
        first, same_seed, other_seed = (module.draw(np.random.default_rng(seed)).inputs for seed in (0, 0, 1))
        assert all(np.array_equal(first[name], same_seed[name]) for name in first), module.name
        assert first.keys() != other_seed.keys() or any(not np.array_equal(first[k], other_seed[k]) for k in first), (
            module.name
        )
