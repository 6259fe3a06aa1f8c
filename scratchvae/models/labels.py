"""Validation of class labels: integers from 0, and −1 for unlabelled rows, as in scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import to_host
from scratchvae.backend import Array
from scratchvae.errors import DTypeError, RangeError, ShapeError
from scratchvae.validation import short_repr, shorten

UNLABELLED = -1


def check_labels(
    labels: Any, rows: int, classes: int, name: str = "labels", *, allow_unlabelled: bool = False
) -> Array:
    """Check labels, and return them on the host, (rows,): classes 0 to classes − 1, or also −1 if `allow_unlabelled`.

    A single number is the label of all rows. Raises DTypeError, ShapeError or RangeError.
    """
    host = to_host(name, labels)
    allowed = f"0 to {classes - 1}" + (", or −1 for a row without a label" if allow_unlabelled else "")
    if host.dtype.kind not in "iu":
        found = (
            f"have dtype {shorten(host.dtype)}"
            if host.ndim
            else f"are {short_repr(labels)}, of dtype {shorten(host.dtype, 20)}"
        )
        raise DTypeError(f"{name} {found}; expected whole numbers, {allowed}: use .astype(int)")
    if host.ndim == 0:
        host = np.broadcast_to(host, (rows,))
    if host.shape != (rows,):
        raise ShapeError(f"{name} have shape {short_repr(host.shape)}; expected ({rows},), one for each row")
    low, high = int(host.min()), int(host.max())
    if low < (UNLABELLED if allow_unlabelled else 0) or high >= classes:
        invalid = high if high >= classes else low
        hint = "; rows without a label can be used only in training and in classify" if invalid == UNLABELLED else ""
        raise RangeError(f"{name} hold {invalid}, and there are {classes} classes; expected {allowed}{hint}")
    return host


def require_every_class(labels: Array, classes: int) -> None:
    """Raises RangeError unless each class has a row among `labels`."""
    counts = np.bincount(labels[labels != UNLABELLED], minlength=classes)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        listed = ", ".join(map(str, empty[:10])) + (", …" if len(empty) > 10 else "")
        raise RangeError(
            f"no row is labelled {listed}, and there are {classes} classes; label at least one row of each class, or "
            "make classes smaller"
        )


def one_hot(labels: Array, out: Array) -> Array:
    """Write the one-hot rows of labels (N,) into `out` (N, K) and return it; a label of −1 gives a row of zeros."""
    np.equal(labels[:, None], np.arange(out.shape[1]), out=out)
    return out
