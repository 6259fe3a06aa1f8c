"""The variational autoencoder that is told the class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.layers import LabelledLinear, Layer, Sequential
from scratchvae.models.labels import check_labels, one_hot, require_every_class
from scratchvae.models.network import labelled_perceptron
from scratchvae.models.objective import Terms
from scratchvae.models.synchronized import synchronized
from scratchvae.models.vae import VAE
from scratchvae.settings import whole
from scratchvae.streams import fill, stream


class ConditionalVAE(VAE):
    """A VAE of p(x | y, z) and q(z | x, y): both networks are told the class y of a row. Sohn, Lee and Yan 2015.

        x (B, D), y ─► encoder ─► μ, log σ² ─► reparameterize ─► z (B, Z), y ─► decoder ─► log p(x | y, z) (B,)

    What the class says need not be said by z, and the KL asks z to say no more than it must: z comes to hold what
    is left, the style. So a class is drawn by choosing y, and a style is kept by keeping z while y changes.
    The objective bounds log p(x | y).

    classes       K; labels are whole numbers from 0 to K − 1, an array (B,) or one for all rows
    The other settings are those of `VAE`.
    """

    def __init__(self, *settings: Any, classes: int = 10, **named: Any) -> None:
        from threading import local

        self._told = local()
        self.classes = whole("classes", classes, least=2)
        super().__init__(*settings, **named)
        if self.config["missing"]:
            raise ConfigError(
                f"missing=True is for a VAE that is told no class, not {type(self).__name__}: leave it out"
            )
        self.config["classes"] = self.classes

    def build_networks(self, inward: tuple[int, ...], outward: tuple[int, ...]) -> dict[str, Sequential]:
        """An encoder and a decoder that take a class beside their input."""
        activation, init = self.config["activation"], self.config["init"]
        nets = {"encoder": inward, "decoder": outward}
        return {name: labelled_perceptron(widths, self.classes, activation, init) for name, widths in nets.items()}

    def forward(
        self,
        x: Array,
        eps: Array,
        corrupted: Array | None = None,
        kl_weight: float = 1.0,
        targets: Array | None = None,
    ) -> Terms:
        """As `VAE.forward`, of rows whose classes are the one-hot rows of targets (B, K); None: those given last."""
        if targets is not None:
            self.condition(targets)
        return super().forward(x, eps, corrupted, kl_weight)

    def condition(self, targets: Array | None) -> None:
        """Let the next rows be of the classes `targets` (B, K), borrowed until their backward returns."""
        self.tell(self.encoder, targets)
        self.tell(self.decoder, targets)

    def tell(self, net: Layer, targets: Array | None) -> None:
        """Let the next rows of one network be of these classes; None: each row of each class."""
        assert isinstance(net, Sequential)
        first = net.layers[0]
        assert isinstance(first, LabelledLinear)
        first.targets = targets

    def admit_labels(self, labels: Any, rows: int, name: str = "labels") -> Array:
        """`labels` (rows,) on the host, once they are known to be one class for each row.

        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        labels = self.told_last if labels is None else labels
        if labels is None:
            raise ConfigError(
                f"{type(self).__name__} needs the class of each row, 0 to {self.classes - 1}: pass {name}=, on the "
                "command line --label"
            )
        return check_labels(labels, rows, self.classes, name)

    @contextmanager
    def told(self, labels: Any) -> Iterator[None]:
        """Let `labels` stand where none are given: in `with model.told(3): model.walk()` all pictures are of class 3.

        So methods that take no labels, such as `interpolate`, `analogy`, `walk` and `denoise`, are told them too. They
        are told to the thread that is here, and to no other.
        """
        kept, self._told.labels = self.told_last, labels
        try:
            yield
        finally:
            self._told.labels = kept

    @property
    def told_last(self) -> Any:
        """The labels that this thread has the model told; None where it has none."""
        return getattr(self._told, "labels", None)

    def classes_of(self, x: Array, labels: Any) -> Array:
        """The class of each row of x that the encoder is told."""
        return self.admit_labels(labels, len(x))

    # What a method computes part by part is of the classes of the same part.
    def chunks(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """As `Model.chunks`, of rows whose labels were held."""
        for part, x_part in super().chunks(x):
            self.condition(self.targets_of(self._held[part]))
            yield part, x_part

    def targets_of(self, labels: Array) -> Array:
        """One-hot rows (B, K) of labels (B,), on our device."""
        return self.door.bring(one_hot(labels, np.empty((len(labels), self.classes), self.dtype)))

    def start_labels(self, labels: Array, share: float) -> None:
        """Get ready to learn from labels (N,), labelled rows being that share of a batch.

        Raises RangeError where a class has no row.
        """
        require_every_class(labels, self.classes)

    @synchronized
    def encode(self, x: Any, labels: Any = None) -> tuple[Array, Array]:
        """mu and logvar, (B, Z) each, of q(z | x, y) for each row of x (B, D) and its label. Raises as `VAE.encode`."""
        x = self.admit_data(x)
        self._held = self.classes_of(x, labels)
        return super().encode(x)

    def embed(self, x: Any, labels: Any = None) -> Array:
        """The posterior mean (B, Z) of each row of x (B, D) and its label: its style. Raises as `encode`."""
        return self.encode(x, labels)[0]

    @synchronized
    def decode(self, z: Any, labels: Any = None) -> Array:
        """The mean of p(x | y, z), (B, D), for each row of z (B, Z) and its label. Raises as `VAE.decode`."""
        z = self.door.rows(z, "z", self.latent_dim)
        self._held = ConditionalVAE.admit_labels(self, labels, len(z))
        return super().decode(z)

    @synchronized
    def reconstruct(self, x: Any, labels: Any = None) -> Array:
        """What the decoder makes of the code of each row of x (B, D), told its label twice. Raises as `encode`."""
        x = self.admit_data(x)
        labels = self.classes_of(x, labels)
        return self.decode(self.embed(x, labels), labels)

    def for_completion(self) -> VAE:
        """Refused: completion asks a VAE that is told no class. Raises ConfigError."""
        raise ConfigError(f"complete is for a VAE that is told no class, not {type(self).__name__}: take a VAE")

    def sample(self, count: int, seed: int = 0, labels: Any = None) -> Array:
        """Means of p(x | y, z), (count, D), for draws z ~ N(0, I), of the class `labels`, one for all or one each.

        Without labels each sample's class is drawn too, all being equally likely. Raises ConfigError, DTypeError,
        ShapeError or RangeError.
        """
        rng = stream(seed, "prior")
        z = fill(np.empty((whole("count", count), self.latent_dim), self.dtype), rng.standard_normal)
        if labels is None and self.told_last is None:
            labels = rng.integers(self.classes, size=count)
        return self.decode(z, labels)

    @synchronized
    def transfer(self, x: Any, labels: Any = None) -> Array:
        """Each row of x (B, D) in every class, its style kept: (B, K, D), the decoder's means. Raises as `encode`."""
        z = self.embed(x, labels)
        every = [self.decode(z, k) for k in range(self.classes)]
        drawn = self.backend.xp.empty((len(z), self.classes, self.input_dim), self.dtype)
        for k, rows in enumerate(every):
            drawn[:, k] = rows
        return drawn  # type: ignore[no-any-return]

    def elbo(self, x: Any, eps: Any = None, seed: int = 0, labels: Any = None) -> Terms:
        """As `VAE.elbo`, a bound of log p(x | y) for each row of x (B, D) and its label."""
        return self.terms(x, eps, seed, labels=labels)

    @synchronized
    def terms(self, x: Any, eps: Any = None, seed: int = 0, corrupted: Any = None, labels: Any = None) -> Terms:
        """As `Model.terms`, of each row of x (B, D) and its label."""
        x = self.admit_data(x)
        self._held = self.admit_labels(labels, len(x))
        return super().terms(x, eps, seed, corrupted)

    @synchronized
    def loss_and_grads(
        self, x: Any, eps: Any = None, seed: int = 0, labels: Any = None
    ) -> tuple[float, dict[str, Array]]:
        """As `Model.loss_and_grads`, of each row of x (B, D) and its label."""
        x = self.admit_data(x)
        self.condition(self.targets_of(self.admit_labels(labels, len(x))))
        return super().loss_and_grads(x, eps, seed)
