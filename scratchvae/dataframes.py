"""Tables of other packages: the names of their columns, and their numbers as NumPy arrays.

They are recognised by their attributes, so that none of these packages is imported: pandas, polars and PyArrow, and
whatever has the attributes of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae.errors import DTypeError, ShapeError
from scratchvae.validation import join_choices, short_repr, shorten

Array = np.ndarray[Any, np.dtype[Any]]


def is_dataframe(value: Any) -> bool:
    """True for a table with named columns."""
    return hasattr(value, "column_names") or (hasattr(value, "columns") and hasattr(value, "dtypes"))


def column_names(value: Any) -> tuple[str, ...] | None:
    """The names of the columns of a table, as text; None for an array, and for a table whose columns are numbered."""
    if not is_dataframe(value):
        return None
    names = list(value.column_names if hasattr(value, "column_names") else value.columns)
    if all(isinstance(name, int | np.integer) for name in names) and names == list(range(len(names))):
        return None  # pandas numbers the columns that have no names
    return tuple(str(name) for name in names)


def dataframe_to_numpy(name: str, table: Any) -> Array:
    """The numbers of a table, (N, D); a missing one is NaN. Raises DTypeError for a column without numbers.

    The dtype is the common one of the columns: integers remain integers if none is missing.
    """
    names = list(table.column_names if hasattr(table, "column_names") else table.columns)
    columns = [_column(table, k, label) for k, label in enumerate(names)]
    if invalid := [str(label) for label, column in zip(names, columns, strict=True) if column is None]:
        raise DTypeError(
            f"{name} has columns without numbers, {shorten(join_choices(invalid, 60))}; expected real numbers: leave "
            "those columns out, or convert them to numbers"
        )
    if not columns:
        raise ShapeError(f"{name} has no columns; expected a table of numbers")
    return np.stack(columns, axis=1)  # type: ignore[arg-type]


def _column(table: Any, k: int, label: Any) -> Array | None:
    """Column k as numbers, NaN where one is missing; None if it does not hold numbers."""
    if hasattr(table, "iloc"):
        series = table.iloc[:, k]
    else:
        series = table.column(k) if hasattr(table, "column_names") else table[label]
    kind = getattr(series.dtype if hasattr(series, "dtype") else None, "kind", None)
    if kind in ("f", "i", "u", "b") and not _has_missing(series):
        array = np.asarray(series)
        return array if array.dtype.kind in "fiub" else array.astype(np.float64)
    values = series.to_numpy(zero_copy_only=False) if hasattr(table, "column_names") else series.to_numpy()
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        return array
    if array.dtype.kind != "O":
        return None
    numbers = [_number(value) for value in array.tolist()]
    return None if None in numbers else np.array(numbers, np.float64)


def _has_missing(series: Any) -> bool:
    isna = getattr(series, "isna", None)
    return bool(isna().any()) if callable(isna) else False


def _number(value: Any) -> float | None:
    """The number that a cell of an array of objects holds: NaN for None and pandas.NA, None for any other object."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return float("nan") if type(value).__name__ != "NaTType" else None
    return float(value) if isinstance(value, int | float | np.number | bool) else None


def align_columns(name: str, value: Any, columns: Sequence[str]) -> Any:
    """`value` with its columns in the order of `columns`, the names that a model was trained with; an array unchanged.

    Raises ShapeError if a column is missing, or if there is a further one.
    """
    names = column_names(value)
    if names is None or names == tuple(columns):
        return value
    check_columns(name, names, columns)
    positions = [names.index(column) for column in columns]
    return dataframe_to_numpy(name, value)[:, positions]


def check_columns(name: str, names: Sequence[str], columns: Sequence[str]) -> None:
    """Raises ShapeError unless `names` are `columns` in any order."""
    if len(set(names)) < len(names):
        twice = next(n for n in names if list(names).count(n) > 1)
        raise ShapeError(f"{name} has two columns named {short_repr(twice)}; expected different names")
    missing, extra = ([n for n in one if n not in set(other)] for one, other in ((columns, names), (names, columns)))
    if missing or extra:
        lacks = f"lacks the column{'s' * (len(missing) > 1)} {shorten(join_choices(missing, 60))}" if missing else ""
        has = f"has {shorten(join_choices(extra, 60))}, which the model was not trained with" if extra else ""
        hint = "add it, as NaN if it is unknown to a model with missing=True" if missing else "leave it out"
        raise ShapeError(f"{name} {lacks}{' and ' * bool(missing and extra)}{has}; {hint}")
