"""Check the checker: an error of 1 % in any one gradient must be detected, by finite differences and by an oracle.

The error is injected into all gradients of a problem at once, because each gradient is compared separately. Finite
differences have a single direction to detect it: more directions would be more chances.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.verification.cases import CASES
from scratchvae.verification.checks.check import Check, Measurement
from scratchvae.verification.comparison import compare
from scratchvae.verification.oracles import Oracle, get_oracle, install_hint
from scratchvae.verification.problem import GradientProblem

ERROR_FACTOR = 1.01
SCALE = 1e-9


def with_one_percent_errors(problem: GradientProblem) -> GradientProblem:
    """Return `problem` with every gradient 1 % too large, and with values and gradients scaled by 1e-9.

    The scale makes all errors small in absolute terms.
    """

    def formula(oracle: Oracle) -> Any:
        f = problem.formula(oracle)
        return lambda *inputs: SCALE * f(*inputs)

    return GradientProblem(
        problem.inputs,
        lambda *inputs: SCALE * problem.forward(*inputs),
        lambda dy, *inputs: [ERROR_FACTOR * SCALE * gradient for gradient in problem.vjp(dy, *inputs)],
        formula,
    )


def undetected_errors(oracle: Oracle | None, seed: int) -> list[str]:
    """Return the gradients, as "module: dinput", in which an error of 1 % is not detected.

    A gradient of 0 is skipped: 1 % of it is no error.
    """
    names = []
    for module in CASES.values():
        problem = module.draw(np.random.default_rng(seed))
        if not isinstance(problem, GradientProblem):
            continue
        inputs = list(problem.inputs.values())
        dy = np.ones(np.shape(problem.forward(*inputs)))
        nonzero = [bool(np.any(gradient)) for gradient in problem.vjp(dy, *inputs)]
        comparison = compare(with_one_percent_errors(problem), oracle, seed, directions=1)
        detected = comparison.failures if comparison else {}
        names += [
            f"{module.name}: d{name}"
            for name, is_nonzero in zip(problem.inputs, nonzero, strict=True)
            if is_nonzero and f"d{name}" not in detected
        ]
    return names


def _measure(seed: int) -> dict[str, Measurement]:
    measurements = {"by finite differences": Measurement(float(len(undetected_errors(None, seed))), 0.0)}
    if install_hint("autograd") is None:
        undetected = undetected_errors(get_oracle("autograd"), seed)
        measurements["by autograd"] = Measurement(float(len(undetected)), 0.0)
    return measurements


INJECTED_ERRORS = (Check("undetected injected errors of 1 %", "gradients", _measure),)
