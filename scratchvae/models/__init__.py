"""The models: which part follows which in forward, and the reverse order in backward."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scratchvae.models.autoencoder import Autoencoder
    from scratchvae.models.conditional import ConditionalVAE
    from scratchvae.models.encoder import Encoder
    from scratchvae.models.iwae import IWAE
    from scratchvae.models.model import InputGradients, Model
    from scratchvae.models.scale import Scale
    from scratchvae.models.schema import Schema
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
    "Scale",
    "Schema",
    "SemiSupervisedVAE",
]

# Each object loads at first use (PEP 562).
_MODULE_OF = {
    "IWAE": "models.iwae",
    "VAE": "models.vae",
    "Autoencoder": "models.autoencoder",
    "ConditionalVAE": "models.conditional",
    "ELBOTerms": "objectives",
    "Encoder": "models.encoder",
    "InputGradients": "models.model",
    "Model": "models.model",
    "Scale": "models.scale",
    "Schema": "models.schema",
    "SemiSupervisedVAE": "models.semi_supervised",
}

if not TYPE_CHECKING:  # a type checker reports names that do not exist

    def __getattr__(name: str) -> Any:
        """Import the object of that name at first use."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
        value = getattr(import_module(f"scratchvae.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__doc__"]
