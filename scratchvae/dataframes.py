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
    if _is_lazy(value):
        return True
    return hasattr(value, "column_names") or (hasattr(value, "columns") and hasattr(value, "dtypes"))


def _is_lazy(value: Any) -> bool:
    """True for a table that is not computed yet, of which even the names of the columns would take time."""
    return hasattr(value, "collect") and hasattr(value, "lazy")


def is_named_row(value: Any) -> bool:
    """True for a row of a table of pandas, whose index has the names of the columns."""
    return getattr(value, "ndim", 0) == 1 and hasattr(value, "index") and hasattr(value, "to_numpy")


def column_names(value: Any) -> tuple[str, ...] | None:
    """The names of the columns of a table, as texts; None for an array, and for a table whose columns are numbered."""
    labels = column_labels(value)
    return None if labels is None or _are_numbers(labels) else tuple(str(label) for label in labels)


def column_labels(value: Any) -> list[Any] | None:
    """The labels of the columns of a table, as they are; None for an array."""
    if is_named_row(value):
        return list(value.index)
    if not is_dataframe(value):
        return None
    if _is_lazy(value):
        return []
    return list(value.column_names if hasattr(value, "column_names") else value.columns)


def _are_numbers(labels: Sequence[Any]) -> bool:
    """True for 0 to D − 1 in any order: pandas numbers columns that have no names."""
    numbered = all(isinstance(label, int | np.integer) for label in labels)
    return numbered and sorted(labels) == list(range(len(labels)))


def dataframe_to_numpy(name: str, table: Any) -> Array:
    """The numbers of a table, (N, D); a missing one is NaN. Raises DTypeError for a column without numbers.

    The dtype is the common one of the columns: integers remain integers if none is missing.
    """
    if _is_lazy(table):
        raise DTypeError(
            f"{name} is a {type(table).__name__}, not computed yet; expected a table: pass {name}.collect()"
        )
    names = column_labels(table) or []
    columns = [_column(table, k, label) for k, label in enumerate(names)]
    if invalid := [str(label) for label, column in zip(names, columns, strict=True) if column is None]:
        raise DTypeError(
            f"{name} has columns without numbers, {_listed(invalid)}; expected real numbers: leave "
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
        return array if array.dtype.kind in "fiub" else array.astype(bool if kind == "b" else np.float64)
    try:
        values = series.to_numpy(zero_copy_only=False) if hasattr(table, "column_names") else series.to_numpy()
        array = np.asarray(values)
    except Exception:  # a type of that package that NumPy does not have
        return None
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


def align_columns(name: str, value: Any, columns: Sequence[str] | None) -> Any:
    """The numbers of a table, or of a row of one, in the order of `columns`; an array is returned unchanged.

    columns   the names that a model was trained with; None: it has none, and columns with names keep their order

    Raises DTypeError, or ShapeError if a column is missing, or if there is a further one.
    """
    labels = column_labels(value)
    if labels is None:
        return value
    numbers = np.asarray(value) if is_named_row(value) else dataframe_to_numpy(name, value)
    if _are_numbers(labels):
        return numbers[..., np.argsort(np.array(labels, int))] if labels != sorted(labels) else numbers
    names = [str(label) for label in labels]
    if columns is None or (is_named_row(value) and not set(names) & set(columns)):
        return numbers
    check_columns(name, names, columns)
    return numbers if names == list(columns) else numbers[..., [names.index(column) for column in columns]]


def check_columns(name: str, names: Sequence[str], columns: Sequence[str], owner: str = "the model") -> None:
    """Raises ShapeError unless `names` are the `columns` of their owner in any order."""
    check_different(name, names)
    missing, extra = ([n for n in one if n not in set(other)] for one, other in ((columns, names), (names, columns)))
    if not missing and not extra:
        return
    lacks = f"lacks the column{'s' * (len(missing) > 1)} {_listed(missing)}" if missing else ""
    has = f"has {_listed(extra)}, which {owner} does not know" if extra else ""
    folded = {n.strip().casefold() for n in extra}
    if missing and all(n.strip().casefold() in folded for n in missing):
        hint = "rename it" if len(missing) == 1 else "rename them"
    else:
        hint = "add what is missing" if missing else f"leave {'it' if len(extra) == 1 else 'them'} out"
    raise ShapeError(f"{name} {lacks}{' and ' * bool(missing and extra)}{has}; {hint}")


def check_different(name: str, names: Sequence[str]) -> None:
    """Raises ShapeError if a name occurs twice."""
    if len(set(names)) < len(names):
        twice = next(n for n in names if list(names).count(n) > 1)
        raise ShapeError(f"{name} has two columns named {short_repr(twice)}; expected different names")


def _listed(names: Sequence[str]) -> str:
    shown = [repr(n) if not n.strip() or "," in n else n for n in names]
    return join_choices([shorten(shown[0], 40), *shown[1:]], 50)
