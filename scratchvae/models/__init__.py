"""Which piece follows which, forward, and its mirror, backward."""

from scratchvae.models.autoencoder import Autoencoder
from scratchvae.models.model import Model
from scratchvae.models.objective import Terms
from scratchvae.models.vae import VAE

__all__ = ["VAE", "Autoencoder", "Model", "Terms"]
