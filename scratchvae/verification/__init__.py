"""Every piece of the package held against independent implementations of its formula.

    from scratchvae import verification as v

    v.hold(v.SUBJECTS["Linear"], v.get_oracle("autograd")).worst  # the largest relative error in three random problems
    v.CHECKS["draws: variance"].measure(seed=0)                   # what no gradient shows

`SUBJECTS` has every layer, density, objective, model and optimizer; a test holds that list against the package.
"""

from scratchvae.verification.checks import CHECKS, Check, Measurement
from scratchvae.verification.judge import Finding, examine, hold
from scratchvae.verification.model_problem import of_model
from scratchvae.verification.oracles import ORACLES, Oracle, get_oracle
from scratchvae.verification.problem import GradientProblem, Problem, StepProblem, Subject
from scratchvae.verification.subjects import SUBJECTS

__all__ = [
    "CHECKS",
    "ORACLES",
    "SUBJECTS",
    "Check",
    "Finding",
    "GradientProblem",
    "Measurement",
    "Oracle",
    "Problem",
    "StepProblem",
    "Subject",
    "examine",
    "get_oracle",
    "hold",
    "of_model",
]
