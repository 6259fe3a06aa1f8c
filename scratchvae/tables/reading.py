"""Tables of pandas, polars and PyArrow, dicts of arrays, and CSV files as columns of cells.

The packages are recognised by the attributes of their tables, and none is imported.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import Array
from scratchvae.dataframes import is_dataframe
from scratchvae.datasets.cells import is_missing, may_be_thousands, quote, read_decimal_comma, read_number
from scratchvae.datasets.table_text import TableText, find_delimiter, open_table
from scratchvae.errors import DataError, DTypeError, RangeError, ShapeError
from scratchvae.tables.cells import Cells, is_date
from scratchvae.validation import short_repr, shorten

SUFFIXES = (".csv", ".tsv")
HINT = "convert it to numbers, texts, dates or booleans, or leave it out"


class TableFile(NamedTuple):
    """The columns of a .csv or .tsv file that was read: a table, as the path of the file is one."""

    path: Path
    cells: tuple[Cells, ...]

    def take(self, rows: Array) -> TableFile:
        """The rows of these indices."""
        cells = (c._replace(values=c.values[rows], missing=c.missing[rows]) for c in self.cells)
        return self._replace(cells=tuple(cells))


def package_of(table: Any, name: str = "table") -> str:
    """The package of a table: pandas, polars or pyarrow, numpy for a dict of arrays, or file for a path.

    Raises DTypeError.
    """
    if isinstance(table, str | os.PathLike | TableFile):
        return "file"
    if isinstance(table, Mapping):
        return "numpy"
    if is_dataframe(table) and not hasattr(table, "collect"):
        if hasattr(table, "column_names"):
            return "pyarrow"
        return "pandas" if hasattr(table, "iloc") else "polars"
    hint = f": pass {name}.collect()" if hasattr(table, "collect") else ""
    raise DTypeError(
        f"{name} is a {shorten(type(table).__name__, 40)}; expected a table of pandas, polars or PyArrow, a dict of "
        f"arrays, or the path of a .csv file{hint}"
    )


def has_other_kinds(table: Any) -> bool:
    """True for a table of pandas, polars or PyArrow that has columns of anything but numbers."""
    if not is_dataframe(table) or hasattr(table, "collect"):
        return False
    return any(column.form != "number" or column.levels is not None for column in _read_columns(table))


def read_table(table: Any) -> list[Cells]:
    """The columns of a table. Raises DTypeError, ShapeError, or DataError for a file."""
    columns = list(_read_columns(table))
    if not columns:
        raise ShapeError("table has no columns; expected at least one")
    labels = [column.label for column in columns]
    for label in labels:
        if type(label) not in (str, int):
            raise DTypeError(
                f"table has a column named {short_repr(label)}; expected texts, or whole numbers: rename it"
            )
        if labels.count(label) > 1:
            raise ShapeError(f"table has two columns named {short_repr(label)}; expected different names")
    if len({len(column.values) for column in columns}) > 1:
        raise ShapeError("table has columns of different lengths; expected a value in each row, or None")
    return columns


def _read_columns(table: Any) -> Iterator[Cells]:
    package = package_of(table)
    if package == "file":
        yield from (table if isinstance(table, TableFile) else read_file(Path(table))).cells
    elif package == "pandas":
        yield from (_pandas(label, table.iloc[:, k]) for k, label in enumerate(table.columns))
    elif package == "polars":
        yield from (_polars(label, table[label]) for label in table.columns)
    elif package == "pyarrow":
        yield from (_pyarrow(label, table.column(k)) for k, label in enumerate(table.column_names))
    else:
        yield from (_array(label, values) for label, values in table.items())


def _pandas(label: Any, series: Any) -> Cells:
    dtype = series.dtype
    label = label.item() if isinstance(label, np.generic) else label
    if hasattr(dtype, "pyarrow_dtype"):
        return _pyarrow(label, series.array.__arrow_array__())._replace(dtype=str(dtype))
    missing = np.asarray(series.isna(), bool)
    kind = getattr(dtype, "kind", "O")
    if hasattr(dtype, "categories"):
        levels = tuple(_plain(level) for level in dtype.categories)
        codes = np.asarray(series.cat.codes)
        values = np.empty(len(codes), object)
        values[:] = [levels[code] if code >= 0 else None for code in codes]
        name = "ordered" if dtype.ordered else "category"
        return Cells(label, values, missing, "text", name, levels)
    if kind in "iufb":
        values = series if not missing.any() or kind == "f" else series.fillna(False if kind == "b" else 0)
        numbers = values.to_numpy(bool if kind == "b" else _number_type(kind), na_value=False if kind == "b" else 0)
        return Cells(label, numbers, missing, "boolean" if kind == "b" else "number", str(dtype))
    if kind == "M":
        dates = np.asarray(series.to_numpy(_unit(str(dtype))))  # in UTC
        return Cells(label, dates, missing, "date", str(dtype))
    return _objects(label, np.asarray(series, object), missing, str(dtype))


def _number_type(kind: str) -> str:
    return {"i": "i8", "u": "u8", "f": "f8"}[kind]


def _polars(label: str, series: Any) -> Cells:
    dtype, name = series.dtype, str(series.dtype)
    missing = np.asarray(series.is_null().to_numpy(), bool)
    if dtype.is_numeric() and not name.startswith("Decimal"):
        if dtype.is_float():
            missing = missing | np.isnan(np.asarray(series.fill_null(0.0).to_numpy()))
        return Cells(label, np.asarray(series.fill_null(0).to_numpy()), missing, "number", name)
    if name == "Boolean":
        return Cells(label, np.asarray(series.fill_null(False).to_numpy(), bool), missing, "boolean", name)
    if name == "Date" or name.startswith("Datetime"):
        return Cells(label, np.asarray(series.to_numpy()).astype(_unit(name), copy=False), missing, "date", name)
    levels = tuple(dtype.categories.to_list()) if name.startswith("Enum") else None
    return _objects(label, _as_objects(series.to_list()), missing, name, levels)


def _unit(name: str) -> str:
    """The dtype of NumPy for a type of dates, of polars or PyArrow."""
    if name.startswith(("Date(", "date32", "date64")) or name == "Date":
        return "M8[D]"
    return next((f"M8[{unit}]" for unit in ("ns", "us", "ms") if f"'{unit}'" in name or f"[{unit}" in name), "M8[s]")


def _pyarrow(label: str, column: Any) -> Cells:
    name = str(column.type)
    missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)
    if name in ("float", "double", "halffloat") or name.lstrip("u").startswith("int"):
        filled = np.asarray((column.fill_null(0) if missing.any() else column).to_numpy())
        return Cells(label, filled, missing | (filled != filled), "number", name)
    if name == "bool":
        values = np.array([bool(value) for value in column.to_pylist()], bool)
        return Cells(label, values, missing, "boolean", name)
    if name.startswith(("timestamp", "date32", "date64")):
        return Cells(label, np.asarray(column.to_numpy()).astype(_unit(name), copy=False), missing, "date", name)
    levels = None
    if name.startswith("dictionary") and column.num_chunks:
        levels = tuple(column.unify_dictionaries().chunk(0).dictionary.to_pylist())
    return _objects(label, _as_objects(column.to_pylist()), missing, name, levels)


def _array(label: Any, values: Any) -> Cells:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ShapeError(f"column {label!r:.40} has shape {array.shape}; expected one value for each row, (N,)")
    if array.dtype.kind in "iufb":
        form = "boolean" if array.dtype.kind == "b" else "number"
        return Cells(label, array, np.asarray(array != array), form, str(array.dtype))
    if array.dtype.kind == "M":
        return Cells(label, array, np.isnat(array), "date", str(array.dtype))
    objects = _as_objects(array.tolist())
    return _objects(label, objects, np.array([_is_unknown(value) for value in objects], bool), str(array.dtype))


def _objects(label: Any, values: Array, missing: Array, dtype: str, levels: tuple[Any, ...] | None = None) -> Cells:
    """The cells of a column of objects: all texts, all booleans, all numbers or all dates. Raises DTypeError."""
    known = [_plain(value) for value in values[~missing]]
    forms = {_form(value) for value in known}
    if len(forms) > 1 or None in forms:
        strange = next((value for value in known if _form(value) is None), None)
        held = (
            f"a {type(strange).__name__}" if strange is not None else " and ".join(sorted(f"{f}s" for f in forms if f))
        )
        raise DTypeError(f"column {label!r:.40} holds {held}; expected values of one form: {HINT}")
    form = (forms.pop() if forms else None) or "text"
    if form == "text":
        texts = np.empty(len(values), object)
        texts[~missing] = known
        return Cells(label, texts, missing, form, dtype, levels)
    kinds: dict[str, Any] = {"boolean": (bool, False), "number": (np.float64, np.nan), "date": ("M8[us]", "NaT")}
    converted = np.full(len(values), kinds[form][1], kinds[form][0])
    try:
        converted[~missing] = known
    except OverflowError:
        raise RangeError(
            f"column {label!r:.40} holds a whole number beyond those of float64; expected finite numbers: correct it"
        ) from None
    return Cells(label, converted, missing, form, dtype)


def _form(value: Any) -> str | None:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "date" if is_date(value) else None


def _plain(value: Any) -> Any:
    """A scalar of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _is_unknown(value: Any) -> bool:
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")


def _as_objects(values: list[Any]) -> Array:
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def read_file(path: Path) -> TableFile:
    """Read a .csv or .tsv file, whose first row has the names of the columns. Raises DataError."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} is no table; expected a .csv or .tsv file")
    try:
        with open_table(path) as file:
            delimiter = find_delimiter(path, file)
            rows, lines = _read_rows(path, TableText(path, file), delimiter)
    except UnicodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as CSV UTF-8") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(rows) < 2:
        raise DataError(f"{path} holds no rows below its first; expected a row of names, then a row per sample")
    names = [name.strip() for name in rows[0]]
    if all(read_number(name) is not None for name in names):
        raise DataError(f"{path}, line {lines[0]} holds numbers alone; expected names of columns: write them above it")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise DataError(f"{path}, line {line}: {len(row)} cells, and {len(names)} in the first row")
    counts_rows = not names[0] and _counts([row[0].strip() for row in rows[1:]])
    if not all(names[counts_rows:]):
        column = names.index("", int(counts_rows)) + 1
        raise DataError(f"{path}: column {column} has no name; write one, or leave the column out")
    columns = []
    for k in range(int(counts_rows), len(names)):
        texts = _as_objects([row[k].strip() for row in rows[1:]])
        columns.append(Cells(names[k], texts, np.array([is_missing(text) for text in texts], bool), "cell", "cell"))
    _check_thousands(path, columns, lines[1:], delimiter)
    return TableFile(path, tuple(columns))


def _check_thousands(path: Path, columns: list[Cells], lines: list[int], delimiter: str) -> None:
    """Raise DataError if no number shows whether a mark before three digits is decimal: 1,234 or, with 1;2, 1.234."""
    for mark, name in ((",", "comma"), (".", "point"))[: 2 if delimiter == ";" else 1]:
        marked = [
            (line, column.label, text)
            for column in columns
            for line, text in zip(lines, column.values, strict=True)
            if mark in text and read_decimal_comma(text.replace(mark, ",")) is not None
        ]
        if marked and all(may_be_thousands(text.replace(mark, ",")) for _, _, text in marked):
            line, label, text = marked[0]
            raise DataError(
                f"{path}, line {line}, column {label!r:.40}: the {name} in {quote(text)} may mark decimals or "
                "thousands; write decimal points and commas between cells, and no thousands separators"
            )


def _counts(cells: list[str]) -> bool:
    """True if the cells count the rows, from 0 or 1."""
    return any(cells == [str(k + start) for k in range(len(cells))] for start in (0, 1))


def _read_rows(path: Path, text: TableText, delimiter: str) -> tuple[list[list[str]], list[int]]:
    rows, lines = [], []
    try:
        for row in csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True):
            text.start_row()
            if any(cell.strip() for cell in row) or len(row) > 1:
                rows.append(row)
                lines.append(text.number)
    except csv.Error as error:
        raise DataError(f"{path}, line {text.number}: {error}; look for a quotation mark that is not closed") from None
    return rows, lines
