"""Tests of the oracles: their formulas, and the error if one is not installed."""

import numpy as np
import pytest

from scratchvae.errors import ConfigError
from scratchvae.verification import get_oracle, oracles

EACH_ORACLE = pytest.mark.parametrize(
    "oracle_name", ["autograd", *(pytest.param(name, marks=pytest.mark.slow) for name in ("torch", "jax"))]
)
ACTIVATIONS = ["relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu", "gelu"]


def oracle_or_skip(name):
    if oracles.install_hint(name):
        pytest.skip(oracles.install_hint(name))
    return get_oracle(name)


@EACH_ORACLE
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_activation_equals_its_published_formula(name, oracle_name):
    oracle = oracle_or_skip(oracle_name)
    x = np.linspace(-3, 3, 12)
    from scipy.special import expit, ndtr

    exact = {
        "relu": np.maximum(x, 0),
        "leaky_relu": np.maximum(x, 0.01 * x),
        "tanh": np.tanh(x),
        "sigmoid": expit(x),
        "softplus": np.log1p(np.exp(x)),
        "silu": x * expit(x),
        "gelu": x * ndtr(x),
    }[name]
    np.testing.assert_allclose(oracle.value(getattr(oracle, name), x), exact, rtol=1e-13)


@EACH_ORACLE
def test_the_kl_and_the_bernoulli_likelihood_equal_those_of_scipy(oracle_name):
    oracle = oracle_or_skip(oracle_name)
    from scipy import stats

    rng = np.random.default_rng(0)
    mu, logvar, logits, x = rng.standard_normal((4, 5, 3))
    x = (x > 0).astype(float)
    entropy = stats.norm(mu, np.exp(logvar / 2)).entropy()
    kl = (-entropy + 0.5 * (np.log(2 * np.pi) + mu**2 + np.exp(logvar))).sum(axis=1)
    np.testing.assert_allclose(oracle.value(oracle.gaussian_kl, mu, logvar), kl, rtol=1e-12)
    log_p = stats.bernoulli(1 / (1 + np.exp(-logits))).logpmf(x).sum(axis=1)
    np.testing.assert_allclose(oracle.value(oracle.bernoulli, logits, x), log_p, rtol=1e-12)


@EACH_ORACLE
def test_the_gaussian_and_the_continuous_bernoulli_equal_those_of_scipy(oracle_name):
    oracle = oracle_or_skip(oracle_name)
    from scipy import stats

    rng = np.random.default_rng(0)
    mu, logvar, x = rng.standard_normal((3, 5, 3))
    logits, grey = -rng.uniform(0.1, 20, (5, 3)), rng.random((5, 3))
    log_p = stats.norm(mu, np.exp(logvar / 2)).logpdf(x).sum(axis=1)
    np.testing.assert_allclose(oracle.value(oracle.gaussian, mu, logvar, x), log_p, rtol=1e-12)
    log_p = stats.truncexpon(b=-logits, scale=-1 / logits).logpdf(grey).sum(axis=1)
    np.testing.assert_allclose(oracle.value(oracle.continuous_bernoulli, logits, grey), log_p, rtol=1e-11)
    np.testing.assert_allclose(oracle.value(oracle.continuous_bernoulli, -logits, 1 - grey), log_p, rtol=1e-11)


@pytest.mark.parametrize(
    "name", ["autograd", *(pytest.param(name, marks=pytest.mark.slow) for name in ("torch", "jax"))]
)
def test_the_value_and_the_gradients_of_an_oracle_equal_a_formula_by_hand(name):
    if oracles.install_hint(name):
        pytest.skip(oracles.install_hint(name))
    oracle, rng = get_oracle(name), np.random.default_rng(0)
    x, W, b, dy = (rng.standard_normal(shape) for shape in ((4, 3), (3, 2), (2,), (4, 2)))
    value, gradients = oracle.value_and_vjp(oracle.affine, dy, x, W, b)
    separately = [oracle.value(oracle.affine, x, W, b), *oracle.vjp(oracle.affine, dy, x, W, b)]
    by_hand = [x @ W + b, dy @ W.T, x.T @ dy, dy.sum(axis=0)]
    for actual, expected in zip([value, *gradients, *separately], by_hand * 2, strict=True):
        assert actual.dtype == np.float64
        np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.slow
def test_jax_compiles_without_the_options_that_its_version_lacks(monkeypatch):
    if oracles.install_hint("jax"):
        pytest.skip(oracles.install_hint("jax"))
    oracle = get_oracle("jax")
    from scratchvae.verification.oracles import jax as module

    absent = {"xla_no_such_option": 0}
    monkeypatch.setattr(module, "_FAST_COMPILATION", module._FAST_COMPILATION | absent)
    module._compiler_options.cache_clear()
    assert module._compiler_options().keys() <= module._FAST_COMPILATION.keys() - absent.keys()
    assert "xla_backend_optimization_level" in module._compiler_options()
    value, (gradient,) = oracle.value_and_vjp(oracle.tanh, np.ones(3), np.zeros(3))
    assert not value.any() and np.array_equal(gradient, np.ones(3))


def test_an_oracle_that_is_not_installed_is_refused_with_its_install_command(monkeypatch):
    monkeypatch.setattr(oracles, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"torch is not installed; pip install 'scratchvae\[oracles\]'"):
        get_oracle("torch")
    with pytest.raises(ConfigError, match="autograd is not installed"):
        get_oracle("autograd")


def test_an_unknown_oracle_is_refused():
    with pytest.raises(ConfigError, match="choose one of autograd, torch, jax"):
        get_oracle("tensorflow")


def test_the_default_precision_of_jax_is_not_changed():
    if oracles.install_hint("jax"):
        pytest.skip(oracles.install_hint("jax"))
    import jax.numpy as jnp

    oracle = get_oracle("jax")
    assert oracle.value(oracle.tanh, np.ones(3)).dtype == np.float64
    assert jnp.ones(3).dtype == np.float32
