"""Noticing that a VAE has stopped using its latent space."""

from __future__ import annotations

from itertools import takewhile

from scratchvae.errors import CollapseWarning, warn
from scratchvae.training.history import UNUSED_BELOW, Epoch

EPOCHS, UPDATES = 5, 300  # in a row, at full weight: a posterior may be close to the prior at first, and leave it later


def collapsed(record: Epoch) -> bool:
    """Whether, the KL at its full weight, at most one dimension in ten, and at most two in all, had a KL worth a name.

    A latent space that is larger than what there is to tell leaves dimensions unused, which harms nothing.
    """
    latent_dim = len(record.kl_per_dimension)
    return latent_dim > 0 and record.at_full_weight and record.active_units <= min(2, latent_dim // 10)


class Watch:
    """Looks at each epoch of a run, of `steps` updates, and warns once, if it comes to that.

    `sigma` is that of a Gaussian which keeps it: errors much smaller than it are worth no KL.
    """

    def __init__(self, beta: float, steps: int, sigma: float | None = None) -> None:
        self.beta = beta
        self.steps = steps
        self.sigma = sigma
        self.warned = False

    def see(self, epochs: list[Epoch]) -> None:
        """Issue a CollapseWarning if `collapsed` holds for each of the last epochs, and they are enough to tell."""
        count = sum(1 for _ in takewhile(collapsed, reversed(epochs)))
        if not self.warned and count >= EPOCHS and count * self.steps >= UPDATES:
            self.warned = True
            warn(self.describe(epochs[-1]), CollapseWarning)

    def describe(self, record: Epoch) -> str:
        """What was seen, and what to try."""
        kl = record.kl_per_dimension
        width = "" if self.sigma is None else f"a sigma below {self.sigma:g} or likelihood='gaussian_learnt', "
        return (
            f"the posterior has collapsed: in epoch {record.epoch}, as in those before, {record.active_units} of "
            f"{len(kl)} latent dimensions had a mean KL above {UNUSED_BELOW:g} nats (the largest {max(kl):.2g}, all "
            f"together {sum(kl):.2g}), so that z says next to nothing about x. Try {width}a beta below "
            f"{self.beta:g}, a KL warm-up (kl_weight=KLWarmUp(steps) of the Trainer, --kl-warmup EPOCHS), free bits "
            "(free_bits=0.1 of the VAE, --free-bits 0.1), or a smaller decoder"
        )
