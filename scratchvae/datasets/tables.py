"""Data in a user's table: .csv and .tsv files."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from scratchvae.datasets.dataset import Dataset, hold_out, square
from scratchvae.disk import Array
from scratchvae.errors import DataError

SUFFIXES = (".csv", ".tsv")
LABEL = "label"
MISSING = {"", "?", "#n/a", "n/a", "na", "nan", "null"}  # in lower case
MAX_ROW_CHARACTERS = 1 << 22  # characters of a row, which may have several lines inside quotes
MOST_CLASSES = 1 << 16
UNLABELLED = -1


def load_csv(path: Path, seed: int | None = 0) -> Dataset:
    """Load a table from a .csv or .tsv file in UTF-8: rows (N, D) of float64, unscaled. A tenth, chosen by `seed`,
    is for testing.

    Cells are separated by tabs in a .tsv file. In a .csv file they are separated by commas, semicolons or tabs,
    whichever is most frequent in the first line. The first line may be a header row of names. Missing values are an
    empty cell, "NA", "N/A", "NaN", "NULL" or "?", and become NaN. A column named "label" has the labels: integers, or
    names, which are numbered in alphabetical order; −1 for a missing label. Empty lines are skipped.

    Raises DataError, with line and column, for a cell that is not a number, and for rows of different lengths.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _TableReader(path, file, seed).read()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text ({error.reason}, byte {error.start}); save it as CSV UTF-8"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


class _TableReader:
    """Reads a table row by row, so that it fails at the first invalid row."""

    def __init__(self, path: Path, file: TextIO, seed: int | None) -> None:
        self.path, self.file, self.seed = path, file, seed
        self.characters_left = MAX_ROW_CHARACTERS  # of the current row
        self.names: list[str] = []
        self.label_column: int | None = None
        self.numbers, self.labels = array("d"), _LabelReader()

    def read(self) -> Dataset:
        """Read the whole table."""
        width, rows = 0, csv.reader(self.lines(), delimiter=self.delimiter(), skipinitialspace=True, strict=True)
        try:
            for row in rows:
                self.characters_left = MAX_ROW_CHARACTERS
                if len(row) < 2 and not "".join(row).strip():
                    continue
                if not width:
                    width = len(row)
                    if self.read_header(row):
                        continue
                if len(row) != width:
                    raise DataError(
                        f"{self.path}, line {rows.line_num}: {len(row)} cells, and {width} in the first line"
                    )
                self.add(row, rows.line_num)
        except csv.Error as error:
            raise DataError(f"{self.path}, line {rows.line_num}: {error}") from None
        columns = width - (self.label_column is not None)
        if not self.numbers:
            raise DataError(
                f"{self.path} holds no rows of numbers; expected a row per sample, with commas between cells"
            )
        images = np.frombuffer(self.numbers).reshape(-1, columns)
        labels = None if self.label_column is None else self.labels.as_integers(self.path)
        return hold_out(str(self.path), images, square(columns), labels, self.seed)

    def delimiter(self) -> str:
        """The delimiter of the cells, from the suffix or from the first line that is not empty."""
        if self.path.suffix.lower() == ".tsv":
            return "\t"
        first = next((line for line in self.lines() if line.strip()), "")
        self.file.seek(0)
        self.characters_left = MAX_ROW_CHARACTERS
        unquoted = "".join(first.split('"')[::2])
        return max(",;\t", key=unquoted.count)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file. Raises DataError for a row that is too long."""
        while line := self.file.readline(self.characters_left + 1):
            self.characters_left -= len(line)
            if self.characters_left < 0:
                raise DataError(
                    f"{self.path} has a row of more than {MAX_ROW_CHARACTERS} characters: it is not a table, "
                    "or a quote is not closed"
                )
            yield line

    def read_header(self, row: list[str]) -> bool:
        """Store the names if the first row is a header; return False if it is a row of numbers. Raises DataError."""
        words = [cell for cell in row if _number(cell) is None]
        if not words:
            return False
        numbers = [cell for cell in row if _number(cell) is not None and cell.strip().lower() not in MISSING]
        if numbers:
            raise DataError(
                f"{self.path}, line 1: {_quote(words[0])} is not a number, and {_quote(numbers[0])} is; expected only "
                "names, or only numbers, with NA for missing ones"
            )
        self.names = [name.strip() for name in row]
        label_columns = [k for k, name in enumerate(self.names) if name.lower() == LABEL]
        if len(label_columns) > 1:
            raise DataError(f"{self.path} has {len(label_columns)} columns named {LABEL!r}; expected one")
        self.label_column = label_columns[0] if label_columns else None
        return True

    def add(self, row: list[str], line: int) -> None:
        """Add a row to the numbers and the labels."""
        if self.label_column is not None:
            self.labels.add(self.path, row.pop(self.label_column).strip())
        numbers = [_number(cell) for cell in row]
        if None in numbers:
            k = numbers.index(None)
            column = k + (self.label_column is not None and k >= self.label_column)
            name = f" ({_quote(self.names[column])})" if self.names else ""
            has_decimal_comma = _number(row[k].replace(",", ".")) is not None
            hint = (
                "use a decimal point"
                if has_decimal_comma
                else f"leave the column out, or name it {LABEL} if it holds classes"
            )
            raise DataError(
                f"{self.path}, line {line}, column {column + 1}{name}: {_quote(row[k])} is not a number; expected one, "
                f"or NA for a missing value: {hint}"
            )
        self.numbers.extend(numbers)  # type: ignore[arg-type]


class _LabelReader:
    """Collects labels as indices of distinct texts, in the order of their first occurrence."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}
        self.indices = array("q")

    def add(self, path: Path, text: str) -> None:
        """Add the label of a row."""
        self.indices.append(self.texts.setdefault("" if text.lower() in MISSING else text, len(self.texts)))
        if len(self.texts) > MOST_CLASSES:
            raise DataError(
                f"{path} has more than {MOST_CLASSES} different labels; expected classes: rename the column if it has "
                "none"
            )

    def as_integers(self, path: Path) -> Array:
        """The label of each row, (N,): the integer of its text, or the index of its text among the sorted names."""
        classes = {text: _integer(text) for text in self.texts if text}
        if None in classes.values():
            invalid = next((text for text in classes if _number(text) is not None and _integer(text) is None), None)
            if invalid is not None:
                raise DataError(f"{path} has a label {_quote(invalid)}; expected whole numbers, or names")
            classes = {text: k for k, text in enumerate(sorted(classes))}
        class_of_text = np.array([classes.get(text, UNLABELLED) for text in self.texts], np.int64)
        labels: Array = class_of_text[np.frombuffer(self.indices, np.int64)]
        return labels


def _number(cell: str) -> float | None:
    """The number in a cell, NaN if it is missing; None for any other text."""
    try:
        if "_" not in cell:  # float would accept 1_000
            return float(cell)
    except ValueError:
        if cell.strip().lower() in MISSING:
            return float("nan")
    return None


def _integer(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number.is_integer() and abs(number) < 2**53 else None


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
