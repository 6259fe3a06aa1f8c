"""How often, and how surely, a classifier is right."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.models import SemiSupervisedVAE
from scratchvae.models.labels import check_labels
from scratchvae.representation import fields_repr
from scratchvae.validation import check_type


class Classification(NamedTuple):
    """Over rows: the share that is classified right, its standard error, and what is not seen in it.

    log_loss is the mean of −log q(y | x) in nats, `confusion` (K, K) counts the rows of each class, one a line, that
    are taken for each class.
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
        """The share that is classified wrong."""
        return 1.0 - self.accuracy


def classification(model: SemiSupervisedVAE, images: Any, labels: Any) -> Classification:
    """How `model` classifies images (N, D) whose classes are labels (N,).

    Raises ConfigError, DTypeError, ShapeError or RangeError.
    """
    check_type("model", model, SemiSupervisedVAE, "a SemiSupervisedVAE, a model that has a classifier")
    images = model.check_data(images, "images")
    labels = check_labels(labels, len(images), model.classes)
    q = to_numpy(model.predict_proba(images)).astype(np.float64)
    confusion = np.zeros((model.classes, model.classes), int)
    np.add.at(confusion, (labels, q.argmax(axis=1)), 1)
    accuracy = float(np.trace(confusion)) / len(labels)
    surprise = -np.log(np.maximum(q[np.arange(len(labels)), labels], np.finfo(model.dtype).tiny))
    error = sqrt(accuracy * (1.0 - accuracy) / len(labels))
    return Classification(accuracy, error, float(surprise.mean()), confusion, len(labels))
