"""The registry of checked modules: modules, models, optimizers and training steps with their independent formulas."""

from __future__ import annotations

from scratchvae.verification.checked_modules.custom_models import CUSTOM_MODELS
from scratchvae.verification.checked_modules.divergences import DIVERGENCES
from scratchvae.verification.checked_modules.labelled import LABELLED
from scratchvae.verification.checked_modules.layers import LAYERS
from scratchvae.verification.checked_modules.missing_data import MISSING_DATA
from scratchvae.verification.checked_modules.models import MODELS
from scratchvae.verification.checked_modules.objectives import OBJECTIVES
from scratchvae.verification.checked_modules.optim import OPTIMIZERS
from scratchvae.verification.checked_modules.probability import DENSITIES
from scratchvae.verification.checked_modules.training import TRAINING
from scratchvae.verification.problem import CheckedModule

# By name: modules, models, optimizers and training steps compared with independent formulas.
CHECKED_MODULES: dict[str, CheckedModule] = {
    module.name: module
    for group in (
        LAYERS,
        DENSITIES,
        DIVERGENCES,
        OBJECTIVES,
        MODELS,
        MISSING_DATA,
        LABELLED,
        CUSTOM_MODELS,
        TRAINING,
        OPTIMIZERS,
    )
    for module in group
}
