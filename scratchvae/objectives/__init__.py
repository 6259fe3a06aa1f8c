"""Objectives: the loss from the terms of each row, and its gradients."""

from scratchvae.objectives.elbo import ELBO
from scratchvae.objectives.importance_weighted import ImportanceWeighted
from scratchvae.objectives.objective import ELBOTerms, Objective

__all__ = ["ELBO", "ELBOTerms", "ImportanceWeighted", "Objective"]
