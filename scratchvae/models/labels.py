"""Labels of classes: integers from 0, or names; −1 or no name for rows without a label, as in scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae.arrays import to_host
from scratchvae.backend import Array
from scratchvae.errors import DTypeError, RangeError, ShapeError
from scratchvae.validation import join_choices, short_repr, shorten

UNLABELLED = -1
Names = Sequence[str | int]


class ClassIndices(np.ndarray[Any, np.dtype[Any]]):
    """Labels that are indices of classes, such as checked ones. They are not looked up among the names again.

    If the names are whole numbers, such as 1, 2 and 3, an index may be the name of another class.
    """


def class_indices(labels: Any) -> Array:
    """Labels, known to be indices of classes, as `ClassIndices`."""
    return np.asarray(labels).view(ClassIndices)


def check_labels(
    labels: Any,
    rows: int,
    classes: int,
    name: str = "labels",
    *,
    allow_unlabelled: bool = False,
    names: Names | None = None,
) -> Array:
    """Check labels, and return them on the host, (rows,): classes 0 to classes − 1, or also −1 if `allow_unlabelled`.

    names   of the classes, in their order. A text is the name of a class; so is an integer if the names are integers.
            None, NaN and an empty text stand for no label; so does −1, unless it is a name

    A single label is that of all rows; the result of a call may be checked again. Raises DTypeError, ShapeError or
    RangeError.
    """
    names = None if isinstance(labels, ClassIndices) else names
    host = _as_integers(name, labels, classes, names, allow_unlabelled)
    allowed = _allowed(classes, names) + (", or −1 for a row without a label" if allow_unlabelled else "")
    if host.ndim == 0:
        host = np.broadcast_to(host, (rows,))
    if host.shape != (rows,):
        one_hot_hint = ": for one-hot rows, use .argmax(axis=1)" if host.shape == (rows, classes) else ""
        raise ShapeError(
            f"{name} have shape {short_repr(host.shape)}; expected ({rows},), one for each row{one_hot_hint}"
        )
    if not rows:
        return class_indices(host)
    low, high = int(host.min()), int(host.max())
    if low < (UNLABELLED if allow_unlabelled else 0) or high >= classes:
        invalid = high if high >= classes else low
        if invalid == UNLABELLED:
            raise RangeError(f"{name} hold -1, for no label; expected {allowed}: leave those rows out")
        if names is not None and not _are_integers(names):
            raise RangeError(
                f"{name} hold the integer {invalid}; expected names, {_allowed(classes, names)}, as by .astype(str), "
                f"or their numbers 0 to {classes - 1}"
            )
        raise RangeError(f"{name} hold {invalid}, and there are {classes} classes; expected {allowed}")
    return class_indices(host)


def learn_names(labels: Any) -> tuple[str, ...] | None:
    """The names of the classes if the labels are texts, None if they are not.

    They are in the order of `sort_classes`, or in that of the categories of pandas.
    """
    host = _as_array("labels", labels)
    if host.dtype.kind != "O":
        return None
    present = {value for value in host.reshape(-1).tolist() if not _is_missing(value)}
    texts = {value for value in present if isinstance(value, str)}
    if not texts or present - texts - {UNLABELLED}:
        return None
    from scratchvae.datasets.class_names import sort_classes

    categories = [str(c) for c in getattr(getattr(labels, "dtype", None), "categories", ())]
    return tuple(c for c in categories if c in texts) if texts <= set(categories) else sort_classes(list(texts))


def _as_array(name: str, labels: Any) -> Array:
    """The labels on the host. Texts are objects, so that None and NaN among them remain what they are."""
    if isinstance(labels, list | tuple) and any(isinstance(label, str) for label in labels):
        array = np.empty(len(labels), object)
        array[:] = labels
        return array
    host = to_host(name, labels)
    return host.astype(object) if host.dtype.kind in "UT" else host


def _as_integers(name: str, labels: Any, classes: int, names: Names | None, allow_unlabelled: bool) -> Array:
    """The class of each label as an integer, −1 for none; other integers are left as they are."""
    host = _as_array(name, labels)
    if host.dtype.kind == "f" and host.ndim and np.isnan(host).any() and (host[~np.isnan(host)] % 1 == 0).all():
        # integers, some of which are missing, as of pandas
        host = np.array([None if np.isnan(value) else int(value) for value in host.reshape(-1)], object)
    if host.dtype.kind in "iu":
        return _indices(name, host, names) if names is not None and _are_integers(names) else host
    if host.dtype.kind == "O" and host.size:
        values = host.reshape(-1).tolist()
        known = [value for value in values if not _is_missing(value)]
        if not known and host.ndim:
            return np.full(host.shape, UNLABELLED)
        named = names is not None and _are_integers(names)
        if known and all(type(value) is int for value in known) and not named and max(map(abs, known)) < 2**62:
            return np.array([UNLABELLED if _is_missing(value) else value for value in values]).reshape(host.shape)
        if known and all(isinstance(value, str) or value == UNLABELLED or named for value in known):
            return _indices(name, host, names)
    found = (
        f"have dtype {shorten(host.dtype)}"
        if host.ndim
        else f"are {short_repr(labels)}, of dtype {shorten(host.dtype, 20)}"
    )
    hint = "use .astype(int)"
    if host.ndim == 2 and host.shape[1] == classes:
        hint = "for one-hot rows, use .argmax(axis=1)"
    elif host.dtype.kind == "f" and not (host == np.floor(host)).all():
        hint = "number the classes from 0"
    elif host.dtype.kind not in "fb":
        hint = "number the classes, as by numpy.unique(labels, return_inverse=True)"
    raise DTypeError(f"{name} {found}; expected whole numbers, {_allowed(classes, names)}: {hint}")


def _indices(name: str, labels: Array, names: Names | None) -> Array:
    """The index of each label among the names; −1 for no label. Raises RangeError for another label."""
    if names is None:
        first = next(value for value in labels.reshape(-1).tolist() if not _is_missing(value))
        raise DTypeError(
            f"{name} hold {short_repr(first)}, and the classes of the model have no names; expected whole numbers from "
            "0, or make the model with classes=[…], their names"
        )
    index = {label: k for k, label in enumerate(names)}
    values = labels.reshape(-1).tolist()
    missing = {v for v in set(values) if _is_missing(v) or (v == UNLABELLED and v not in index)}
    codes = [UNLABELLED if v in missing else index.get(v) for v in values]
    if None in codes:
        unknown = sorted({str(value) for value, code in zip(values, codes, strict=True) if code is None})
        raise RangeError(
            f"{name} hold {shorten(join_choices(unknown, 50))}, which the model has not learned; expected "
            f"{_allowed(len(names), names)}"
        )
    return np.array(codes, np.int64).reshape(labels.shape)


def _allowed(classes: int, names: Names | None) -> str:
    return f"0 to {classes - 1}" if names is None else join_choices([str(n) for n in names], 60)


def _are_integers(names: Names) -> bool:
    return all(isinstance(name, int) for name in names)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ == "NAType":  # pandas.NA, of which comparisons raise
        return True
    return value == "" if isinstance(value, str) else isinstance(value, float) and value != value


def require_every_class(labels: Array, classes: int, names: Names | None = None) -> None:
    """Raises RangeError unless each class has a row among `labels`."""
    counts = np.bincount(labels[labels != UNLABELLED], minlength=classes)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        listed = join_choices([str(k if names is None else names[int(k)]) for k in empty], 60)
        raise RangeError(
            f"no row is labelled {listed}, and there are {classes} classes; label at least one row of each class, or "
            "make classes smaller"
        )


def one_hot(labels: Array, out: Array) -> Array:
    """Write the one-hot rows of labels (N,) into `out` (N, K) and return it; a label of −1 gives a row of zeros."""
    np.equal(labels[:, None], np.arange(out.shape[1]), out=out)
    return out
