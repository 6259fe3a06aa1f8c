"""Normalizing flows: posteriors whose draws pass through invertible maps with a known log-determinant."""

from scratchvae.flows.inverse_autoregressive import InverseAutoregressive
from scratchvae.flows.made import MADE

__all__ = ["MADE", "InverseAutoregressive"]
