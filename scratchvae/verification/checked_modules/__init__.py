"""Everything that is checked, by name."""

from __future__ import annotations

from scratchvae.verification.checked_modules.custom_models import COMPOSED
from scratchvae.verification.checked_modules.divergences import DIVERGENCES
from scratchvae.verification.checked_modules.labelled import LABELLED
from scratchvae.verification.checked_modules.layers import LAYERS
from scratchvae.verification.checked_modules.missing_data import INCOMPLETE
from scratchvae.verification.checked_modules.models import MODELS
from scratchvae.verification.checked_modules.objectives import OBJECTIVES
from scratchvae.verification.checked_modules.optim import OPTIMIZERS
from scratchvae.verification.checked_modules.probability import DENSITIES
from scratchvae.verification.checked_modules.training import TRAINING
from scratchvae.verification.problem import CheckedModule

CHECKED_MODULES: dict[str, CheckedModule] = {
    subject.name: subject
    for subjects in (
        LAYERS,
        DENSITIES,
        DIVERGENCES,
        OBJECTIVES,
        MODELS,
        INCOMPLETE,
        LABELLED,
        COMPOSED,
        TRAINING,
        OPTIMIZERS,
    )
    for subject in subjects
}
