"""A warning when a VAE has stopped using its latent space."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from scratchvae.errors import CollapseWarning, warn
from scratchvae.training.callback import Callback
from scratchvae.training.history import UNUSED_BELOW, Epoch
from scratchvae.training.state import TrainingState
from scratchvae.validation import check_bool

EPOCHS, UPDATES = 5, 300  # in a row, at full weight: a posterior may be close to the prior at first, and leave it later


def collapsed(record: Epoch) -> bool:
    """Whether, the KL at its full weight, at most one dimension in ten, and at most two in all, had a KL worth a name.

    A latent space that is larger than what there is to tell leaves dimensions unused, which harms nothing.
    """
    latent_dim = len(record.kl_per_dimension)
    return latent_dim > 0 and record.at_full_weight and record.active_units <= min(2, latent_dim // 10)


class CollapseDetector(Callback):
    """Issues a CollapseWarning, once in a training, if `collapsed` holds for each of its last epochs."""

    _warned = False

    def on_fit_begin(self, state: TrainingState) -> None:
        """Nothing was said yet."""
        self._warned = False

    def on_epoch_end(self, state: TrainingState) -> None:
        """Warn, if `collapsed` held for enough epochs and updates."""
        epochs = state.history.epochs
        count = sum(1 for _ in takewhile(collapsed, reversed(epochs)))
        if not self._warned and count >= EPOCHS and count * len(state.batches) >= UPDATES:
            self._warned = True
            config = state.model.config
            sigma = config["sigma"] if config["likelihood"] == "gaussian" else None
            warn(describe(epochs[-1], state.model.objective.beta, sigma), CollapseWarning)

    def state_dict(self) -> dict[str, Any]:
        """Whether it has warned."""
        return {"warned": self._warned}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._warned = check_bool("warned", state["warned"])


def describe(record: Epoch, beta: float, sigma: float | None) -> str:
    """What was seen, and what to try; `sigma` is a Gaussian's that keeps it: smaller errors are worth no KL."""
    kl = record.kl_per_dimension
    width = "" if sigma is None else f"a sigma below {sigma:g} or likelihood='gaussian_learned', "
    return (
        f"the posterior has collapsed: in epoch {record.epoch}, as in those before, {record.active_units} of "
        f"{len(kl)} latent dimensions had a mean KL above {UNUSED_BELOW:g} nats (the largest {max(kl):.2g}, all "
        f"together {sum(kl):.2g}), so that z says next to nothing about x. Try {width}a beta below "
        f"{beta:g}, a KL warm-up (kl_weight=KLWarmUp(steps) of the Trainer, --kl-warmup EPOCHS), free bits "
        "(free_bits=0.1 of the VAE, --free-bits 0.1), or a smaller decoder"
    )
