"""The loop over epochs, what it remembers, and files of weights."""

from scratchvae.training.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper
from scratchvae.training.history import Epoch, History
from scratchvae.training.kl_weights import KLCycles, KLWarmUp, KLWeight
from scratchvae.training.saving import load, load_encoder, save
from scratchvae.training.scoring import Score, score
from scratchvae.training.trainer import Trainer

__all__ = [
    "Corruption",
    "Epoch",
    "GaussianNoise",
    "History",
    "KLCycles",
    "KLWarmUp",
    "KLWeight",
    "Masking",
    "SaltAndPepper",
    "Score",
    "Trainer",
    "load",
    "load_encoder",
    "save",
    "score",
]
