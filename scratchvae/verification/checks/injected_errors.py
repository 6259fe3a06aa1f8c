"""The checker checked: an error of 1 % in any one gradient must be found, by differences and by an oracle.

It is planted in all of them at once, for each is judged alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.verification.checked_modules import CHECKED_MODULES
from scratchvae.verification.checks.check import Check, Measurement
from scratchvae.verification.comparison import compare
from scratchvae.verification.oracles import Oracle, get_oracle, install_hint
from scratchvae.verification.problem import GradientProblem

PERCENT = 1.01
UNIT = 1e-9


def with_one_percent_errors(problem: GradientProblem) -> GradientProblem:
    """The same problem in a unit so large that all its numbers are small, and each of its gradients 1 % too long."""

    def formula(oracle: Oracle) -> Any:
        f = problem.formula(oracle)
        return lambda *inputs: UNIT * f(*inputs)

    return GradientProblem(
        problem.inputs,
        lambda *inputs: UNIT * problem.forward(*inputs),
        lambda dy, *inputs: [PERCENT * UNIT * gradient for gradient in problem.vjp(dy, *inputs)],
        formula,
    )


def undetected_errors(oracle: Oracle | None, seed: int) -> list[str]:
    """The gradients, by subject and input, in which an error of 1 % goes unnoticed. One that is 0 has none."""
    names = []
    for subject in CHECKED_MODULES.values():
        problem = subject.draw(np.random.default_rng(seed))
        if not isinstance(problem, GradientProblem):
            continue
        inputs = list(problem.inputs.values())
        dy = np.ones(np.shape(problem.forward(*inputs)))
        there = [bool(np.any(gradient)) for gradient in problem.vjp(dy, *inputs)]
        finding = compare(with_one_percent_errors(problem), oracle, seed)
        found = finding.failures if finding else {}
        names += [
            f"{subject.name}: d{name}"
            for name, is_there in zip(problem.inputs, there, strict=True)
            if is_there and f"d{name}" not in found
        ]
    return names


def _measure(seed: int) -> dict[str, Measurement]:
    found = {"by finite differences": Measurement(float(len(undetected_errors(None, seed))), 0.0)}
    if install_hint("autograd") is None:
        found["by autograd"] = Measurement(float(len(undetected_errors(get_oracle("autograd"), seed))), 0.0)
    return found


INJECTED_ERRORS = (Check("undetected errors of 1 %", "gradients", _measure),)
