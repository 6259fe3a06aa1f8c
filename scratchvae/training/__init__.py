"""The training loop, the callbacks that hang on it, and what it remembers."""

from scratchvae.training.callback import Callback
from scratchvae.training.callbacks import (
    Checkpoint,
    EarlyStopping,
    FiniteCheck,
    MaxTime,
    Progress,
    ReduceLROnPlateau,
    WarnOfCollapse,
)
from scratchvae.training.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper
from scratchvae.training.finding import Finding
from scratchvae.training.history import Epoch, History
from scratchvae.training.kl_weights import KLCycles, KLWarmUp, KLWeight
from scratchvae.training.scoring import Score, score
from scratchvae.training.state import TrainingState
from scratchvae.training.tracing import Traced
from scratchvae.training.trainer import Trainer

__all__ = [
    "Callback",
    "Checkpoint",
    "Corruption",
    "EarlyStopping",
    "Epoch",
    "Finding",
    "FiniteCheck",
    "GaussianNoise",
    "History",
    "KLCycles",
    "KLWarmUp",
    "KLWeight",
    "Masking",
    "MaxTime",
    "Progress",
    "ReduceLROnPlateau",
    "SaltAndPepper",
    "Score",
    "Traced",
    "Trainer",
    "TrainingState",
    "WarnOfCollapse",
    "score",
]
