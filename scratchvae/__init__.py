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
    from scratchvae import datasets, evaluation, gradcheck, io, objectives, plotting, training, verification
    from scratchvae.io import load, load_encoder, save
    from scratchvae.training import Trainer, score

__version__ = "0.2.0"

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
    "io",
    "layers",
    "load",
    "load_encoder",
    "objectives",
    "optim",
    "plotting",
    "probability",
    "save",
    "score",
    "to_numpy",
    "training",
    "verification",
]


_LAZY = ("datasets", "evaluation", "gradcheck", "io", "objectives", "plotting", "training", "verification")
_FROM = {"Trainer": "training", "score": "training", "load": "io", "load_encoder": "io", "save": "io"}


def __getattr__(name: str) -> Any:
    """Enter a room above the models when it is first asked for, so that `import scratchvae` costs little over NumPy."""
    if name in _LAZY:
        return import_module(f"scratchvae.{name}")
    if name in _FROM:
        return getattr(import_module(f"scratchvae.{_FROM[name]}"), name)
    raise AttributeError(f"module 'scratchvae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
