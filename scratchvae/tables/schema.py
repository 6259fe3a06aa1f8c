"""The schema of a table: the kind of each column, and the way to rows of numbers and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.dataframes import check_columns
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.probability import Bernoulli, Categorical, GaussianDiagonal, Likelihood, Mixed, NegativeBinomial
from scratchvae.representation import fit_lines, table_lines
from scratchvae.tables.cells import Cells
from scratchvae.tables.column import KINDS, Column, check_kind, is_valid, make_column, printable
from scratchvae.tables.kinds import ManyTextsError, infer_kind, many_texts_error
from scratchvae.tables.reading import package_of, read_table
from scratchvae.tables.writing import write_table
from scratchvae.validation import check_choice, check_type, nearest, short_repr, suggest_arguments

SCHEMA_ENTRY = "table_schema"  # of the metadata of a model: `to_json` of the schema of its table
PACKAGES = ("pandas", "polars", "pyarrow", "numpy", "file")


class TableSchema:
    """The columns of a table, each of a kind, and their numbers in a row.

        schema = TableSchema.infer(table)       print(schema) shows the columns
        rows = schema.encode(table)             (N, width) float64, NaN where a value is missing
        table = schema.decode(rows)             a table as the first one

    | kind | values | numbers of a row | likelihood |
    |---|---|---|---|
    | number | real numbers | standardized | `GaussianDiagonal`: a σ for each |
    | date | dates and times | standardized | the same |
    | boolean | false and true, 0 and 1 | 0 or 1 | `Bernoulli` |
    | constant | one value | 0 | `Bernoulli` |
    | category | K values | one-hot, K numbers | `Categorical` |
    | count | 0, 1, 2, … | as they are | `NegativeBinomial` |

    A row has the numbers of all columns of a kind side by side, in this order of kinds: see `slices`.

    A table is one of pandas, polars or PyArrow, a dict of arrays, or the path of a .csv or .tsv file.
    """

    def __init__(self, columns: Sequence[Column], package: str = "numpy") -> None:
        if not isinstance(columns, Sequence) or not columns or not all(isinstance(c, Column) for c in columns):
            raise ConfigError(
                f"columns={short_repr(columns)}: expected those of a schema; make one by TableSchema.infer"
            )
        self.columns = tuple(columns)
        self.package = check_choice("package", package, PACKAGES)
        self.slices: dict[str | int, slice] = {}  # the numbers of each column in a row
        self.width = 0  # the numbers of a row
        for column in self._in_order():
            self.slices[column.name] = slice(self.width, self.width + column.width)
            self.width += column.width

    def _in_order(self) -> list[Column]:
        """The columns as they stand in a row."""
        return sorted(self.columns, key=lambda column: KINDS.index(column.kind))

    @classmethod
    @suggest_arguments
    def infer(cls, table: Any, kinds: Mapping[Any, str] | None = None) -> TableSchema:
        """The schema of a table: for each column, the kind that `scratchvae.tables.kinds.infer_kind` finds.

        kinds   other kinds of some columns, by name: {"year": "category"}

        Raises ConfigError, DTypeError, RangeError, ShapeError, or DataError for a file.
        """
        cells = read_table(table)
        if not len(cells[0].values):
            raise ShapeError("table has no rows; expected at least one")
        chosen = {} if kinds is None else dict(check_type("kinds", kinds, Mapping, "a dict: {'year': 'category'}"))
        labels = [column.label for column in cells]
        for name, kind in chosen.items():
            if name not in labels:
                near = nearest(name, [str(label) for label in labels])
                hint = f"did you mean {near!r}?" if near else f"expected some of {', '.join(map(str, labels))}"
                raise ConfigError(f"kinds has {short_repr(name)}, which is no column of the table; {hint}")
            check_kind(name, kind)
        columns, errors = [], []
        for column in cells:
            try:
                columns.append(make_column(column, chosen.get(column.label) or infer_kind(column)))
            except ManyTextsError as error:
                errors.append(error)
        if errors:
            raise errors[0] if len(errors) == 1 else many_texts_error(errors)
        return cls(columns, package_of(table))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the numbers of a row: those of the columns, and such as "cut=Ideal"."""
        return tuple(name for column in self._in_order() for name in column.names())

    def encode(self, table: Any) -> Array:
        """The rows (N, width) of a table in float64; where a value is missing, all its numbers are NaN.

        The columns are found by their names. Raises ShapeError for one that is missing or unknown, DTypeError, and
        RangeError for a category that is unknown, for a count that is negative or not whole, and the like.
        """
        cells = self._read(table)
        rows = np.empty((len(next(iter(cells.values())).values), self.width))
        for column in self.columns:
            rows[:, self.slices[column.name]] = column.encode(cells[column.name])
        return rows

    def decode(self, rows: Any, like: Any = None) -> Any:
        """A table of rows (N, width): the most probable category, whole numbers and dates rounded, NaN as missing.

        like   a table: the result is of its package, and has its types and its index. None: as the table of `infer`,
               or a dict of arrays if that was a file

        Numbers with up to 9 decimals come back exactly, others and dates to a part in 10¹⁵ of their range. Raises
        DTypeError or ShapeError.
        """
        rows = self._check_rows(rows)
        decoded = {column.name: column.decode(rows[:, self.slices[column.name]]) for column in self.columns}
        return write_table(self.columns, decoded, self.package if like is None else package_of(like, "like"), like)

    def fill(self, table: Any, rows: Any, package: str | None = None) -> Any:
        """The table (N rows) with its missing values from `rows` (N, width), and its other values as they are.

        Its columns come in the order of the schema.

        package   "pandas", "polars", "pyarrow" or "numpy"; None: that of the table. Errors are those of `encode`
        """
        rows, cells = self._check_rows(rows), self._read(table)
        if len(rows) != len(next(iter(cells.values())).values):
            raise ShapeError(
                f"rows have shape {rows.shape}; expected one for each row of the table: pass those of encode"
            )
        decoded = {}
        for column in self.columns:
            values, unknown = column.decode(rows[:, self.slices[column.name]])
            decoded[column.name] = _filled(column, cells[column.name], values, unknown)
        kind = package_of(table) if package is None else check_choice("package", package, PACKAGES)
        return write_table(self.columns, decoded, kind, table)

    def _read(self, table: Any) -> dict[str | int, Cells]:
        columns = read_table(table)
        check_columns("table", [str(c.label) for c in columns], [str(c.name) for c in self.columns], "the schema")
        by_name = {str(cells.label): cells for cells in columns}
        return {column.name: by_name[str(column.name)] for column in self.columns}

    def _check_rows(self, rows: Any) -> Array:
        array = np.asarray(rows)
        if array.dtype.kind not in "fiub":
            raise DTypeError(f"rows have dtype {array.dtype}; expected the numbers of encode")
        if array.ndim != 2 or array.shape[1] != self.width:
            raise ShapeError(f"rows have shape {array.shape}; expected (N, {self.width})")
        return array.astype(np.float64, copy=False)

    def likelihood(self) -> Mixed:
        """A new likelihood of these rows, whose blocks have the kinds of the table above."""
        of: dict[str, list[Column]] = {kind: [c for c in self._in_order() if c.kind == kind] for kind in KINDS}
        parts: list[tuple[Likelihood, int]] = []
        if standardized := len(of["number"]) + len(of["date"]):
            parts.append((GaussianDiagonal(standardized), standardized))
        if zeros_and_ones := len(of["boolean"]) + len(of["constant"]):
            parts.append((Bernoulli(), zeros_and_ones))
        if levels := [column.width for column in of["category"]]:
            parts.append((Categorical(levels), sum(levels)))
        if of["count"]:
            parts.append((NegativeBinomial(), len(of["count"])))
        return Mixed(parts)

    def to_json(self) -> str:
        """The schema as a text, for `model.metadata`, which is saved with the model."""
        return json.dumps({"package": self.package, "columns": [column._asdict() for column in self.columns]})

    @classmethod
    def from_json(cls, text: str) -> TableSchema:
        """The schema of `to_json`. Raises ConfigError."""
        try:
            content = json.loads(text)
            columns = [Column(**{**column, "values": tuple(column["values"])}) for column in content["columns"]]
            if not all(map(is_valid, columns)) or len({column.name for column in columns}) < len(columns):
                raise ValueError
            return cls(columns, content["package"])
        except (ValueError, TypeError, KeyError):
            raise ConfigError(f"text={short_repr(text)}: expected the text of TableSchema.to_json") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TableSchema) and (self.columns, self.package) == (other.columns, other.package)

    def __hash__(self) -> int:
        return hash((self.columns, self.package))

    def __repr__(self) -> str:
        numbers = f"{self.width} number{'s' * (self.width > 1)} a row"
        cells = [(printable(column.name), column.kind, column.describe()) for column in self.columns]
        lines = table_lines([("column", "kind", "values"), *cells], left=3)
        title = f"TableSchema of {len(cells)} column{'s' * (len(cells) > 1)}, {numbers}"
        return fit_lines("\n".join([title, *(f"  {line}" for line in lines)]))


def _filled(column: Column, cells: Cells, values: Array, unknown: Array) -> tuple[Array, Array]:
    """The values of cells, and of `values` where they are missing; whether they are unknown in both."""
    if cells.form == "cell" or (cells.form == "text" and column.form != "text"):
        return values, unknown
    known = cells.values
    if known.dtype.kind == "M":
        known = known.astype(np.promote_types(known.dtype, values.dtype))
        return np.where(cells.missing, values, known), cells.missing & unknown
    if values.dtype == object or known.dtype == object:
        merged = np.empty(len(known), object)
        merged[:] = [v if m else k for m, v, k in zip(cells.missing, values.tolist(), known.tolist(), strict=True)]
        return merged, cells.missing & unknown
    if values.dtype.kind == "i" and known.dtype.kind in "iu":
        values = values.astype(known.dtype)  # within its limits: see `Column.decode`
    return np.where(cells.missing, values, known), cells.missing & unknown
