"""The variational autoencoder that learns to tell classes apart from a few labelled rows and many others."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.memory import BatchBuffers
from scratchvae.models.conditional import ConditionalVAE
from scratchvae.models.labels import UNLABELLED, check_labels
from scratchvae.models.locks import synchronized
from scratchvae.models.model import InputGradients
from scratchvae.models.network import mlp
from scratchvae.objectives import ELBOTerms
from scratchvae.probability import LogSoftmax, MarginalBound
from scratchvae.validation import check_float

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

    classifier: Any
    chunk_rows = 128  # each of them with every class
    kl_by_row: ClassVar[bool] = False  # but by row and class

    def __init__(self, *settings: Any, classes: int = 10, alpha: float | None = None, **named: Any) -> None:
        self.alpha = None if alpha is None else check_float("alpha", alpha)
        super().__init__(*settings, classes=classes, **named)

    def own_config(self) -> dict[str, Any]:
        """The number of classes, and α."""
        return {**super().own_config(), "alpha": self.alpha}

    def compose(self, own: dict[str, Any]) -> dict[str, Any]:
        """Those of a conditional VAE, and a classifier with the hidden widths of the encoder. Raises ConfigError."""
        if self.config["free_bits"]:
            raise ConfigError(
                "free_bits are for a VAE whose KL is of a row, not of a row with each class: leave them out"
            )
        if "objective" in own:
            raise ConfigError("the objective of a SemiSupervisedVAE is its bound: take a VAE for one of your own")
        parts = super().compose(own)
        widths = (self.input_dim, *self.config["hidden"], self.classes)
        classifier = mlp(widths, self.config["activation"], self.config["init"])
        networks = {"encoder": parts.pop("encoder"), "decoder": parts.pop("decoder")}
        return {**networks, "classifier": classifier, **parts}

    def connect(self) -> None:
        """Also what joins the classes of a row."""
        super().connect()
        self.log_softmax, self.bound = LogSoftmax(), MarginalBound()

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every part its batch buffers: room for each row with each class, but where rows are alone."""
        tall = buffers.resized(self.classes * buffers.rows)
        super().bind(tall)
        self.classifier.bind(buffers, (self.input_dim,))
        self.log_softmax.bind(buffers, (self.classes,))
        if self.decoder is None:  # of an encoder alone
            return
        self.objective.bind(buffers, (self.latent_dim,))
        self.bound.bind(buffers, (self.classes,))
        noise = self.posterior.noise(self.latent_dim)
        self._x, self._eps, self._each = (tall.matrix(n) for n in (self.input_dim, noise, self.classes))
        self._dx = buffers.matrix(self.input_dim)
        self._deps = buffers.matrix(noise)
        self._rows_of_each = 0

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
        alpha: float = 0.0,
    ) -> ELBOTerms:
        """The bound of each row of x (B, D) with noise eps (B, Z); the rest is as in `VAE.forward`.

        targets (B, K) are one-hot rows, or zeros for a row without a label, and alpha is the weight of the classifier.
        `reconstruction` holds what is said of the data, α log q(y | x) of a label too; `kl` the divergence; see
        `MarginalBound`.
        """
        if targets is None:
            raise ConfigError("targets are missing: give forward one-hot rows (B, K), zeros where there is no label")
        rows, tall = len(x), self.classes * len(x)
        self.ensure_capacity(rows)
        x_tall, eps_tall = self._x[:tall], self._eps[:tall]
        self._by_class(x_tall)[...] = x[None]
        self._by_class(eps_tall)[...] = eps[None]

        seen = x if corrupted is None else corrupted
        log_q = self.log_softmax.forward(self.classifier.forward(seen))
        z = self.posterior.forward(self.encoder.forward(seen), eps_tall)
        kl = self.kl.forward(z)
        log_likelihood = self.likelihood.forward(self.decoder.forward(z, self._each_class(rows)), x_tall)
        evidence, divergence = self.bound.forward(log_q, targets, log_likelihood, kl, alpha)
        self.was_corrupted = corrupted is not None
        return self.objective.forward(evidence, divergence, kl_weight)  # type: ignore[no-any-return]

    # Each line of forward, last to first. x reaches the loss in three ways: through the classifier, through the
    # encoder, and as what is explained. The last is there with each class, as ε is, so that both are summed over them.
    def backward(self, to_inputs: bool = False) -> InputGradients | None:
        """Set `dtheta` to the gradient of the last forward's loss; return that of its inputs, if it is asked for."""
        devidence, ddivergence = self.objective.backward()
        dlog_q, dlog_likelihood, dkl = self.bound.backward(devidence, ddivergence)
        dz = self.decoder.backward(self.likelihood.backward(dlog_likelihood))
        dq = self.kl.backward(dkl, dz)
        dh = self.posterior.backward(*dq)
        dlogits = self.log_softmax.backward(dlog_q)
        if not to_inputs:
            self.encoder.backward_parameters(dh)
            self.classifier.backward_parameters(dlogits)
            return None
        rows, total = len(dlog_q), self.backend.xp.sum
        dx, deps = self._dx[:rows], self._deps[:rows]
        total(self._by_class(self.likelihood.backward_data(dlog_likelihood)), axis=0, out=dx)
        total(self._by_class(self.posterior.backward_noise(*dq[:2])), axis=0, out=deps)
        dseen = self.encoder.backward(dh)
        dseen += self.classifier.backward(dlogits)
        return InputGradients.of(dx, deps, dseen, self.was_corrupted)

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

    def check_labels(self, labels: Any, rows: int, name: str = "labels") -> Array | None:
        """`labels` (rows,) on the host: a class for each row, or −1; all −1 where there are none.

        Raises DTypeError, ShapeError or RangeError.
        """
        return check_labels(UNLABELLED if labels is None else labels, rows, self.classes, name, some=True)

    def label_settings(self, labels: Array | None, share: float | None) -> dict[str, Any]:
        """α of the classifier, 0.1 / share where it was not set. Raises RangeError as in `ConditionalVAE`."""
        super().label_settings(labels, share)
        if self.alpha is not None or labels is None:
            return {"alpha": self.alpha or 0.0}
        share = float(np.mean(labels != UNLABELLED)) if share is None else share
        return {"alpha": CLASSIFIER_WEIGHT / share if share else 0.0}

    @synchronized
    def predict_proba(self, x: Any) -> Array:
        """q(y | x), (B, K), for each row of x (B, D). Raises DTypeError, ShapeError or RangeError."""
        x = self.check_data(x)
        probabilities = self.backend.xp.empty((len(x), self.classes), self.dtype)
        for part, x_part, _ in self.chunks(x):
            self.log_softmax.forward(self.classifier.forward(x_part))
            probabilities[part] = self.log_softmax.q
        return probabilities  # type: ignore[no-any-return]

    def classify(self, x: Any) -> Array:
        """The most probable class (B,) of each row of x (B, D), on the host. Raises as `predict_proba`."""
        classes: Array = to_numpy(self.predict_proba(x)).argmax(axis=1)
        return classes

    def encoder_labels(self, x: Array, labels: Any) -> Array | None:
        """The label of each row of x (B, D); where there is none, the most probable class."""
        held: Any = self.check_labels(labels, len(x))
        unknown = held == UNLABELLED
        return np.where(unknown, self.classify(x), held) if unknown.any() else held
