"""A warning of posterior collapse: the model no longer uses its latent space."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from scratchvae.errors import CollapseWarning
from scratchvae.training.callback import Callback
from scratchvae.training.history import UNUSED_BELOW, Epoch
from scratchvae.training.state import TrainingState
from scratchvae.validation import check_bool

EPOCHS, UPDATES = 5, 300  # in a row at full weight: early in training, a posterior close to the prior is normal


def collapsed(record: Epoch) -> bool:
    """True if the KL had its full weight, and at most one dimension in ten, and at most two in all, were active.

    Some unused dimensions are harmless: the latent space is larger than the data needs.
    """
    latent_dim = len(record.kl_per_dimension)
    return latent_dim > 0 and record.at_full_weight and record.active_units <= min(2, latent_dim // 10)


class CollapseDetector(Callback):
    """Issues a CollapseWarning, once per training, if `collapsed` is true for at least 5 epochs and 300 updates."""

    _warned = False

    def on_fit_begin(self, state: TrainingState) -> None:
        """Reset the flag."""
        self._warned = False

    def on_epoch_end(self, state: TrainingState) -> None:
        """Warn if `collapsed` was true for enough epochs and updates in a row."""
        epochs = state.history.epochs
        count = sum(1 for _ in takewhile(collapsed, reversed(epochs)))
        if not self._warned and count >= EPOCHS and count * len(state.batches) >= UPDATES:
            self._warned = True
            config = state.model.config
            fixed = config["likelihood"] == "gaussian" and state.model.scale.is_identity
            sigma = (config["sigma"] or 1.0) if fixed else None
            state.warn(describe(epochs[-1], state.model.objective.beta, sigma), CollapseWarning)

    def state_dict(self) -> dict[str, Any]:
        """The flag, in a dict."""
        return {"warned": self._warned}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the flag."""
        self._warned = check_bool("warned", state["warned"])


def describe(record: Epoch, beta: float, sigma: float | None) -> str:
    """The warning: observations and remedies. `sigma` is that of a Gaussian likelihood with fixed σ, else None."""
    kl = record.kl_per_dimension
    smaller_sigma = "" if sigma is None else f"a sigma below {sigma:g} or likelihood='gaussian_learned', "
    return (
        f"posterior collapse: {record.active_units} of {len(kl)} latent dimensions have a KL above {UNUSED_BELOW:g} "
        f"nats in epoch {record.epoch} (largest {max(kl):.2g}, sum {sum(kl):.2g}). Try {smaller_sigma}a beta below "
        f"{beta:g}, kl_weight=KLWarmUp(steps) (--kl-warmup), free_bits=0.1 (--free-bits) or a smaller decoder"
    )
