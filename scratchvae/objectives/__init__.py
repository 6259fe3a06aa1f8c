"""Objectives: the loss from the terms of each row, and its gradients."""

from scratchvae.objectives.doubly_reparameterized import DoublyReparameterized
from scratchvae.objectives.elbo import ELBO
from scratchvae.objectives.importance_weighted import ImportanceWeighted
from scratchvae.objectives.objective import ELBOTerms, Objective
from scratchvae.objectives.sticking_the_landing import StickingTheLanding

__all__ = ["ELBO", "DoublyReparameterized", "ELBOTerms", "ImportanceWeighted", "Objective", "StickingTheLanding"]
