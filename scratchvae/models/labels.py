"""Labels at the door: whole numbers from 0, and −1 where there is none, as scikit-learn writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import to_host
from scratchvae.backend import Array
from scratchvae.errors import DTypeError, RangeError, ShapeError
from scratchvae.validation import short_repr

UNLABELLED = -1


def check_labels(labels: Any, rows: int, classes: int, name: str = "labels", *, some: bool = False) -> Array:
    """`labels` (rows,) on the host, once each is known to be a class from 0 to classes − 1, or −1 if `some` suffice.

    A single number stands for that of all rows. Raises DTypeError, ShapeError or RangeError.
    """
    given = to_host(name, labels)
    allowed = f"0 to {classes - 1}" + (", or −1 for a row without a label" if some else "")
    if given.dtype.kind not in "iu":
        what = f"have dtype {given.dtype}" if given.ndim else f"are {short_repr(labels)}, of dtype {given.dtype}"
        raise DTypeError(f"{name} {what}; expected whole numbers, {allowed}: use .astype(int)")
    if given.ndim == 0:
        given = np.broadcast_to(given, (rows,))
    if given.shape != (rows,):
        raise ShapeError(f"{name} have shape {given.shape}; expected ({rows},), one for each row")
    low, high = int(given.min()), int(given.max())
    if low < (UNLABELLED if some else 0) or high >= classes:
        odd = high if high >= classes else low
        fix = "; a row of no known class can only train, or be classified" if odd == UNLABELLED else ""
        raise RangeError(f"{name} hold {odd}, and there are {classes} classes; expected {allowed}{fix}")
    return given


def require_every_class(labels: Array, classes: int) -> None:
    """Raises RangeError unless each class has a row among `labels`."""
    present = np.bincount(labels[labels != UNLABELLED], minlength=classes)
    empty = np.flatnonzero(present == 0)
    if len(empty):
        which = ", ".join(map(str, empty))
        raise RangeError(
            f"no row is labelled {which}, and there are {classes} classes; label at least one row of each, or set "
            "classes to as many as there are"
        )


def one_hot(labels: Array, out: Array) -> Array:
    """`out` (N, K), set to 1 where the column is the row's label and else 0: a row of zeros where that is −1."""
    np.equal(labels[:, None], np.arange(out.shape[1]), out=out)
    return out
