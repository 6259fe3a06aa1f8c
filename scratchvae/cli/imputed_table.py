"""Imputed tables whose columns are of several kinds: the file, and the error of a test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scratchvae.backend import Array
from scratchvae.cli.tables import write_cells
from scratchvae.errors import ConfigError
from scratchvae.representation import table_lines
from scratchvae.tables import TableSchema
from scratchvae.tables.column import UNITS, Column
from scratchvae.tables.reading import TableFile
from scratchvae.tables.texts import fill_cells

DRAW = "draw"  # the first column of several imputations


def check_draw_column(schema: TableSchema) -> None:
    """Raise ConfigError if the table has a column of the name that `write_imputed` adds."""
    if any(column.name == DRAW for column in schema.columns):
        raise ConfigError(f"--draws numbers the tables in a column {DRAW!r}, and the table has one: rename it")


def write_imputed(
    schema: TableSchema, file: TableFile, imputed: Array, missing: Array, out: str, labels: Sequence[str] | None
) -> None:
    """Write a .csv file of the cells of `file` (N rows), those that are `missing` (N, columns) from `imputed`.

    imputed   (N, width); or (M, N, width), for M tables one below the other, which a first column "draw" counts from 1
    """
    if imputed.ndim == 2:
        write_cells(fill_cells(schema, file, imputed, missing), out, labels)
        return
    draws, rows = imputed.shape[:2]
    tables = [fill_cells(schema, file, draw, missing) for draw in imputed]
    columns = {name: [cell for table in tables for cell in table[name]] for name in tables[0]}
    first = DRAW, [str(k + 1) for k in range(draws) for _ in range(rows)]
    write_cells(columns, out, None if labels is None else list(labels) * draws, first)


def error_lines(schema: TableSchema, rows: Array, imputed: Array, hidden: Array, typical: Array | None) -> list[str]:
    """The error at the hidden cells (N, columns) of each column, in the units of the table, below a header.

    rows, imputed   (N, width): the known and the imputed numbers
    typical         (width,): the mean of the training rows, whose largest share of a category is its mode; its error is
                    in a last column. None: unknown

    The share of wrong cells for categories and booleans, else the root of the mean squared error.
    """
    lines = [("column", "hidden", "error", *(("of mean or mode",) if typical is not None else ()))]
    for k, column in enumerate(schema.columns):
        numbers, where = schema.slices[column.name], hidden[:, k]
        if column.kind == "constant" or not where.any():
            continue
        known, estimates = rows[where, numbers], [imputed[where, numbers]]
        if typical is not None:
            estimates.append(np.broadcast_to(typical[numbers], known.shape))
        errors = [_error(column, known, estimate) for estimate in estimates]
        lines.append((str(column.name), str(where.sum()), *errors))
    return table_lines(lines)


def _error(column: Column, known: Array, estimate: Array) -> str:
    if column.kind in ("category", "boolean"):
        values, estimates = (n.argmax(axis=1) if column.kind == "category" else n >= 0.5 for n in (known, estimate))
        wrong = np.asarray(values != estimates)
        return f"{100 * wrong.mean():.3g} % wrong"
    error = column.factor * float(np.sqrt(np.mean((known - estimate) ** 2)))
    return f"{error:.4g}" + (f" {UNITS[column.unit]}" if column.kind == "date" else "")
