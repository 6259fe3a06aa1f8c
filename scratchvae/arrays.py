"""Conversion of user input to NumPy arrays of real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.errors import DTypeError
from scratchvae.validation import join_choices, short_repr, shorten

Array = np.ndarray[Any, np.dtype[Any]]


def as_numpy(name: str, value: Any) -> Array:
    """Return `value` as a NumPy array, without a copy where possible.

    Raises DTypeError if `value` is on a device or cannot be converted. Masked arrays are refused, since their mask
    would be ignored, and data sets, since their rows are in a field.
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, tuple) and {"images", "train"} & set(getattr(value, "_fields", ())):
        kind, rows = shorten(type(value).__name__, 30), "labels" if "labels" in name else "images"
        raise DTypeError(f"{name} is a {kind}; expected an array: pass its {rows}, as in data.train.{rows}")
    if isinstance(value, np.ma.MaskedArray):
        raise DTypeError(
            f"{name} is a masked array; expected a plain array: drop the masked rows, or pass "
            f"{name}.filled(numpy.nan), of floats, where NaN marks missing values"
        )
    try:
        return np.asarray(value)
    except Exception as error:  # a device array, rows of unequal length, or an error of the value's own class
        if all(hasattr(value, name) for name in ("get", "set", "dtype")):  # as CuPy has, and pandas has not
            raise DTypeError(
                f"{name} is a {shorten(type(value).__qualname__, 30)}, an array of another device than this model's: "
                "convert it with scratchvae.to_numpy, or use a model with backend='cupy'"
            ) from None
        raise DTypeError(
            f"{name} is a {shorten(type(value).__qualname__, 30)}; expected an array with rows of one length "
            f"({shorten(error, 90)})"
        ) from None


def check_real(name: str, value: Any, array: Any) -> None:
    """Raise DTypeError unless `array`, the converted `value`, is of real numbers."""
    if array.dtype.kind in "fiub":
        return
    if columns := _columns_without_numbers(value):
        raise DTypeError(
            f"{name} has columns without numbers, {shorten(join_choices(columns, 60))}; expected real numbers: leave "
            "those columns out, or convert them to numbers"
        )
    hint = (
        "convert it with .astype('float32')"
        if array.ndim and hasattr(value, "dtype")
        else "pass a NumPy array of floats"
    )
    dtype = shorten(array.dtype, 40)  # a structured dtype lists its fields
    problem = f"has dtype {dtype}" if array.ndim else f"is {short_repr(value)}, of dtype {dtype}"
    raise DTypeError(f"{name} {problem}; expected real numbers: {hint}")


def _columns_without_numbers(table: Any) -> list[str]:
    """The names of the columns of a `pandas.DataFrame` that are not of real numbers; [] for other objects."""
    if not (hasattr(table, "columns") and hasattr(table, "dtypes")):
        return []
    pairs = zip(table.columns, table.dtypes, strict=True)
    return [str(column) for column, dtype in pairs if getattr(dtype, "kind", "O") not in "fiub"]


def to_host(name: str, value: Any) -> Array:
    """Return `value` as a NumPy array, copied from its device if necessary. Raises DTypeError."""
    try:
        return as_numpy(name, value)
    except DTypeError:
        if not (hasattr(value, "dtype") and callable(getattr(value, "get", None))):
            raise
    return np.asarray(value.get())


def as_real_array(name: str, value: Any) -> Array:
    """Return `value` as a NumPy array of real numbers, copied from its device if necessary. Raises DTypeError."""
    array = to_host(name, value)
    check_real(name, value, array)
    return array
