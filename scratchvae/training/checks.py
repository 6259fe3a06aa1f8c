"""Checks of what a trainer is made from."""

from __future__ import annotations

from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.memory import check_methods
from scratchvae.models import Model
from scratchvae.optim import Optimizer
from scratchvae.training.kl_weights import KLWeight
from scratchvae.validation import check_callable, check_type


def check_model(model: Any) -> Model:
    """`model`, if it is one. Raises ConfigError."""
    return check_type("model", model, Model, "a model, such as VAE(784, 20)")


def check_optimizer(optimizer: Any, lr: Any) -> None:
    """Raises ConfigError for what is no optimizer, or where a rate is given beside one."""
    if optimizer is not None:
        check_type("optimizer", optimizer, Optimizer, "an optimizer, such as Adam(1e-3)")
        check_methods("optimizer", optimizer)
        optimizer.require_free()
        if lr is not None:
            raise ConfigError("lr and optimizer were both given; give the rate to the optimizer")


def check_kl_weight(kl_weight: Any, model: Model) -> KLWeight | None:
    """`kl_weight`, if it is a schedule for a model that has a KL. Raises ConfigError."""
    if kl_weight is None:
        return None
    check_callable("kl_weight", kl_weight, "a function of the number of updates before, such as KLWarmUp(1000)")
    if not model.noise_dim:
        raise ConfigError(f"kl_weight does nothing for an {type(model).__name__}, which has no KL: leave it out")
    return kl_weight  # type: ignore[no-any-return]
