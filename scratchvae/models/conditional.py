"""The variational autoencoder that is given the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.layers import ConditionalSequential
from scratchvae.models.labels import check_labels, one_hot, require_every_class
from scratchvae.models.locks import synchronized
from scratchvae.models.network import conditional_mlp
from scratchvae.models.vae import VAE
from scratchvae.objectives import ELBOTerms
from scratchvae.rng import generator
from scratchvae.validation import check_int, check_type


class ConditionalVAE(VAE):
    """A VAE of p(x | y, z) and q(z | x, y): both networks are given the class y of a row. Sohn, Lee and Yan 2015.

        x (B, D), y ─► encoder ─► μ, log σ² ─► posterior ─► z (B, Z), y ─► decoder ─► log p(x | y, z) (B,)

    What the class says need not be said by z, and the KL asks z to say no more than it must: z comes to hold what
    is left, the style. So a class is drawn by choosing y, and a style is kept by keeping z while y changes.
    The objective bounds log p(x | y).

    classes       K; labels are whole numbers from 0 to K − 1, an array (B,) or one for all rows
    The other settings are those of `VAE`; networks of your own are `ConditionalSequential`.
    """

    def __init__(self, *settings: Any, classes: int = 10, **named: Any) -> None:
        self.classes = check_int("classes", classes, least=2)
        super().__init__(*settings, **named)

    def own_config(self) -> dict[str, Any]:
        """The number of classes."""
        return {"classes": self.classes}

    def network(self, inputs: int, hidden: Sequence[int], outputs: int) -> ConditionalSequential:
        """A network that takes a class beside its input."""
        widths = (inputs, *hidden, outputs)
        return conditional_mlp(widths, self.classes, self.config["activation"], self.config["init"])

    def compose(self, own: dict[str, Any]) -> dict[str, Any]:
        """The parts of a VAE, both networks conditional. Raises ConfigError."""
        if self.config["missing"]:
            raise ConfigError(
                f"missing=True is for a VAE that is given no class, not {type(self).__name__}: leave it out"
            )
        return super().compose(own)

    def check_network(self, name: str, network: Any) -> None:
        """Raises ConfigError unless it is a `ConditionalSequential` of as many classes."""
        check_type(name, network, ConditionalSequential, "a ConditionalSequential, which is given the class")
        if network.layers[0].classes != self.classes:
            raise ConfigError(
                f"{name} takes {network.layers[0].classes} classes, and the model has classes={self.classes}; "
                "make both the same"
            )

    def forward(
        self,
        x: Array,
        eps: Array,
        corrupted: Array | None = None,
        kl_weight: float = 1.0,
        targets: Array | None = None,
    ) -> ELBOTerms:
        """As `VAE.forward`, of rows whose classes are the one-hot rows of targets (B, K)."""
        if targets is None:
            raise ConfigError("targets are missing: give forward the classes of the rows as one-hot rows (B, K)")
        self.ensure_capacity(len(x))
        h = self.encoder.forward(x if corrupted is None else corrupted, targets)
        h, x, eps = self.draws.forward(h, x, eps)
        z = self.posterior.forward(h, eps)
        kl = self.kl.forward(z)
        log_likelihood = self.likelihood.forward(self.decoder.forward(z, self.draws.repeat(targets)), x)
        self.was_corrupted = corrupted is not None
        per_dimension = self.kl.per_dimension if self.objective.kl_per_dimension else None
        return self.objective.forward(log_likelihood, kl, kl_weight, per_dimension)  # type: ignore[no-any-return]

    def check_labels(self, labels: Any, rows: int, name: str = "labels") -> Array | None:
        """`labels` (rows,) on the host, once they are known to be one class for each row.

        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        if labels is None:
            raise ConfigError(
                f"{type(self).__name__} needs the class of each row, 0 to {self.classes - 1}: pass {name}=, on the "
                "command line --label"
            )
        return check_labels(labels, rows, self.classes, name)

    def decoder_labels(self, labels: Any, rows: int) -> Array | None:
        """As `check_labels`: a code is decoded as a row of a known class."""
        return ConditionalVAE.check_labels(self, labels, rows)

    def label_settings(self, labels: Array | None, share: float | None) -> dict[str, Any]:
        """None; in training, raises RangeError where a class has no row."""
        if share is not None and labels is not None:
            require_every_class(labels, self.classes)
        return {}

    def one_hot(self, labels: Array) -> Array:
        """One-hot rows (B, K) of labels (B,), on our device."""
        return self.validator.to_device(one_hot(labels, np.empty((len(labels), self.classes), self.dtype)))

    def for_imputation(self) -> VAE:
        """Refused: imputation asks a VAE that is given no class. Raises ConfigError."""
        raise ConfigError(f"impute is for a VAE that is given no class, not {type(self).__name__}: take a VAE")

    @synchronized
    def sample(self, count: int, seed: int = 0, labels: Any = None) -> Array:
        """Means of p(x | y, z), (count, D), for draws z from the prior, of the class `labels`, one for all or one each.

        Without labels each sample's class is drawn too, all being equally likely. Raises ConfigError, DTypeError,
        ShapeError or RangeError.
        """
        rng = generator(seed, "prior")
        z = self.draw_codes(count, rng)
        return self.decode(z, rng.integers(self.classes, size=count) if labels is None else labels)

    @synchronized
    def swap_class(self, x: Any, labels: Any = None) -> Array:
        """Each row of x (B, D) in every class, its style kept: (B, K, D), the decoder's means. Raises as `encode`."""
        z = self.embed(x, labels)
        every = [self.decode(z, k) for k in range(self.classes)]
        drawn = self.backend.xp.empty((len(z), self.classes, self.input_dim), self.dtype)
        for k, rows in enumerate(every):
            drawn[:, k] = rows
        return drawn  # type: ignore[no-any-return]
