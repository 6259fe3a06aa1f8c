"""A variational autoencoder written from scratch: hand-derived gradients, on NumPy or CuPy.

    import scratchvae as sv

    data = sv.datasets.load("digits")
    vae = sv.VAE(input_dim=64, latent_dim=10)
    history = sv.Trainer(vae).fit(data.train.images, epochs=50, validation=data.test.images, progress=True)
    digits = vae.sample(16)

Read `models/vae.py` first: what a VAE is stands there on one page.
"""

from scratchvae import datasets, errors, layers, optim, probability
from scratchvae.backend import get_backend, to_numpy
from scratchvae.models import VAE, Autoencoder
from scratchvae.training import Trainer, load, save, score

__version__ = "0.1.0"

__all__ = [
    "VAE",
    "Autoencoder",
    "Trainer",
    "datasets",
    "errors",
    "get_backend",
    "layers",
    "load",
    "optim",
    "probability",
    "save",
    "score",
    "to_numpy",
]
