"""Figures of merit."""

from scratchvae.evaluation.imputation import ImputationError, imputation_error
from scratchvae.evaluation.latent_use import LatentUse, latent_use
from scratchvae.evaluation.psnr import psnr

__all__ = ["ImputationError", "LatentUse", "imputation_error", "latent_use", "psnr"]
