"""Everything that is checked, by name."""

from __future__ import annotations

from scratchvae.verification.problem import Subject
from scratchvae.verification.subjects.incomplete import INCOMPLETE
from scratchvae.verification.subjects.labelled import LABELLED
from scratchvae.verification.subjects.layers import LAYERS
from scratchvae.verification.subjects.models import MODELS
from scratchvae.verification.subjects.optim import OPTIMIZERS
from scratchvae.verification.subjects.probability import DENSITIES

SUBJECTS: dict[str, Subject] = {
    subject.name: subject for subject in (*LAYERS, *DENSITIES, *MODELS, *INCOMPLETE, *LABELLED, *OPTIMIZERS)
}
