"""Figures of merit."""

from scratchvae.evaluation.latent_use import LatentUse, latent_use
from scratchvae.evaluation.psnr import psnr

__all__ = ["LatentUse", "latent_use", "psnr"]
