"""The semi-supervised variational autoencoder: a classifier trained on a few labelled rows and many unlabelled ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.memory import BatchBuffers
from scratchvae.models.conditional import ConditionalVAE
from scratchvae.models.labels import UNLABELLED, check_labels
from scratchvae.models.locks import synchronized
from scratchvae.models.model import InputGradients
from scratchvae.objectives import ELBOTerms
from scratchvae.probability import LogSoftmax, MarginalBound
from scratchvae.validation import check_float, suggest_arguments

CLASSIFIER_WEIGHT = 0.1  # Kingma et al. 2014, sec. 4: α = 0.1 · N


class SemiSupervisedVAE(ConditionalVAE):
    """Model M2 of Kingma, Rezende, Mohamed and Welling 2014: a conditional VAE with a classifier q(y | x).

        x (B, D) ─► classifier ─► log softmax ─► log q(y | x) (B, K) ──────────────────────────────┐
        x, each y ─► encoder ─► q(z | x, y) ─► z (K·B, Z) ─► decoder ─► log p(x | y, z), KL (K·B,) ─┴► bound (B,)

    For a labelled row the objective is the bound of log p(x, y) plus α log q(y | x). For an unlabelled row the class is
    latent and is summed out: the bound of log p(x) is the mean over q(y | x) of the bounds of log p(x, y), plus the
    entropy of q(y | x). So unlabelled rows train the classifier as well. Every row is computed with all K classes in
    one batch, labelled rows included, because they are few.

    classes       K, or the K names of the classes; labels are names, or integers from 0 to K − 1. None, NaN, an empty
                  text, and −1 unless it is a name, mark an unlabelled row
    alpha         weight of the classification loss of each labelled row. The α of the paper weighs its mean over the
                  labelled rows, beside a sum over all rows: pass it divided by the number of labelled rows. None: its
                  0.1 · N, which is 0.1 · N / labelled rows for each
    The other settings are those of `VAE`. beta weights the KL of q(y, z | x) from p(y) p(z), where p(y) is uniform and
    p(z) is N(0, I).
    """

    classifier: Any
    chunk_rows = 128  # each row is computed with every class
    kl_per_row: ClassVar[bool] = False

    def __init__(
        self, *settings: Any, classes: int | Sequence[str | int] = 10, alpha: float | None = None, **named: Any
    ) -> None:
        self.alpha = None if alpha is None else check_float("alpha", alpha)
        super().__init__(*settings, classes=classes, **named)

    def extra_config(self) -> dict[str, Any]:
        """The number of classes and α."""
        return {**super().extra_config(), "alpha": self.alpha}

    def compose(self, custom: dict[str, Any]) -> dict[str, Any]:
        """The parts of a conditional VAE, and a classifier like its encoder. Raises ConfigError."""
        if self.config["free_bits"]:
            raise ConfigError("free_bits are not available for a SemiSupervisedVAE: leave them out")
        if "objective" in custom:
            raise ConfigError("a SemiSupervisedVAE has a fixed objective: for a custom one, use a VAE")
        parts = super().compose(custom)
        classifier = self.make_encoder(self.classes)
        networks = {"encoder": parts.pop("encoder"), "decoder": parts.pop("decoder")}
        return {**networks, "classifier": classifier, **parts}

    def connect(self) -> None:
        """Make the KL, and the modules that combine the classes of a row."""
        super().connect()
        self.log_softmax, self.bound = LogSoftmax(), MarginalBound()

    def bind(self, buffers: BatchBuffers) -> None:
        """Give every part its batch buffers: K·B rows for the VAE, B rows for the classifier and the objective."""
        repeated = buffers.resized(self.classes * buffers.rows)
        super().bind(repeated)
        self.classifier.bind(buffers, self.row_shape)
        self.log_softmax.bind(buffers, (self.classes,))
        if self.decoder is None:  # an `Encoder`, which has no decoder
            return
        self.objective.bind(buffers, (self.latent_dim,))
        self.bound.bind(buffers, (self.classes,))
        noise = self.posterior.noise(self.latent_dim)
        self._x, self._eps, self._class_targets = (repeated.matrix(n) for n in (self.input_dim, noise, self.classes))
        self._dx = buffers.matrix(self.input_dim)
        self._deps = buffers.matrix(noise)
        self._filled_for = 0

    # Summing the class out of the bound of log p(x, y), with q(y, z | x) = q(y | x) q(z | x, y):
    #   log p(x) ≥ E_q[log p(x | y, z) + log p(y) + log p(z) − log q(y, z | x)]
    #            = Σ_y q(y | x) (E_q[log p(x | y, z)] − KL(q(z | x, y) ‖ p(z))) − KL(q(y | x) ‖ p(y))
    # All classes of a row share its ε, so that differences between the classes are not due to different noise.
    def forward(  # type: ignore[override]  # without free bits, no mean over the batch is needed
        self,
        x: Array,
        eps: Array,
        corrupted: Array | None = None,
        kl_weight: float = 1.0,
        targets: Array | None = None,
        alpha: float = 0.0,
    ) -> ELBOTerms:
        """The bound of each row of x (B, D) with noise eps (B, Z); the other arguments are those of `VAE.forward`.

        targets (B, K) are one-hot rows, zeros for unlabelled rows, and alpha is the weight of the classifier. In the
        result, `reconstruction` is the expected log-likelihood, plus α log q(y | x) for a labelled row, and `kl` the
        divergence; see `MarginalBound`.
        """
        if targets is None:
            raise ConfigError("forward needs targets: one-hot rows (B, K), zeros for rows without a label")
        rows, repeated_rows = len(x), self.classes * len(x)
        self.ensure_capacity(rows)
        x_repeated, eps_repeated = self._x[:repeated_rows], self._eps[:repeated_rows]
        self._by_class(x_repeated)[...] = x[None]
        self._by_class(eps_repeated)[...] = eps[None]

        encoder_input = x if corrupted is None else corrupted
        log_q = self.log_softmax.forward(self.classifier.forward(encoder_input))
        z = self.posterior.forward(self.encoder.forward(encoder_input), eps_repeated)
        kl = self.kl.forward(z)
        log_likelihood = self.likelihood.forward(self.decoder.forward(z, self._all_class_targets(rows)), x_repeated)
        evidence, divergence = self.bound.forward(log_q, targets, log_likelihood, kl, alpha)
        self.was_corrupted = corrupted is not None
        return self.objective.forward(evidence, divergence, kl_weight)  # type: ignore[no-any-return]

    # The lines of forward in reverse order. x reaches the loss in three ways: through the classifier, through the
    # encoder, and through the likelihood. The last one, like ε, is repeated for each class: sum over the classes.
    def backward(self, to_inputs: bool = False) -> InputGradients | None:
        """Set `dtheta` to the gradient of the last forward's loss; with `to_inputs`, return those of the inputs."""
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
        rows, xp = len(dlog_q), self.backend.xp
        dx, deps = self._dx[:rows], self._deps[:rows]
        xp.sum(self._by_class(self.likelihood.backward_data(dlog_likelihood)), axis=0, out=dx)
        xp.sum(self._by_class(self.posterior.backward_noise(*dq[:2])), axis=0, out=deps)
        dencoder_input = self.encoder.backward(dh)
        dencoder_input += self.classifier.backward(dlogits)
        return InputGradients.combine(dx, deps, dencoder_input, self.was_corrupted)

    def _by_class(self, repeated: Array) -> Array:
        return repeated.reshape(self.classes, len(repeated) // self.classes, repeated.shape[1])

    def _all_class_targets(self, rows: int) -> Array:
        targets = self._class_targets[: self.classes * rows]
        if rows != self._filled_for:
            targets.fill(0.0)
            for k in range(self.classes):
                targets[k * rows : (k + 1) * rows, k] = 1.0
            self._filled_for = rows
        return targets

    def check_labels(self, labels: Any, rows: int, name: str = "labels") -> Array | None:
        """Check the class, or −1, of each row; return them on the host, (rows,). None: all rows are unlabelled.

        Raises DTypeError, ShapeError or RangeError.
        """
        if labels is None:
            return np.full(rows, UNLABELLED)
        return check_labels(labels, rows, self.classes, name, allow_unlabelled=True, names=self.schema.classes)

    def label_settings(self, labels: Array | None, share: float | None) -> dict[str, Any]:
        """The weight α of the classifier: `alpha`, or 0.1 / share if that is None. Raises as in `ConditionalVAE`."""
        super().label_settings(labels, share)
        if self.alpha is not None or labels is None:
            return {"alpha": self.alpha or 0.0}
        share = float(np.mean(labels != UNLABELLED)) if share is None else share
        return {"alpha": CLASSIFIER_WEIGHT / share if share else 0.0}

    @synchronized
    def predict_proba(self, x: Any) -> Array:
        """Class probabilities q(y | x) (B, K) of each row of x (B, D). Raises DTypeError, ShapeError or RangeError."""
        x = self.check_data(x, scored=False, lazy=True)
        probabilities = self.backend.xp.empty((len(x), self.classes), self.dtype)
        for rows, x_rows, _ in self.chunks(x):
            self.log_softmax.forward(self.classifier.forward(x_rows))
            probabilities[rows] = self.log_softmax.q
        return probabilities  # type: ignore[no-any-return]

    @suggest_arguments
    def classify(self, x: Any) -> Array:
        """The most probable class (B,) of each row of x (B, D), on the host: its name, if classes have names.

        Raises as `predict_proba`.
        """
        classes = self._most_probable(x)
        return classes if self.schema.classes is None else np.array(self.schema.classes)[classes]

    def _most_probable(self, x: Any) -> Array:
        classes: Array = to_numpy(self.predict_proba(x)).argmax(axis=1)
        return classes

    def encoder_labels(self, x: Array, labels: Any) -> Array | None:
        """The label of each row of x (B, D); for an unlabelled row, the most probable class."""
        checked: Any = self.check_labels(labels, len(x))
        unlabelled = checked == UNLABELLED
        return np.where(unlabelled, self._most_probable(x), checked) if unlabelled.any() else checked

    # log p(x) = log Σ_y p(y) p(x | y), and p(y) = 1/K
    def scored_classes(self, labels: Any, rows: int) -> list[Array | None]:
        """The given classes (rows,), or each of the K classes for all rows."""
        if labels is None:
            return [np.full(rows, k) for k in range(self.classes)]
        return [ConditionalVAE.check_labels(self, labels, rows)]
