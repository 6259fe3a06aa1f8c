"""Everything that is checked, by name."""

from __future__ import annotations

from scratchvae.verification.problem import CheckedModule
from scratchvae.verification.subjects.composed import COMPOSED
from scratchvae.verification.subjects.divergences import DIVERGENCES
from scratchvae.verification.subjects.incomplete import INCOMPLETE
from scratchvae.verification.subjects.labelled import LABELLED
from scratchvae.verification.subjects.layers import LAYERS
from scratchvae.verification.subjects.models import MODELS
from scratchvae.verification.subjects.objectives import OBJECTIVES
from scratchvae.verification.subjects.optim import OPTIMIZERS
from scratchvae.verification.subjects.probability import DENSITIES
from scratchvae.verification.subjects.training import TRAINING

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
