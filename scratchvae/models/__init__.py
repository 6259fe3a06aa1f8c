"""Which piece follows which, forward, and its mirror, backward."""

from scratchvae.models import fused  # noqa: F401 - the twins for devices, which must be known
from scratchvae.models.autoencoder import Autoencoder
from scratchvae.models.conditional import ConditionalVAE
from scratchvae.models.encoder import Encoder
from scratchvae.models.iwae import IWAE
from scratchvae.models.model import Model
from scratchvae.models.objective import Terms
from scratchvae.models.semi_supervised import SemiSupervisedVAE
from scratchvae.models.vae import VAE

__all__ = ["IWAE", "VAE", "Autoencoder", "ConditionalVAE", "Encoder", "Model", "SemiSupervisedVAE", "Terms"]
