"""Optimizers of a flat vector of parameters, with learning-rate schedules and gradient clipping."""

from scratchvae.optim.adam import Adam, AdamW
from scratchvae.optim.clipping import clip_by_global_norm
from scratchvae.optim.optimizer import Optimizer
from scratchvae.optim.schedules import Constant, Cosine, ScaledSchedule, Schedule, WarmUp
from scratchvae.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Optimizer",
    "ScaledSchedule",
    "Schedule",
    "WarmUp",
    "clip_by_global_norm",
]
