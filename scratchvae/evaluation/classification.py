"""Accuracy and log loss of a classifier."""

from __future__ import annotations

from math import nan, sqrt
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import RangeError
from scratchvae.models import SemiSupervisedVAE
from scratchvae.models.labels import check_labels
from scratchvae.representation import fields_repr
from scratchvae.validation import check_type, suggest_arguments


class Classification(NamedTuple):
    """The quality of a classifier on labelled rows.

    accuracy          fraction of rows classified correctly
    standard_error    of the accuracy; NaN for a single row
    log_loss          mean of −log q(y | x), in nats
    confusion         (K, K), the number of rows of class i that are classified as class j
    rows              number of rows
    """

    accuracy: float
    standard_error: float
    log_loss: float
    confusion: Array
    rows: int

    def __repr__(self) -> str:
        return fields_repr(self)

    @property
    def error(self) -> float:
        """The fraction of rows classified incorrectly."""
        return 1.0 - self.accuracy


@suggest_arguments
def classification(model: SemiSupervisedVAE, images: Any, labels: Any) -> Classification:
    """Evaluate the classifier of `model` on images (N, D) with labels (N,).

    Raises ConfigError, DTypeError, ShapeError or RangeError.
    """
    check_type("model", model, SemiSupervisedVAE, "a SemiSupervisedVAE, which has a classifier")
    images = model.check_data(images, "images", lazy=True)
    labels = check_labels(labels, len(images), model.classes, names=model.schema.classes)
    q = to_numpy(model.predict_proba(images)).astype(np.float64)
    if not np.isfinite(q).all():
        raise RangeError("q(y | x) is not finite for some rows: the weights are not finite, or images are too large")
    confusion = np.zeros((model.classes, model.classes), int)
    np.add.at(confusion, (labels, q.argmax(axis=1)), 1)
    accuracy = float(np.trace(confusion)) / len(labels)
    losses = -np.log(np.maximum(q[np.arange(len(labels)), labels], np.finfo(model.dtype).tiny))
    standard_error = sqrt(accuracy * (1.0 - accuracy) / len(labels)) if len(labels) > 1 else nan
    return Classification(accuracy, standard_error, float(losses.mean()), confusion, len(labels))
