"""Objectives: from the terms of each row to the loss, and back."""

from scratchvae.objectives.elbo import ELBO
from scratchvae.objectives.importance_weighted import ImportanceWeighted
from scratchvae.objectives.objective import Objective, Terms

__all__ = ["ELBO", "ImportanceWeighted", "Objective", "Terms"]
