"""The variational autoencoder that learns to tell classes apart from a few labelled rows and many others."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.layers import Sequential
from scratchvae.memory import BatchBuffers
from scratchvae.models.conditional import ConditionalVAE
from scratchvae.models.labels import UNLABELLED, check_labels
from scratchvae.models.network import perceptron
from scratchvae.models.objective import Terms
from scratchvae.models.synchronized import synchronized
from scratchvae.probability import LogSoftmax, MarginalBound
from scratchvae.settings import real

CLASSIFIER_WEIGHT = 0.1  # Kingma et al. 2014, sec. 4: α = 0.1 · N


class SemiSupervisedVAE(ConditionalVAE):
    """M2 of Kingma, Rezende, Mohamed and Welling 2014: a conditional VAE, and a classifier q(y | x) beside it.

        x (B, D) ─► classifier ─► log softmax ─► log q(y | x) (B, K) ──────────────────────────────┐
        x, each y ─► encoder ─► q(z | x, y) ─► z (K·B, Z) ─► decoder ─► log p(x | y, z), KL (K·B,) ─┴► bound (B,)

    A row whose class is known has the bound of log p(x, y) and, α times, log q(y | x). Of any other row the class is
    latent too, and is summed out: the bound of log p(x) is the mean over q(y | x) of those of its classes, and the
    entropy of q(y | x). So rows without a label teach the classifier as well. All classes of all rows pass in one
    batch, those of labelled rows too, which are few.

    classes       K; labels are whole numbers from 0 to K − 1, or −1 where there is none
    alpha         weight α of the classifier on labelled rows; None: 0.1 · rows / labelled rows, of what it learns from
    The other settings are those of `VAE`. beta weighs the divergence of q(y, z | x) from p(y) p(z), which are uniform
    and N(0, I).
    """

    chunk_rows: ClassVar[int] = 128  # each of them with every class
    kl_by_row: ClassVar[bool] = False  # but by row and class

    def __init__(self, *settings: Any, classes: int = 10, alpha: float | None = None, **named: Any) -> None:
        self.alpha = None if alpha is None else real("alpha", alpha)
        super().__init__(*settings, classes=classes, **named)
        if self.free_bits:
            raise ConfigError(
                "free_bits are for a VAE whose KL is of a row, not of a row with each class: leave them out"
            )
        self.config["alpha"] = self.alpha

    def build_networks(self, inward: tuple[int, ...], outward: tuple[int, ...]) -> dict[str, Sequential]:
        """A classifier too, with the hidden widths of the encoder."""
        widths = (*inward[:-1], self.classes)
        self.classifier = perceptron(widths, self.config["activation"], self.config["init"])
        return {**super().build_networks(inward, outward), "classifier": self.classifier}

    targets: Array | None = None  # of the rows at hand

    def build_latent(self) -> None:
        """What joins the classes of a row as well."""
        super().build_latent()
        self.log_softmax = LogSoftmax()
        self.bound = MarginalBound()
        self.bound.alpha = 0.0 if self.alpha is None else self.alpha

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every piece its batch buffers: room for each row with each class, but where rows are alone."""
        tall = buffers.taller(self.classes * buffers.rows)
        super().bind(tall)
        self.objective.bind(buffers)
        self.classifier.bind(buffers, self.input_dim)
        self.log_softmax.bind(buffers, self.classes)
        self.bound.bind(buffers, self.classes)
        self._x, self._eps, self._each = (tall.matrix(n) for n in (self.input_dim, self.latent_dim, self.classes))
        self._dx = buffers.matrix(self.input_dim)
        self._deps = buffers.matrix(self.latent_dim)
        self._rows_of_each = 0

    def condition(self, targets: Array | None) -> None:
        """As `ConditionalVAE.condition`; a row of zeros in targets (B, K) is one of unknown class."""
        self.targets = targets
        super().condition(targets)

    # Summing the class out of the bound of log p(x, y), with q(y, z | x) = q(y | x) q(z | x, y):
    #   log p(x) ≥ E_q[log p(x | y, z) + log p(y) + log p(z) − log q(y, z | x)]
    #            = Σ_y q(y | x) (E_q[log p(x | y, z)] − KL(q(z | x, y) ‖ p(z))) − KL(q(y | x) ‖ p(y))
    # All classes of a row share its ε: what tells them apart in the sum is then no difference in luck.
    def forward(
        self,
        x: Array,
        eps: Array,
        corrupted: Array | None = None,
        kl_weight: float = 1.0,
        targets: Array | None = None,
    ) -> Terms:
        """The bound of each row of x (B, D) with noise eps (B, Z), on loan; the rest is as in `VAE.forward`.

        targets (B, K) are one-hot rows, or zeros for a row without a label; None: those given last. `reconstruction`
        holds what is said of the data, α log q(y | x) of a label too; `kl` the divergence; see `MarginalBound`.
        """
        if targets is not None:
            self.condition(targets)
        assert self.targets is not None
        rows, tall = len(x), self.classes * len(x)
        self.reserve(rows)
        self.tell(self.encoder, None)
        self.tell(self.decoder, self._each_class(rows))
        x_tall, eps_tall = self._x[:tall], self._eps[:tall]
        self._by_class(x_tall)[...] = x[None]
        self._by_class(eps_tall)[...] = eps[None]

        seen = x if corrupted is None else corrupted
        log_q = self.log_softmax.forward(self.classifier.forward(seen))
        mu, logvar = self.posterior(seen)
        kl = self.kl.forward(mu, logvar)
        z = self.reparameterize.forward(mu, logvar, eps_tall)
        parameters = self.decoder.forward(z)
        log_likelihood = self.likelihood.forward(parameters, x_tall)
        evidence, divergence = self.bound.forward(log_q, self.targets, log_likelihood, kl)
        return self.objective.forward(evidence, divergence, None, kl_weight)

    # Each line of forward, last to first. x reaches the loss in three ways: through the classifier, through the
    # encoder, and as what is explained. The last is there with each class, as ε is, so that both are summed over them.
    def backward(self) -> None:
        """Set `dtheta` to the gradient of the last forward's loss."""
        dlog_q, dcode = self._backward_to_networks()
        self.encoder.backward_parameters(dcode)
        self.classifier.backward_parameters(self.log_softmax.backward(dlog_q))

    def backward_to_both(self) -> tuple[Array, Array, Array]:
        """As `VAE.backward_to_both`."""
        dlog_q, dcode = self._backward_to_networks()
        rows, total = len(dlog_q), self.backend.xp.sum
        dx, deps = self._dx[:rows], self._deps[:rows]
        total(self._by_class(self.likelihood.backward_data(self._dlog_likelihood)), axis=0, out=dx)
        total(self._by_class(self.reparameterize.backward_noise(self._dz)), axis=0, out=deps)
        dcorrupted = self.encoder.backward(dcode)
        dcorrupted += self.classifier.backward(self.log_softmax.backward(dlog_q))
        return dcorrupted, dx, deps

    def _backward_to_networks(self) -> tuple[Array, Array]:
        devidence, ddivergence = self.objective.backward()
        dlog_q, dlog_likelihood, dkl = self.bound.backward(devidence, ddivergence)
        dparameters = self.likelihood.backward(dlog_likelihood)
        dz = self.decoder.backward(dparameters)
        dmu, dlogvar = self.reparameterize.backward(dz, into=(self.split.dleft, self.split.dright))
        self.kl.add_backward(dkl, dmu, dlogvar)
        self._dlog_likelihood, self._dz = dlog_likelihood, dz
        return dlog_q, self.split.backward(dmu, dlogvar)

    def _by_class(self, tall: Array) -> Array:
        return tall.reshape(self.classes, len(tall) // self.classes, tall.shape[1])

    def _each_class(self, rows: int) -> Array:
        each = self._each[: self.classes * rows]
        if rows != self._rows_of_each:
            each.fill(0.0)
            for k in range(self.classes):
                each[k * rows : (k + 1) * rows, k] = 1.0
            self._rows_of_each = rows
        return each

    def admit_labels(self, labels: Any, rows: int, name: str = "labels") -> Array:
        """`labels` (rows,) on the host: a class for each row, or −1; all −1 where there are none.

        Raises DTypeError, ShapeError or RangeError.
        """
        labels = self.told_last if labels is None else labels
        return check_labels(UNLABELLED if labels is None else labels, rows, self.classes, name, some=True)

    @synchronized  # or what another thread puts back when its `terms` end would stand for what is set here
    def start_labels(self, labels: Array, share: float) -> None:
        """As `ConditionalVAE.start_labels`; where α was not set, it becomes 0.1 / share."""
        super().start_labels(labels, share)
        self._weigh(share)

    def _weigh(self, share: float) -> None:
        if self.alpha is None:
            self.bound.alpha = CLASSIFIER_WEIGHT / share if share else 0.0

    @synchronized
    def predict_proba(self, x: Any) -> Array:
        """q(y | x), (B, K), for each row of x (B, D). Raises DTypeError, ShapeError or RangeError."""
        x = self.admit_data(x)
        probabilities = self.backend.xp.empty((len(x), self.classes), self.dtype)
        for part, x_part in super(ConditionalVAE, self).chunks(x):
            self.log_softmax.forward(self.classifier.forward(x_part))
            probabilities[part] = self.log_softmax.q
        return probabilities  # type: ignore[no-any-return]

    def classify(self, x: Any) -> Array:
        """The most probable class (B,) of each row of x (B, D), on the host. Raises as `predict_proba`."""
        classes: Array = to_numpy(self.predict_proba(x)).argmax(axis=1)
        return classes

    def classes_of(self, x: Array, labels: Any) -> Array:
        """The label of each row of x (B, D); where there is none, the most probable class."""
        held = self.admit_labels(labels, len(x))
        unknown = held == UNLABELLED
        return np.where(unknown, self.classify(x), held) if unknown.any() else held

    @synchronized
    def terms(self, x: Any, eps: Any = None, seed: int = 0, corrupted: Any = None, labels: Any = None) -> Terms:
        """As `Model.terms`: the bound without α, of log p(x, y) for a labelled row, of log p(x) for others."""
        alpha, self.bound.alpha = self.bound.alpha, 0.0
        try:
            return super().terms(x, eps, seed, corrupted, labels)
        finally:
            self.bound.alpha = alpha

    @synchronized
    def loss_and_grads(
        self, x: Any, eps: Any = None, seed: int = 0, labels: Any = None
    ) -> tuple[float, dict[str, Array]]:
        """As `Model.loss_and_grads`; where α was not set, it is 0.1 · B / labelled rows of x (B, D)."""
        x = self.admit_data(x)
        labels = self.admit_labels(labels, len(x))
        alpha = self.bound.alpha
        try:
            self._weigh(float(np.mean(labels != UNLABELLED)))
            return super().loss_and_grads(x, eps, seed, labels)
        finally:
            self.bound.alpha = alpha
