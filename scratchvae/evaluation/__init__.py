"""Metrics of trained models."""

from scratchvae.evaluation.active_units import ActiveUnits, active_units
from scratchvae.evaluation.classification import Classification, classification
from scratchvae.evaluation.imputation import ImputationError, imputation_error
from scratchvae.evaluation.log_likelihood import LogLikelihood, log_likelihood
from scratchvae.evaluation.mutual_information import MutualInformationGap, mutual_information_gap
from scratchvae.evaluation.psnr import psnr

__all__ = [
    "ActiveUnits",
    "Classification",
    "ImputationError",
    "LogLikelihood",
    "MutualInformationGap",
    "active_units",
    "classification",
    "imputation_error",
    "log_likelihood",
    "mutual_information_gap",
    "psnr",
]
