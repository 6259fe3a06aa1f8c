"""The verdict on one piece by one oracle."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.gradcheck import check
from scratchvae.gradcheck.gradient_check import MAX_UNCERTAINTY_RATIO
from scratchvae.gradcheck.report import AGREES, UNRESOLVED, Argument
from scratchvae.gradcheck.tolerance import AUTODIFF, FINITE_DIFFERENCES
from scratchvae.representation import fields_repr
from scratchvae.validation import check_choice, check_int, check_seed, check_type
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import CheckedModule, GradientProblem, Problem, StepProblem

FINITE_DIFFERENCE = "finite-difference"
SHARE = 1e-2  # of all gradients together: the least that an error is taken relative to


class Comparison(NamedTuple):
    """How far ours is from an oracle's: relative errors by name, "value" and "d" before each input's name.

    `failures` says what is wrong with which; it is empty where all is right.
    """

    errors: dict[str, float]
    failures: dict[str, str]

    def __repr__(self) -> str:
        return fields_repr(self)

    @property
    def worst(self) -> float:
        """The largest error."""
        return float(np.max(list(self.errors.values())))  # which lets no NaN go

    def only(self, name: str) -> Comparison | None:
        """What was found of one name; None if it was not looked at."""
        if name not in self.errors:
            return None
        return Comparison({name: self.errors[name]}, {of: said for of, said in self.failures.items() if of == name})


def compare(
    problem: Problem, oracle: Oracle | None, seed: int = 0, dtype: str = "float64", directions: int = 3
) -> Comparison | None:
    """Hold our side of `problem`, computed in `dtype`, against the oracle's in float64.

    Without an oracle, hold it against finite differences along so many `directions`, in float64. None where there is
    nothing to compare: what has no gradient has no finite differences. Raises ConfigError.
    """
    check_type(
        "problem", problem, (GradientProblem, StepProblem), "a problem, such as CHECKED_MODULES['Linear'].draw makes"
    )
    _check_how(oracle, seed)
    check_choice("dtype", dtype, tuple(AUTODIFF))
    check_int("directions", directions)
    if oracle is not None:
        errors = _against(problem, oracle, seed, np.dtype(dtype))
        wrong = {name: f"off by {error:.1e}" for name, error in errors.items() if not error <= AUTODIFF[dtype]}
        return Comparison(errors, wrong)
    if not isinstance(problem, GradientProblem):
        return None
    names = tuple(problem.inputs)
    report = check(
        problem.forward, problem.vjp, *problem.inputs.values(), seed=seed, directions=directions, names=names
    )
    length = sqrt(sum(a.gradient_norm**2 for a in report.arguments))
    errors, failures = {}, {}
    for a in report.arguments:
        name, part = f"d{a.name}", _as_part(a, length)
        errors[name] = a.error if part is None else part
        if a.verdict != AGREES and part is None:
            failures[name] = f"{a.verdict} {a.explanation}"
    return Comparison(errors, failures)


def _check_how(oracle: Oracle | None, seed: int) -> None:
    check_seed(seed)
    if oracle is not None:
        check_type("oracle", oracle, Oracle, "an oracle, such as get_oracle('autograd'), or None")


# What is lost in rounding beside the other gradients may still be known well enough as a part of them all.
def _as_part(a: Argument, norm: float) -> float | None:
    """The error over SHARE of all gradients' length, if the verdict is open, and that scale settles it."""
    if a.verdict != UNRESOLVED or not a.error:  # there is no scale to what is nothing on both sides
        return None
    own = abs(a.numeric - a.analytic) / a.error
    share = SHARE * norm / sqrt(prod(a.shape)) / own
    settled = (
        a.error <= share * FINITE_DIFFERENCES and a.uncertainty <= share * MAX_UNCERTAINTY_RATIO * FINITE_DIFFERENCES
    )
    return a.error / share if settled else None


def compare_many(subject: CheckedModule, oracle: Oracle | None, seed: int = 0, trials: int = 3) -> Comparison | None:
    """`compare` so many random problems of the subject: the largest error of each name, and every complaint.

    Raises ConfigError.
    """
    check_type("subject", subject, CheckedModule, "a subject, such as CHECKED_MODULES['Linear']")
    _check_how(oracle, seed)
    check_int("trials", trials)
    findings = [compare(subject.draw(np.random.default_rng([seed, t])), oracle, seed + t) for t in range(trials)]
    errors: dict[str, float] = {}
    failures: dict[str, str] = {}
    for finding in findings:
        if finding is None:
            return None
        for name, error in finding.errors.items():
            errors[name] = float(np.maximum(error, errors.get(name, 0.0)))
        failures.update(finding.failures)
    return Comparison(errors, failures)


def _against(problem: Problem, oracle: Oracle, seed: int, dtype: np.dtype[Any]) -> dict[str, float]:
    ours = [x.astype(dtype) for x in problem.inputs.values()]
    theirs = [x.astype(np.float64) for x in ours]  # what became of them in dtype
    if not isinstance(problem, GradientProblem):
        return relative_errors({"value": problem.ours(*ours)}, {"value": problem.published(oracle, dtype, *theirs)})
    formula = problem.formula(oracle)
    value = np.array(problem.forward(*ours))
    dy = np.random.default_rng(seed).standard_normal(value.shape).astype(dtype)
    names = [f"d{name}" for name in problem.inputs]
    given = dict(zip(names, map(np.array, problem.vjp(dy, *ours)), strict=True))
    expected = dict(zip(names, oracle.vjp(formula, dy.astype(np.float64), *theirs), strict=True))
    return {
        **relative_errors({"value": value}, {"value": oracle.value(formula, *theirs)}, least=SHARE),
        **relative_errors(given, expected),
    }


def relative_errors(given: Mapping[str, Array], expected: Mapping[str, Array], least: float = 0.0) -> dict[str, float]:
    """‖given − expected‖ / ‖expected‖ of each array; of one far shorter than all together, over that share of them.

    An array may be the small difference of large terms: then its rounding is that of the terms. So it is of a loss of
    5e-4 nats, whose terms are of some nats: none is taken relative to less than `least`. One of another shape, and one
    that should be 0 and is not, are infinitely off.
    """
    norm = np.sqrt(sum(float(np.linalg.norm(array)) ** 2 for array in expected.values()))
    errors = {}
    for name, array in expected.items():
        if np.shape(given[name]) != np.shape(array):
            errors[name] = inf
            continue
        apart, size = (
            float(np.linalg.norm(given[name] - array)),
            max(float(np.linalg.norm(array)), SHARE * norm, least),
        )
        errors[name] = apart / size if size else inf * apart if apart else 0.0
    return errors
