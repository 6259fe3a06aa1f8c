"""Checks of the arguments of a trainer."""

from __future__ import annotations

from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.memory import check_methods
from scratchvae.models import Model
from scratchvae.optim import Optimizer
from scratchvae.training.kl_weights import KLWeight
from scratchvae.validation import check_callable, check_type, shorten


def check_model(model: Any) -> Model:
    """Check that `model` is a Model; return it. Raises ConfigError."""
    return check_type("model", model, Model, "a model, such as VAE(784, 20)")


def check_optimizer(optimizer: Any, lr: Any) -> None:
    """Raises ConfigError unless `optimizer` is None or an unbound Optimizer, and `lr` is None beside an optimizer."""
    if optimizer is not None:
        check_type("optimizer", optimizer, Optimizer, "an optimizer, such as sv.optim.Adam(1e-3)")
        check_methods("optimizer", optimizer)
        optimizer.check_unbound()
        if lr is not None:
            raise ConfigError("lr and optimizer exclude each other; pass the learning rate to the optimizer")


def check_kl_weight(kl_weight: Any, model: Model) -> KLWeight | None:
    """Check that `kl_weight` is None, or callable and the model has a KL; return it. Raises ConfigError."""
    if kl_weight is None:
        return None
    check_callable("kl_weight", kl_weight, "a function of the number of updates so far, such as KLWarmUp(1000)")
    if not model.noise_dim:
        raise ConfigError(
            f"kl_weight has no effect for an {shorten(type(model).__name__)}, which has no KL: leave it out"
        )
    return kl_weight  # type: ignore[no-any-return]
