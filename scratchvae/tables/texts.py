"""The values of columns as cells of a .csv file."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.datasets.cells import read_number
from scratchvae.tables.cells import Cells
from scratchvae.tables.column import Column
from scratchvae.tables.reading import TableFile
from scratchvae.tables.schema import TableSchema

DIGITS = 12  # of a number in a column whose numbers have more decimals than MOST_DECIMALS
LONGEST = 24  # characters of a number, which otherwise has an exponent


def rows_to_cells(schema: TableSchema, rows: Array) -> dict[str, list[str]]:
    """The cells of each column by its name, from rows (N, width): as of `decode`, with the decimals of the schema.

    Dates are written in ISO 8601, booleans as true and false, or as 1 and 0 if the table had these. A missing value is
    an empty cell.
    """
    return {str(column.name): _cells(column, rows[:, schema.slices[column.name]]) for column in schema.columns}


def fill_cells(schema: TableSchema, file: TableFile, rows: Array, missing: Array) -> dict[str, list[str]]:
    """The cells of a file (N rows): those of `rows` (N, width) where they are `missing`, and the others as they are.

    missing   (N, columns of the schema) of bool

    A decimal comma becomes a point, since commas separate the cells. A cell that `rows` does not know stays as it is.
    """
    known, new = {str(cells.label): cells for cells in file.cells}, rows_to_cells(schema, rows)
    return {name: _filled(known[name], texts, missing[:, k]) for k, (name, texts) in enumerate(new.items())}


def _filled(cells: Cells, texts: list[str], missing: Array) -> list[str]:
    filled = []
    for cell, is_missing, text in zip(cells.values, missing.tolist(), texts, strict=True):
        has_comma = "," in cell and not is_missing and read_number(text) is not None
        filled.append((text or cell) if is_missing else cell.replace(",", ".") if has_comma else cell)
    return filled


def _cells(column: Column, numbers: Array) -> list[str]:
    values, missing = column.decode(numbers)
    if values.dtype.kind == "M":
        texts = np.datetime_as_string(values).tolist()
    elif values.dtype.kind == "f":
        texts = [_number_text(value, column.decimals) for value in values.tolist()]
    else:
        texts = [_plain_text(value) for value in values.tolist()]
    return ["" if m else text for text, m in zip(texts, missing.tolist(), strict=True)]


def _number_text(value: float, decimals: int | None) -> str:
    """The number with at most so many decimals, or with DIGITS digits, without zeros at the end."""
    rounded = float(f"{value:.{DIGITS}g}") if decimals is None else round(value, decimals)
    text = np.format_float_positional(rounded + 0.0, trim="-")  # + 0.0 makes 0 of -0
    return text if len(text) <= LONGEST else repr(rounded)


def _plain_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
