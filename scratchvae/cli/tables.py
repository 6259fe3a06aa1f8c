"""Tables whose columns are of several kinds: the schema of a model, the rows of a file, and .csv files of rows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.datasets import Dataset
from scratchvae.datasets.class_names import ClassReader
from scratchvae.datasets.dataset import hold_out
from scratchvae.datasets.tables import LABEL, SUFFIXES
from scratchvae.disk import atomic_write
from scratchvae.errors import ConfigError, DataError, ScratchVAEError
from scratchvae.tables import TableSchema
from scratchvae.tables.reading import TableFile, read_file
from scratchvae.tables.schema import SCHEMA_ENTRY
from scratchvae.tables.texts import rows_to_cells

FOR_OTHER_FILES = ("key", "size", "mmap")  # options of the data

_SPECIAL = re.compile(r'[",;\t\r\n]|^[#\s]')


def schema_of(model: Any) -> TableSchema | None:
    """The schema of the table that a model was trained on; None if that had numbers alone. Raises ConfigError."""
    text = model.metadata.get(SCHEMA_ENTRY)
    if text is None:
        return None
    try:
        schema = TableSchema.from_json(text)
    except ConfigError:
        schema = None
    if schema is None or schema.width != model.input_dim:
        raise ConfigError("the model file has a damaged schema of its table: train the model again")
    return schema


def is_table(settings: Mapping[str, Any]) -> bool:
    """True for a .csv or .tsv file without options of the data for other files, which `datasets.load` refuses."""
    path = Path(settings["data"])
    if any(settings.get(name) for name in FOR_OTHER_FILES) or settings.get("color") not in (None, "grey"):
        return False
    return path.suffix.lower() in SUFFIXES and path.is_file()


def load_table(name: str, schema: TableSchema, seed: int | None) -> Dataset:
    """The encoded rows of a file, (N, schema.width), and its labels; a tenth, chosen by `seed`, is for testing.

    Raises DataError.
    """
    with reworded(name):
        return encode_file(read_file(Path(name)), schema, seed)


def encode_file(file: TableFile, schema: TableSchema, seed: int | None) -> Dataset:
    """`load_table` of a file that was read."""
    rest, labels = split_labels(file, [str(column.name) for column in schema.columns])
    rows, numbers, classes = schema.encode(rest), None, None
    if labels is not None:
        reader = ClassReader(str(file.path))
        for label in labels:
            reader.add(label)
        numbers, classes = reader.result()
    return hold_out(str(file.path), rows, None, numbers, seed)._replace(classes=classes)


def split_labels(file: TableFile, columns: Sequence[str] = ()) -> tuple[TableFile, list[str] | None]:
    """The file without its column "label", and the cells of that; None if there is none, or if it is in `columns`."""
    labels = [cells for cells in file.cells if str(cells.label).lower() == LABEL and cells.label not in columns]
    if not labels:
        return file, None
    if len(labels) > 1:
        raise DataError(f"{file.path} has {len(labels)} columns named {LABEL!r}; expected one")
    rest = tuple(cells for cells in file.cells if cells is not labels[0])
    if not rest:
        raise DataError(f"{file.path} holds no column beside the labels; expected some")
    return TableFile(file.path, rest), labels[0].values.tolist()


@contextmanager
def reworded(path: str, instead: str = "") -> Iterator[None]:
    """Reword the errors of a schema as those of a file, with other advice `instead` of another schema."""

    def with_option(match: re.Match[str]) -> str:
        return f"add --kinds {shlex.quote(f'{match[1]}={match[2]}')}"

    try:
        yield
    except ScratchVAEError as error:
        message = error.message
        for word, subject in (("table", path), ("columns", f"{path}: columns"), ("column", f"{path}: column")):
            if message.startswith(f"{word} "):
                message = subject + message.removeprefix(word)
                break
        message = message.replace("the schema does not know", "the model does not know")
        message = message.replace("as in the table of the schema", "as in the training data")
        message = message.replace(", or infer another schema", instead and f", or {instead}")
        if instead:
            message = message.replace(", or write NA if it is missing", f", write NA if it is missing, or {instead}")
        message = message.replace("out of kinds", "out of --kinds")
        raise DataError(re.sub(r"pass kinds=\{'(.*?)': '(\w+)'\}", with_option, message)) from None


def known_cells(schema: TableSchema, rows: Array) -> Array:
    """True for each known cell (N, columns of the table), from rows (N, width)."""
    return ~np.isnan(first_numbers(schema, rows))


def first_numbers(schema: TableSchema, rows: Array) -> Array:
    """The first number of each cell (N, columns of the table), from rows (N, width)."""
    return rows[:, [schema.slices[column.name].start for column in schema.columns]]


def repeat_cells(schema: TableSchema, cells: Array) -> Array:
    """The value of each cell (N, columns of the table) for all its numbers in a row, (N, width)."""
    numbers = np.empty((len(cells), schema.width), cells.dtype)
    for k, column in enumerate(schema.columns):
        numbers[:, schema.slices[column.name]] = cells[:, k : k + 1]
    return numbers


def write_decoded(schema: TableSchema, rows: Any, out: str, labels: Sequence[str] | None = None) -> None:
    """Write rows (N, width) as a .csv file with the columns of the table: see `write_cells`."""
    write_cells(rows_to_cells(schema, to_numpy(rows)), out, labels)


def write_cells(
    columns: Mapping[str, Sequence[str]],
    out: str,
    labels: Sequence[str] | None = None,
    first: tuple[str, Sequence[str]] | None = None,
) -> None:
    """Write a .csv file of the cells of each column, by its name.

    labels   a last column "label" of these, if they are not None
    first    the name and the cells of a first column
    """
    named = [*([first] if first else []), *columns.items(), *([(LABEL, labels)] if labels is not None else [])]
    with atomic_write(out) as file:
        file.write((",".join(_quoted(name) for name, _ in named) + "\n").encode())
        for row in zip(*(cells for _, cells in named), strict=True):
            file.write((",".join(map(_quoted, row)) + "\n").encode())


def _quoted(cell: str) -> str:
    """A cell of a .csv file, in quotation marks where needed; also after a #, which begins a comment."""
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell
