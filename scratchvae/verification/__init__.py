"""Compare every module, model, optimizer and training step with independent implementations of its formula.

    from scratchvae import verification as v

    v.compare_many(v.CASES["Linear"], v.get_oracle("autograd")).worst  # largest relative error of 3 problems
    v.CHECKS["draws: variance"].measure(seed=0)                   # a property that gradients cannot show

`CASES` covers every layer, density, objective, model, optimizer and training step of the package; a test
ensures that none is missing.
"""

from scratchvae.verification.cases import CASES
from scratchvae.verification.checks import CHECKS, Check, Measurement
from scratchvae.verification.comparison import Comparison, compare, compare_many
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.oracles import ORACLES, Oracle, get_oracle
from scratchvae.verification.problem import GradientProblem, Problem, StepProblem, VerificationCase

__all__ = [
    "CASES",
    "CHECKS",
    "ORACLES",
    "Check",
    "Comparison",
    "GradientProblem",
    "Measurement",
    "Oracle",
    "Problem",
    "StepProblem",
    "VerificationCase",
    "compare",
    "compare_many",
    "get_oracle",
    "model_gradient_problem",
]
