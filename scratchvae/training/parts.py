"""What a trainer is put together from, looked at before anything is made."""

from __future__ import annotations

from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.models import Model
from scratchvae.optim import Optimizer
from scratchvae.settings import function, of_kind


def admit_model(model: Any) -> Model:
    """`model`, if it is one. Raises ConfigError."""
    return of_kind("model", model, Model, "a model, such as VAE(784, 20)")


def check_parts(model: Any, lr: Any, optimizer: Any, kl_weight: Any) -> None:
    """Raises ConfigError where a trainer cannot be made of these."""
    admit_model(model)
    if optimizer is not None:
        of_kind("optimizer", optimizer, Optimizer, "an optimizer, such as Adam(1e-3)")
        if lr is not None:
            raise ConfigError("lr and optimizer were both given; give the rate to the optimizer")
    if kl_weight is not None:
        function("kl_weight", kl_weight, "a function of the number of updates before, such as KLWarmUp(1000)")
        if not model.noise_dim:
            raise ConfigError(f"kl_weight does nothing for an {type(model).__name__}, which has no KL: leave it out")
