"""A variational autoencoder written from scratch: hand-derived gradients, on NumPy or CuPy.

    import scratchvae as sv

    data = sv.datasets.load("digits")
    vae = sv.VAE(input_dim=64, latent_dim=10)
    history = sv.Trainer(vae).fit(data.train.images, epochs=50, validation=data.test.images, progress=True)
    digits = vae.sample(16)

Read `models/vae.py` first: what a VAE is stands there on one page.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scratchvae import errors, layers, optim, probability
from scratchvae.backend import get_backend, to_numpy
from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, SemiSupervisedVAE

if TYPE_CHECKING:
    from scratchvae import datasets, evaluation, gradcheck, plotting, training, verification
    from scratchvae.training import Trainer, load, load_encoder, save, score

__version__ = "0.1.0"

__all__ = [
    "IWAE",
    "VAE",
    "Autoencoder",
    "ConditionalVAE",
    "SemiSupervisedVAE",
    "Trainer",
    "datasets",
    "errors",
    "evaluation",
    "get_backend",
    "gradcheck",
    "layers",
    "load",
    "load_encoder",
    "optim",
    "plotting",
    "probability",
    "save",
    "score",
    "to_numpy",
    "training",
    "verification",
]


_ROOMS = ("datasets", "evaluation", "gradcheck", "plotting", "training", "verification")
_OF_TRAINING = ("Trainer", "load", "load_encoder", "save", "score")


def __getattr__(name: str) -> Any:
    """Enter a room above the models when it is first asked for, so that `import scratchvae` costs little over NumPy."""
    if name in _ROOMS:
        return import_module(f"scratchvae.{name}")
    if name in _OF_TRAINING:
        return getattr(import_module("scratchvae.training"), name)
    raise AttributeError(f"module 'scratchvae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
