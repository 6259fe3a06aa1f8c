"""Which part follows which, forward, and its mirror, backward."""

from scratchvae.models.autoencoder import Autoencoder
from scratchvae.models.conditional import ConditionalVAE
from scratchvae.models.encoder import Encoder
from scratchvae.models.iwae import IWAE
from scratchvae.models.model import InputGradients, Model
from scratchvae.models.semi_supervised import SemiSupervisedVAE
from scratchvae.models.vae import VAE
from scratchvae.objectives import ELBOTerms

__all__ = [
    "IWAE",
    "VAE",
    "Autoencoder",
    "ConditionalVAE",
    "ELBOTerms",
    "Encoder",
    "InputGradients",
    "Model",
    "SemiSupervisedVAE",
]
