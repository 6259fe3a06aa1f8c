"""Compare the value and the gradients of a module with those of an oracle, or with finite differences."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from scratchvae.gradcheck import check
from scratchvae.gradcheck.autodiff import MIN_SCALE_RATIO, relative_errors
from scratchvae.gradcheck.gradient_check import MAX_UNCERTAINTY_RATIO
from scratchvae.gradcheck.report import AGREES, UNRESOLVED, Argument
from scratchvae.gradcheck.tolerance import AUTODIFF, FINITE_DIFFERENCES
from scratchvae.representation import fields_repr
from scratchvae.validation import check_choice, check_int, check_seed, check_type
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, Problem, StepProblem, VerificationCase

FINITE_DIFFERENCE = "finite-difference"


class Comparison(NamedTuple):
    """The relative error of each quantity, and the quantities that exceed their tolerance.

    errors      by name: "value", and "d" followed by the name of an input for the gradient of that input
    failures    by name: a message for each quantity that is wrong; empty if all agree
    """

    errors: dict[str, float]
    failures: dict[str, str]

    def __repr__(self) -> str:
        return fields_repr(self)

    @property
    def worst(self) -> float:
        """The largest error; NaN if any error is NaN."""
        return float(np.max(list(self.errors.values())))

    def only(self, name: str) -> Comparison | None:
        """Return the part for one name; None if it was not compared."""
        if name not in self.errors:
            return None
        return Comparison({name: self.errors[name]}, {key: text for key, text in self.failures.items() if key == name})


def compare(
    problem: Problem, oracle: Oracle | None, seed: int = 0, dtype: str = "float64", directions: int = 3
) -> Comparison | None:
    """Compare the package's side of `problem`, computed in `dtype`, with the oracle's side in float64.

    With oracle=None, compare with finite differences along `directions` random directions, in float64. Returns None for
    a StepProblem without an oracle: it has no gradient, so finite differences do not apply. Raises ConfigError.
    """
    check_type("problem", problem, (GradientProblem, StepProblem), "a problem, such as CASES['Linear'].draw returns")
    _check_oracle_and_seed(oracle, seed)
    check_choice("dtype", dtype, tuple(AUTODIFF))
    check_int("directions", directions)
    if oracle is not None:
        errors = _errors_against_oracle(problem, oracle, seed, np.dtype(dtype))
        wrong = {name: f"off by {error:.1e}" for name, error in errors.items() if not error <= AUTODIFF[dtype]}
        return Comparison(errors, wrong)
    if not isinstance(problem, GradientProblem):
        return None
    names = tuple(problem.inputs)
    report = check(
        problem.forward, problem.vjp, *problem.inputs.values(), seed=seed, directions=directions, names=names
    )
    total_norm = sqrt(sum(a.gradient_norm**2 for a in report.arguments))
    errors, failures = {}, {}
    for a in report.arguments:
        name, relative_to_all = f"d{a.name}", _error_relative_to_all(a, total_norm)
        errors[name] = a.error if relative_to_all is None else relative_to_all
        if a.verdict != AGREES and relative_to_all is None:
            failures[name] = f"{a.verdict} {a.explanation}"
    return Comparison(errors, failures)


def _check_oracle_and_seed(oracle: Oracle | None, seed: int) -> None:
    check_seed(seed)
    if oracle is not None:
        check_type("oracle", oracle, Oracle, "an oracle, such as get_oracle('autograd'), or None")


# Rounding can hide whether a gradient that is much shorter than the others is right to the tolerance of its own size,
# while its error is certainly small compared with all gradients together.
def _error_relative_to_all(a: Argument, total_norm: float) -> float | None:
    """Return the error relative to MIN_SCALE_RATIO of the norm of all gradients.

    Returns None unless `a` is unresolved and passes at that scale.
    """
    if a.verdict != UNRESOLVED or not a.error:  # with an error of 0, the scale is undefined
        return None
    own_scale = abs(a.numeric - a.analytic) / a.error
    ratio = MIN_SCALE_RATIO * total_norm / sqrt(prod(a.shape)) / own_scale
    passes = (
        a.error <= ratio * FINITE_DIFFERENCES and a.uncertainty <= ratio * MAX_UNCERTAINTY_RATIO * FINITE_DIFFERENCES
    )
    return a.error / ratio if passes else None


def compare_many(case: VerificationCase, oracle: Oracle | None, seed: int = 0, trials: int = 3) -> Comparison | None:
    """`compare` on `trials` random problems of a verification case.

    Returns the largest error of each name and the failures of all problems, or None if there is nothing to compare.
    Raises ConfigError.
    """
    check_type("case", case, VerificationCase, "a verification case, such as CASES['Linear']")
    _check_oracle_and_seed(oracle, seed)
    check_int("trials", trials)
    own = crc32(case.name.encode())  # each case has its own problems, not the same sizes as all others
    problems = (case.draw(np.random.default_rng([seed, trial, own])) for trial in range(trials))
    comparisons = [compare(problem, oracle, seed + trial) for trial, problem in enumerate(problems)]
    errors: dict[str, float] = {}
    failures: dict[str, str] = {}
    for comparison in comparisons:
        if comparison is None:
            return None
        for name, error in comparison.errors.items():
            errors[name] = float(np.maximum(error, errors.get(name, 0.0)))
        failures.update(comparison.failures)
    return Comparison(errors, failures)


def _errors_against_oracle(problem: Problem, oracle: Oracle, seed: int, dtype: np.dtype[Any]) -> dict[str, float]:
    inputs = [x.astype(dtype) for x in problem.inputs.values()]
    oracle_inputs = [x.astype(np.float64) for x in inputs]  # the same numbers, rounded to dtype
    if not isinstance(problem, GradientProblem):
        actual, expected = problem.update(*inputs), problem.published_update(oracle, dtype, *oracle_inputs)
        return relative_errors({"value": actual}, {"value": expected})
    formula = problem.formula(oracle)
    value = np.array(problem.forward(*inputs))
    dy = np.random.default_rng(seed).standard_normal(value.shape).astype(dtype)
    names = [f"d{name}" for name in problem.inputs]
    gradients = dict(zip(names, map(np.array, problem.vjp(dy, *inputs)), strict=True))
    expected_value, expected_gradients = oracle.value_and_vjp(formula, dy.astype(np.float64), *oracle_inputs)
    return {
        **relative_errors({"value": value}, {"value": expected_value}, min_scale=MIN_SCALE_RATIO),
        **relative_errors(gradients, dict(zip(names, expected_gradients, strict=True))),
    }
