"""Compare every module, model, optimizer and training step with independent implementations of its formula.

    from scratchvae import verification as v

    v.compare_many(v.CHECKED_MODULES["Linear"], v.get_oracle("autograd")).worst  # largest relative error of 3 problems
    v.CHECKS["draws: variance"].measure(seed=0)                   # a property that gradients cannot show

`CHECKED_MODULES` covers every layer, density, objective, model, optimizer and training step of the package; a test
ensures that none is missing.
"""

from scratchvae.verification.checked_modules import CHECKED_MODULES
from scratchvae.verification.checks import CHECKS, Check, Measurement
from scratchvae.verification.comparison import Comparison, compare, compare_many
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.oracles import ORACLES, Oracle, get_oracle
from scratchvae.verification.problem import CheckedModule, GradientProblem, Problem, StepProblem

__all__ = [
    "CHECKED_MODULES",
    "CHECKS",
    "ORACLES",
    "Check",
    "CheckedModule",
    "Comparison",
    "GradientProblem",
    "Measurement",
    "Oracle",
    "Problem",
    "StepProblem",
    "compare",
    "compare_many",
    "get_oracle",
    "model_gradient_problem",
]
