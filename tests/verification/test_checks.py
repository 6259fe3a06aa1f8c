"""Tests of the checks beyond gradients: the package passes, and each check can fail."""

from math import erfc, exp, sqrt

import numpy as np
import pytest
from hypothesis import given
from strategies import examples, seeds

import scratchvae as sv
from scratchvae.gradcheck import tolerance
from scratchvae.verification import CHECKS
from scratchvae.verification.checks import statistics
from scratchvae.verification.museum import KnownBug, Patch, failure_message, inject_bug

SLOW = [name for name in CHECKS if name.startswith("undetected")]


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in SLOW])
@examples(quick=1, thorough=3)
@given(seeds)
def test_the_package_passes(name, seed):
    measurements = CHECKS[name].measure(seed)
    assert measurements and all(measurement.passed for measurement in measurements.values()), measurements


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_package_passes_slow_checks(name):
    measurements = CHECKS[name].measure(seed=0)
    assert measurements and all(measurement.passed for measurement in measurements.values()), measurements


def test_the_probability_of_a_false_alarm_is_below_one_in_a_million():
    sigmas, chi2, distance = statistics.MAX_STANDARD_ERRORS, statistics._CHI2_EXPONENT, statistics._MAX_CDF_DISTANCE
    rates = (erfc(sigmas / sqrt(2)), 2 * exp(-chi2), 2 * exp(-2 * distance**2))
    assert max(rates) <= statistics.FALSE_ALARM_RATE * (1 + 1e-12)
    draws = [draw(0) for draw in statistics.SOURCES.values()]
    names = ("mean", "variance", "covariance", "row_independence", "distribution")
    functions = [getattr(statistics, f"_{name}") for name in names]
    comparisons = sum(len(list(function(zeta))) for zeta in draws for function in functions)
    comparisons += len(statistics._kl(0))
    assert 50 < comparisons < 100 < 1e-6 / statistics.FALSE_ALARM_RATE


# For each statistic, a change of the draws that it must detect.
CHANGED_DRAWS = {
    "mean": lambda zeta: zeta + 0.07,
    "variance": lambda zeta: zeta * 1.1,
    "covariance": lambda zeta: zeta + 0.1 * np.roll(zeta, 1, axis=1),
    "distribution": lambda zeta: np.sign(zeta),
    "row_independence": lambda zeta: np.repeat(zeta[::2], 2, axis=0),
}


@pytest.mark.parametrize("name", CHANGED_DRAWS)
def test_each_statistic_detects_its_change_of_the_draws(name):
    zeta = np.random.default_rng(0).standard_normal((10_000, 3))
    statistic = getattr(statistics, f"_{name}")
    assert max(statistic(zeta)) <= 1 < max(statistic(CHANGED_DRAWS[name](zeta)))


def test_every_statistic_detects_a_nan_in_the_last_column(monkeypatch):
    forward = sv.probability.Reparameterize.forward

    def forward_with_nan(self, mu, logvar, eps):
        z = forward(self, mu, logvar, eps)
        z[:, -1] = np.nan
        return z

    monkeypatch.setattr(sv.probability.Reparameterize, "forward", forward_with_nan)
    for name, check in CHECKS.items():
        if name.startswith("draws"):
            assert not check.measure(0)["Reparameterize"].passed, name


@pytest.mark.parametrize(
    ("owner", "method"), [(sv.probability.StandardNormal, "forward"), (sv.probability.DiagonalGaussian, "log_prob")]
)
def test_a_missing_constant_of_a_density_is_detected_by_values_and_not_by_gradients(owner, method):
    bug = KnownBug(0, "", "", (Patch(owner, method, "0.5 * log(2.0 * pi)", "0.5 * log(2.0)"),), ())
    by_difference = f"{owner.__name__} by finite-difference"
    with inject_bug(bug):
        assert f"{owner.__name__}, sum" in failure_message("densities: sum and mean") and failure_message("saturation")
        assert failure_message("KL against Monte Carlo") and not failure_message(by_difference)
    assert not failure_message("densities: sum and mean") and not failure_message("saturation")


# Each is right at ordinary values. The name is that of the measurement that finds it.
SATURATION_BUGS = {
    "LogSoftmax": Patch(sv.probability.LogSoftmax, "forward", "logits, column[:, None]", "logits, 0.0"),
    "ImportanceBound": Patch(
        sv.probability.ImportanceBound, "forward", "self.xp.max(log_w, axis=1, out=bound)", "bound[:] = 0"
    ),
    "MarginalBound": Patch(sv.probability.MarginalBound, "forward", "LOWEST_LOG_Q", "-float('inf')"),
    "IWAE": Patch(
        sv.objectives.ImportanceWeighted,
        "forward",
        "log_w += log_likelihood",
        "log_w += xp.maximum(log_likelihood, -700)",
    ),
    "SemiSupervisedVAE": Patch(
        sv.SemiSupervisedVAE, "forward", "self.bound.forward(log_q,", "self.bound.forward(np.maximum(log_q, -700),"
    ),
}


@pytest.mark.parametrize("name", SATURATION_BUGS)
def test_a_bug_that_shows_at_saturation_alone_is_found(name):
    with inject_bug(KnownBug(0, "", "", (SATURATION_BUGS[name],), ())):
        message = failure_message("saturation")
    assert message and f"{name}, float64" in message and f"{name}, float32" in message


def test_the_documented_tolerances_are_those_in_use():
    rows = {
        line.split("  ")[2]: line.split()[-2:]
        for line in sv.gradcheck.__doc__.splitlines()
        if line.endswith(tuple("–0123456789"))
    }
    in_float32 = tolerance.FINITE_DIFFERENCES_FLOAT32
    assert list(map(float, rows["finite differences"])) == [tolerance.FINITE_DIFFERENCES, in_float32]
    assert list(map(float, rows["autograd, torch, jax in float64"])) == list(tolerance.AUTODIFF.values())
    assert list(map(float, rows["exact values"])) == list(tolerance.SATURATED.values())
    assert list(tolerance.AUTODIFF) == list(tolerance.SATURATED) == ["float64", "float32"]
