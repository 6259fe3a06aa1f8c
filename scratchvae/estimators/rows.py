"""The rows that an estimator is given: arrays and tables, checked in the words of scikit-learn."""

from __future__ import annotations

import warnings
from hashlib import blake2b
from typing import Any

import numpy as np

from scratchvae.arrays import Array, to_host
from scratchvae.dataframes import column_labels, dataframe_to_numpy, is_dataframe
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.rows import RowReader, SparseRows, is_sparse

MAX_NAMES = 5  # names of columns in a message
DENSE_AT_ONCE = 512  # rows of a `RowSource` that become dense


def feature_names(X: Any) -> Array | None:
    """The names of the columns of a table, if all are texts, as an array of objects. Raises DTypeError."""
    names = (column_labels(X) if is_dataframe(X) else None) or []
    texts = [isinstance(name, str) for name in names]
    if any(texts) and not all(texts):
        raise DTypeError(
            "X has names of columns of which some are texts and some are not; expected texts alone, or no names: "
            "rename them, as in X.columns = X.columns.astype(str)"
        )
    return np.array(names, object) if any(texts) else None


def check_feature_names(kind: str, X: Any, known: Array | None) -> None:
    """Raises ShapeError unless the columns of X have the names that were seen by fit; warns if only one has names."""
    names = feature_names(X)
    if known is None and names is not None:
        warnings.warn(f"X has feature names, but {kind} was fitted without feature names", UserWarning, stacklevel=4)
    if known is not None and names is None:
        warnings.warn(
            f"X does not have valid feature names, but {kind} was fitted with feature names", UserWarning, stacklevel=4
        )
    if known is None or names is None or names.tolist() == known.tolist():
        return
    text = "The feature names should match those that were passed during fit.\n"
    unseen, missing = sorted(set(names) - set(known)), sorted(set(known) - set(names))
    if unseen:
        text += "Feature names unseen at fit time:\n" + _listed(unseen)
    if missing:
        text += "Feature names seen at fit time, yet now missing:\n" + _listed(missing)
    if not unseen and not missing:
        text += "Feature names must be in the same order as they were in fit.\n"
    raise FeatureNamesError(text)


class FeatureNamesError(ShapeError):
    """A ShapeError whose text has a line for each name."""

    def __str__(self) -> str:
        return self.message


def _listed(names: list[str]) -> str:
    shown = "".join(f"- {name}\n" for name in names[:MAX_NAMES])
    return shown + "- ...\n" * (len(names) > MAX_NAMES)


def to_numbers(kind: str, X: Any, allow_nan: bool, allow_sparse: bool = False) -> Array:
    """The numbers of X, (N, D), without a copy where possible; a sparse matrix becomes a `RowSource`, if allowed.

    NaN is a missing value, if allowed. Raises DTypeError, ShapeError, RangeError, ConfigError.
    """
    sparse = is_sparse(X)
    if sparse and not allow_sparse:
        raise DTypeError(
            f"{kind} was given a sparse matrix; expected dense data: convert it with X.toarray(), or pass parts, such "
            "as X[:1000].toarray()"
        )
    array: Any = X if sparse else _as_array(X)
    if array.dtype.kind == "c":
        raise ConfigError("Complex data not supported: pass the real and imaginary parts as columns of their own")
    if array.dtype.kind not in "fiub":
        array = _objects_as_numbers(array)
    if len(array.shape) != 2:
        raise ShapeError(
            f"X has shape {array.shape}; expected rows (n_samples, n_features). Reshape your data, with "
            "X.reshape(-1, 1) if it has one feature, or X.reshape(1, -1) if it is one sample"
        )
    check_size(array.shape)
    if sparse:
        matrix = array.tocsr()
        _check_finite(kind, matrix.data, False)
        array = SparseRows(matrix, "X")
    else:
        _check_finite(kind, array, allow_nan)
    return array  # type: ignore[no-any-return]


def check_size(shape: tuple[int, ...]) -> None:
    """Raises ShapeError for X of no rows, or of no columns."""
    for count, noun in zip(shape, ("sample", "feature"), strict=True):
        if not count:
            raise ShapeError(f"Found array with 0 {noun}(s) (shape={shape}) while a minimum of 1 is required.")


def check_known_columns(rows: Array, names: Array | None) -> None:
    """Raises RangeError if a column of the rows to be fitted has no value."""
    if has_missing(rows) and (empty := np.isnan(rows).all(axis=0)).any():
        k = int(empty.argmax())
        name = f"column {k + 1}" if names is None else f"the column {names[k]!r:.40}"
        raise RangeError(f"X has no value in {name}, so that nothing can be learned of it: leave that column out")


def _as_array(X: Any) -> Array:
    return dataframe_to_numpy("X", X) if is_dataframe(X) else to_host("X", X)


def _objects_as_numbers(array: Array) -> Array:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        reason = str(error)
        if isinstance(error, TypeError) and "must be" not in reason:
            reason = "float() argument must be a string or a real number"
        raise DTypeError(f"X holds values that are no numbers ({reason}): leave those columns out") from None


def _check_finite(kind: str, array: Array, allow_nan: bool) -> None:
    if array.dtype.kind != "f":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(array)):  # one pass without a temporary array
            return
    if np.isinf(array).any():
        raise RangeError(
            "Input X contains infinity; drop those rows, or replace the values, by NaN if they are missing"
        )
    if not allow_nan and np.isnan(array).any():
        raise RangeError(
            f"Input X contains NaN.\n{kind} expects no missing values here: fill them in, by VAEImputer, or fit it "
            "with rows that have some"
        )


def check_sample_weight(sample_weight: Any, rows: int) -> Array | None:
    """The weights of the rows, (rows,) in float64; None if all are 1. Raises DTypeError, ShapeError, RangeError."""
    if sample_weight is None:
        return None
    weights = np.asarray(_as_array(sample_weight))
    if weights.dtype.kind not in "fiub":
        raise DTypeError(f"sample_weight has dtype {weights.dtype}; expected real numbers, one for each row of X")
    if weights.shape != (rows,):
        raise ShapeError(f"sample_weight.shape == {weights.shape}, expected ({rows},): one weight for each row of X")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise RangeError("sample_weight has negative, NaN or infinite values; expected numbers of at least 0")
    if not weights.any():
        raise RangeError("sample_weight is zero for every row; expected a positive weight for at least one row")
    return weights


def has_missing(rows: Array) -> bool:
    """True if some of the rows have NaN."""
    return isinstance(rows, np.ndarray) and rows.dtype.kind == "f" and bool(np.isnan(rows.sum()))


def canonical_order(rows: Array) -> Array:
    """The indices (N,) of rows (N, D) in an order that depends on their contents alone: by digests of their bytes."""
    digests = [
        blake2b(row, digest_size=16).digest()
        for part in RowReader(rows).slices(DENSE_AT_ONCE)
        for row in np.ascontiguousarray(rows[part])
    ]
    return np.array(digests, "V16").argsort(kind="stable")


def of_dtype(rows: Array, result: Array) -> Array:
    """A result in float32 if it is of rows in float32, else in float64."""
    return result.astype(np.float32 if rows.dtype == np.float32 else np.float64, copy=False)
