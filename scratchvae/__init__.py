"""A variational autoencoder written from scratch: hand-derived gradients, on NumPy or CuPy.

    import scratchvae as sv

    data = sv.datasets.load("digits")
    vae = sv.VAE(input_dim=64, latent_dim=10)
    history = sv.Trainer(vae).fit(data.train.images, epochs=50, validation=data.test.images, progress=True)
    digits = vae.sample(16)

Read `models/vae.py` first: what a VAE is stands there on one page.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scratchvae import (
        datasets,
        errors,
        evaluation,
        export,
        flows,
        gradcheck,
        io,
        layers,
        objectives,
        optim,
        plotting,
        probability,
        tables,
        training,
        verification,
    )
    from scratchvae.backend import get_backend, to_numpy
    from scratchvae.estimators import VAEEmbedding, VAEImputer, VAEOutlierDetector
    from scratchvae.io import load, load_encoder, save
    from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, SemiSupervisedVAE
    from scratchvae.training import Trainer, score

__version__ = "0.2.0"

__all__ = [
    "IWAE",
    "VAE",
    "Autoencoder",
    "ConditionalVAE",
    "SemiSupervisedVAE",
    "Trainer",
    "VAEEmbedding",
    "VAEImputer",
    "VAEOutlierDetector",
    "datasets",
    "errors",
    "evaluation",
    "export",
    "flows",
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
    "tables",
    "to_numpy",
    "training",
    "verification",
]

# Subpackages and objects load at first use (PEP 562): `import scratchvae` alone loads nothing, not even NumPy.
_PACKAGE_OF = {
    "IWAE": "models",
    "VAE": "models",
    "Autoencoder": "models",
    "ConditionalVAE": "models",
    "SemiSupervisedVAE": "models",
    "Trainer": "training",
    "VAEEmbedding": "estimators",
    "VAEImputer": "estimators",
    "VAEOutlierDetector": "estimators",
    "get_backend": "backend",
    "load": "io",
    "load_encoder": "io",
    "save": "io",
    "score": "training",
    "to_numpy": "backend",
}
_INTERNAL = {
    *(
        "arrays",
        "backend",
        "cli",
        "disk",
        "estimators",
        "explorer",
        "fused",
        "kernels",
        "memory",
        "models",
        "representation",
        "rng",
    ),
    "pytest_plugin",
    "validation",
}
_SUBPACKAGES = ({*__all__} | _INTERNAL) - _PACKAGE_OF.keys()

if not TYPE_CHECKING:  # a type checker reports names that do not exist

    def __getattr__(name: str) -> Any:
        """Import a subpackage, or the object of that name, at first use."""
        if name in _SUBPACKAGES:
            return import_module(f"scratchvae.{name}")
        if name in _PACKAGE_OF:
            value = getattr(import_module(f"scratchvae.{_PACKAGE_OF[name]}"), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'scratchvae' has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__version__"]
