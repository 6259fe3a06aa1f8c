"""The class-conditional variational autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.layers import ConditionalSequential
from scratchvae.models.labels import check_labels, class_indices, one_hot, require_every_class
from scratchvae.models.locks import synchronized
from scratchvae.models.schema import check_names
from scratchvae.models.scores import decode_values
from scratchvae.models.vae import VAE
from scratchvae.objectives import ELBOTerms
from scratchvae.rng import generator
from scratchvae.validation import check_int, check_type, join_choices, shorten


class ConditionalVAE(VAE):
    """A VAE with p(x | y, z) and q(z | x, y): both networks also read the class y. Sohn, Lee and Yan 2015.

        x (B, D), y ─► encoder ─► μ, log σ² ─► posterior ─► z (B, Z), y ─► decoder ─► log p(x | y, z) (B,)

    The decoder knows y, so z need not encode it, and the KL penalizes information in z. Hence z encodes the rest: the
    style. Choose y to sample from a class; keep z and change y to keep a style. The objective bounds log p(x | y).

    classes       K, or the K names of the classes, texts or integers. Labels are an array (B,), or one for all rows, of
                  names or of integers from 0 to K − 1. Training on texts learns the names
    The other settings are those of `VAE`; custom networks are of class `ConditionalSequential`.
    """

    def __init__(self, *settings: Any, classes: int | Sequence[str | int] = 10, **named: Any) -> None:
        if isinstance(classes, int | float | np.number):
            self.classes = check_int("classes", classes, minimum=2)
        else:
            self.class_names = check_names(classes)
            self.classes = len(self.class_names)
        super().__init__(*settings, **named)

    @property
    def class_range(self) -> str:
        """The classes in words: their names, or "0 to 9"."""
        names = self.schema.classes
        return f"0 to {self.classes - 1}" if names is None else join_choices([str(name) for name in names], 60)

    def extra_config(self) -> dict[str, Any]:
        """The number of classes."""
        return {"classes": self.classes}

    def compose(self, custom: dict[str, Any]) -> dict[str, Any]:
        """The parts of a VAE, with conditional networks. Raises ConfigError."""
        if self.config["missing"]:
            raise ConfigError(
                f"missing=True is for models without labels, not {shorten(type(self).__name__)}: leave it out"
            )
        if "prior" in custom and custom["prior"].shares_encoder:
            raise ConfigError(
                f"{shorten(type(custom['prior']).__name__)} encodes pseudo-inputs, which have no class: use another "
                f"prior for a {shorten(type(self).__name__)}, such as MixturePrior"
            )
        return super().compose(custom)

    def check_network(self, name: str, network: Any) -> None:
        """Raises ConfigError unless `network` is a `ConditionalSequential` with the model's number of classes."""
        check_type(name, network, ConditionalSequential, "a ConditionalSequential, which also reads the class")
        if network.classes != self.classes:
            raise ConfigError(
                f"{name} has {network.classes} classes and the model classes={self.classes}; make them equal"
            )

    def forward(
        self,
        x: Array,
        eps: Array,
        corrupted: Array | None = None,
        kl_weight: float = 1.0,
        targets: Array | None = None,
        *,
        batch_mean: Callable[[Array], None] | None = None,
    ) -> ELBOTerms:
        """`VAE.forward` for rows whose classes are the one-hot rows of targets (B, K)."""
        if targets is None:
            raise ConfigError("forward needs targets: the classes of the rows as one-hot rows (B, K)")
        self.ensure_capacity(len(x))
        h = self.encoder.forward(x if corrupted is None else corrupted, targets)
        h, x, eps = self.draws.forward(h, x, eps)
        z = self.posterior.forward(h, eps)
        kl = self.kl.forward(z)
        log_likelihood = self.likelihood.forward(self.decoder.forward(z, self.draws.repeat(targets)), x)
        self.was_corrupted = corrupted is not None
        per_dimension = self.kl.per_dimension if self.objective.kl_per_dimension else None
        further = {} if batch_mean is None else {"batch_mean": batch_mean}  # as in `VAE.forward`
        return self.objective.forward(log_likelihood, kl, kl_weight, per_dimension, **further)  # type: ignore[no-any-return]

    def check_labels(self, labels: Any, rows: int, name: str = "labels") -> Array | None:
        """Check that `labels` has a class for each row; return it on the host, (rows,).

        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        if labels is None:
            raise ConfigError(
                f"{shorten(type(self).__name__)} needs the class of each row, {self.class_range}: pass {name}= "
                "(--label on the command line)"
            )
        return check_labels(labels, rows, self.classes, name, names=self.schema.classes)

    def decoder_labels(self, labels: Any, rows: int) -> Array | None:
        """`labels`, checked by `check_labels`: decoding needs the class."""
        return ConditionalVAE.check_labels(self, labels, rows)

    def label_settings(self, labels: Array | None, share: float | None) -> dict[str, Any]:
        """No further arguments. In training, raises RangeError if a class has no row."""
        if share is not None and labels is not None:
            require_every_class(labels, self.classes, self.schema.classes)
        return {}

    def one_hot(self, labels: Array) -> Array:
        """One-hot rows (B, K) of labels (B,), on the model's device."""
        return self.validator.to_device(one_hot(labels, np.empty((len(labels), self.classes), self.dtype)))

    def for_imputation(self) -> VAE:
        """Raises ConfigError: imputation needs a VAE without labels."""
        raise ConfigError(f"impute is for models without labels, not {shorten(type(self).__name__)}: use a VAE")

    @synchronized
    def sample(self, count: int, seed: int = 0, labels: Any = None, values: str = "mean") -> Array:
        """New samples (count, D): means of p(x | y, z) for draws of z from the prior and the classes y in `labels`.

        labels are one class for all samples, or one for each. None: classes are drawn uniformly. `values` is that of
        `VAE.sample`. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        rng = generator(seed, "prior")
        z = self.draw_codes(count, rng)
        labels = class_indices(rng.integers(self.classes, size=count)) if labels is None else labels
        return decode_values(self, z, labels, values, generator(seed, "predicted rows"))

    @synchronized
    def swap_class(self, x: Any, labels: Any = None) -> Array:
        """Each row of x (B, D) in every class, with its style: the decoder's means (B, K, D). Raises as `encode`."""
        z = self.embed(x, labels)
        swapped = self.backend.xp.empty((len(z), self.classes, self.input_dim), self.dtype)
        for k in range(self.classes):
            swapped[:, k] = self.decode(z, class_indices(k))
        return swapped  # type: ignore[no-any-return]
