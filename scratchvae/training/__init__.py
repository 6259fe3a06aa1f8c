"""Training: the loop, its callbacks, the history, and what rows are preprocessed with."""

from scratchvae.training.anomaly import AnomalyDetector
from scratchvae.training.callback import Callback
from scratchvae.training.callbacks import (
    Checkpoint,
    CollapseDetector,
    EarlyStopping,
    FiniteCheck,
    MaxTime,
    Progress,
    ReduceLROnPlateau,
)
from scratchvae.training.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper
from scratchvae.training.history import Epoch, History
from scratchvae.training.kl_weights import KLCycles, KLWarmUp, KLWeight
from scratchvae.training.nonfinite import NonFiniteTensor
from scratchvae.training.scoring import Score, score
from scratchvae.training.state import TrainingState
from scratchvae.training.trainer import Trainer

__all__ = [
    "AnomalyDetector",
    "Callback",
    "Checkpoint",
    "CollapseDetector",
    "Corruption",
    "EarlyStopping",
    "Epoch",
    "FiniteCheck",
    "GaussianNoise",
    "History",
    "KLCycles",
    "KLWarmUp",
    "KLWeight",
    "Masking",
    "MaxTime",
    "NonFiniteTensor",
    "Progress",
    "ReduceLROnPlateau",
    "SaltAndPepper",
    "Score",
    "Trainer",
    "TrainingState",
    "score",
]
