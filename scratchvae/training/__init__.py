"""The loop over epochs, what it remembers, and files of weights."""

from scratchvae.training.checkpoint import load, save
from scratchvae.training.history import Epoch, History
from scratchvae.training.scoring import Score, score
from scratchvae.training.trainer import Trainer

__all__ = ["Epoch", "History", "Score", "Trainer", "load", "save", "score"]
