"""The registry of verification cases: modules, models, optimizers and training steps, with independent formulas."""

from __future__ import annotations

from scratchvae.verification.cases.custom_models import CUSTOM_MODELS
from scratchvae.verification.cases.divergences import DIVERGENCES
from scratchvae.verification.cases.flows import FLOWS
from scratchvae.verification.cases.labelled import LABELLED
from scratchvae.verification.cases.layers import LAYERS
from scratchvae.verification.cases.missing_data import MISSING_DATA
from scratchvae.verification.cases.models import MODELS
from scratchvae.verification.cases.objectives import OBJECTIVES
from scratchvae.verification.cases.optim import OPTIMIZERS
from scratchvae.verification.cases.probability import DENSITIES
from scratchvae.verification.cases.training import TRAINING
from scratchvae.verification.problem import VerificationCase

# By name: modules, models, optimizers and training steps compared with independent formulas.
CASES: dict[str, VerificationCase] = {
    case.name: case
    for group in (
        LAYERS,
        DENSITIES,
        DIVERGENCES,
        FLOWS,
        OBJECTIVES,
        MODELS,
        MISSING_DATA,
        LABELLED,
        CUSTOM_MODELS,
        TRAINING,
        OPTIMIZERS,
    )
    for case in group
}
