"""The values of columns as cells of a .csv file."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.datasets.cells import read_number
from scratchvae.tables.cells import Cells
from scratchvae.tables.column import Column, in_layout_of
from scratchvae.tables.layout import write_boolean, write_dates, write_number
from scratchvae.tables.reading import TableFile
from scratchvae.tables.schema import TableSchema

DIGITS = 12  # of a number in a column whose numbers have more decimals than MOST_DECIMALS
SMALL = 1e-4  # below which a number with so many decimals has an exponent
LONGEST = 24  # characters of a number, which otherwise has an exponent


def rows_to_cells(schema: TableSchema, rows: Array) -> dict[str, list[str]]:
    """The cells of each column by its name, from rows (N, width): as of `decode`, in the layout of the file of `infer`.

    If that was no file, numbers have the decimals of the schema, dates are in ISO 8601, booleans are true and false, or
    1 and 0. A missing value is an empty cell.
    """
    return {str(column.name): _cells(column, rows[:, schema.slices[column.name]]) for column in schema.columns}


def fill_cells(schema: TableSchema, file: TableFile, rows: Array, missing: Array) -> dict[str, list[str]]:
    """The cells of a file (N rows): those of `rows` (N, width) where they are `missing`, and the others as they are.

    missing   (N, columns of the schema) of bool

    The new cells have the layout of the others in their column. A decimal comma becomes a point, since commas separate
    the cells. A cell that `rows` does not know stays as it is.
    """
    by_name = {str(cells.label): cells for cells in file.cells}
    columns = {}
    for k, column in enumerate(schema.columns):
        cells = by_name[str(column.name)]
        texts = _cells(in_layout_of(column, cells), rows[:, schema.slices[column.name]])
        columns[str(column.name)] = _filled(cells, texts, missing[:, k])
    return columns


def _filled(cells: Cells, texts: list[str], missing: Array) -> list[str]:
    filled = []
    for cell, is_missing, text in zip(cells.values, missing.tolist(), texts, strict=True):
        has_comma = "," in cell and not is_missing and read_number(text) is not None
        filled.append((text or cell) if is_missing else cell.replace(",", ".") if has_comma else cell)
    return filled


def _cells(column: Column, numbers: Array) -> list[str]:
    values, missing = column.decode(numbers)
    if values.dtype.kind == "M":
        texts = write_dates(values, column.layout)
    elif values.dtype.kind == "b":
        texts = [write_boolean(value, column.layout) for value in values.tolist()]
    elif column.layout:
        texts = [write_number(float(value), column.layout) for value in values.tolist()]
    elif values.dtype.kind == "f":
        texts = [_number_text(value, column.decimals) for value in values.tolist()]
    else:
        texts = [_plain_text(value) for value in values.tolist()]
    return ["" if m else text for text, m in zip(texts, missing.tolist(), strict=True)]


def _number_text(value: float, decimals: int | None) -> str:
    """The number with at most so many decimals, or with DIGITS digits, without zeros at the end.

    Of the latter, a small one has an exponent.
    """
    rounded = float(f"{value:.{DIGITS}g}") if decimals is None else round(value, decimals)
    text = np.format_float_positional(rounded + 0.0, trim="-")  # + 0.0 makes 0 of -0
    is_small = decimals is None and 0 < abs(rounded) < SMALL
    return repr(rounded) if is_small or len(text) > LONGEST else text


def _plain_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
