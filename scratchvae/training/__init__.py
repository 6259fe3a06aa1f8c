"""The loop over epochs, what it remembers, and files of weights."""

from scratchvae.training.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper
from scratchvae.training.finding import Finding
from scratchvae.training.history import Epoch, History
from scratchvae.training.kl_weights import KLCycles, KLWarmUp, KLWeight
from scratchvae.training.saving import load, load_encoder, save
from scratchvae.training.scoring import Score, score
from scratchvae.training.tracing import Traced
from scratchvae.training.trainer import Trainer

__all__ = [
    "Corruption",
    "Epoch",
    "Finding",
    "GaussianNoise",
    "History",
    "KLCycles",
    "KLWarmUp",
    "KLWeight",
    "Masking",
    "SaltAndPepper",
    "Score",
    "Traced",
    "Trainer",
    "load",
    "load_encoder",
    "save",
    "score",
]
