"""Figures of merit."""

from scratchvae.evaluation.latent_use import LatentUse, latent_use

__all__ = ["LatentUse", "latent_use"]
