"""Figures of merit."""

from scratchvae.evaluation.classification import Classification, classification
from scratchvae.evaluation.imputation import ImputationError, imputation_error
from scratchvae.evaluation.latent_use import LatentUse, latent_use
from scratchvae.evaluation.mutual_information import MutualInformationGap, mutual_information_gap
from scratchvae.evaluation.psnr import psnr

__all__ = [
    "Classification",
    "ImputationError",
    "LatentUse",
    "MutualInformationGap",
    "classification",
    "imputation_error",
    "latent_use",
    "mutual_information_gap",
    "psnr",
]
