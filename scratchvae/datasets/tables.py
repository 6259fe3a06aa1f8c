"""A user's own table: numbers in lines of text."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from scratchvae.datasets.dataset import Dataset, hold_out_every_tenth, square
from scratchvae.disk import Array
from scratchvae.errors import DataError

SUFFIXES = (".csv", ".tsv")
LABEL = "label"
MISSING = {"", "?", "#n/a", "n/a", "na", "nan", "null"}  # in lower case
LONGEST = 1 << 22  # characters of one row, over however many lines its quotes go
MOST_CLASSES = 1 << 16
UNLABELLED = -1


def load_csv(path: Path) -> Dataset:
    """The table of a .csv or .tsv file in UTF-8: rows (N, D) of float64, as they are. Every tenth is the test part.

    Cells are parted by tabs in a .tsv file, and by commas, semicolons or tabs in a .csv file, whichever its first line
    has most of. The first line may be names, all of them words. NaN stands for what is missing: an empty cell, "NA",
    "N/A", "NaN", "NULL" or "?". A column named "label" holds labels: whole numbers as they are, or else names, which
    are numbered in alphabetical order; −1 where there is none. Empty lines are passed over.
    Raises DataError, with the line and the column, for what is no number and for rows of unequal length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _Table(path, file).read()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no text in UTF-8 ({error.reason}, byte {error.start}); save it as CSV UTF-8"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


class _Table:
    """A table while it is read: a row at a time, so that a line that is too long, or no number, ends it there."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path, self.file = path, file
        self.left = LONGEST  # characters that the row in hand may still take
        self.names: list[str] = []
        self.label: int | None = None  # which column is the labels'
        self.numbers, self.labels = array("d"), _Labels()

    def read(self) -> Dataset:
        """Read to the end."""
        width, rows = 0, csv.reader(self.lines(), delimiter=self.delimiter(), skipinitialspace=True, strict=True)
        try:
            for row in rows:
                self.left = LONGEST
                if len(row) < 2 and not "".join(row).strip():
                    continue
                if not width:
                    width = len(row)
                    if self.are_names(row):
                        continue
                if len(row) != width:
                    raise DataError(
                        f"{self.path}, line {rows.line_num}: {len(row)} cells, and {width} in the first line"
                    )
                self.take(row, rows.line_num)
        except csv.Error as error:
            raise DataError(f"{self.path}, line {rows.line_num}: {error}") from None
        columns = width - (self.label is not None)
        if not self.numbers:
            raise DataError(
                f"{self.path} holds no rows of numbers; expected a row for each sample, its cells parted by commas"
            )
        images = np.frombuffer(self.numbers).reshape(-1, columns)
        labels = None if self.label is None else self.labels.numbered(self.path)
        return hold_out_every_tenth(str(self.path), images, square(columns), labels)

    def delimiter(self) -> str:
        """What parts the cells, as the suffix or the first line that is not empty says."""
        if self.path.suffix.lower() == ".tsv":
            return "\t"
        first = next((line for line in self.lines() if line.strip()), "")
        self.file.seek(0)
        self.left = LONGEST
        bare = "".join(first.split('"')[::2])  # what stands outside of quotes
        return max(",;\t", key=bare.count)

    def lines(self) -> Iterator[str]:
        """The lines of the file, as far as one row may be long."""
        while line := self.file.readline(self.left + 1):
            self.left -= len(line)
            if self.left < 0:
                raise DataError(
                    f"{self.path} has a row of more than {LONGEST} characters: it is no table, or a quote is not closed"
                )
            yield line

    def are_names(self, row: list[str]) -> bool:
        """Whether the first row is names; then they are kept."""
        words = [cell for cell in row if _number(cell) is None]
        if not words:
            return False
        numbers = [cell for cell in row if _number(cell) is not None and cell.strip().lower() not in MISSING]
        if numbers:
            raise DataError(
                f"{self.path}, line 1: {_short(words[0])} is no number, and {_short(numbers[0])} is; expected a "
                "name in words for each column, or a number, or NA where it is missing"
            )
        self.names = [name.strip() for name in row]
        named = [k for k, name in enumerate(self.names) if name.lower() == LABEL]
        if len(named) > 1:
            raise DataError(f"{self.path} has {len(named)} columns named {LABEL!r}; expected one")
        self.label = named[0] if named else None
        return True

    def take(self, row: list[str], line: int) -> None:
        """Add a row to the numbers and the labels."""
        if self.label is not None:
            self.labels.take(self.path, row.pop(self.label).strip())
        numbers = [_number(cell) for cell in row]
        if None in numbers:
            k = numbers.index(None)
            column = k + (self.label is not None and k >= self.label)
            named = f" ({_short(self.names[column])})" if self.names else ""
            decimal = _number(row[k].replace(",", ".")) is not None
            do = (
                "write its decimals after a point"
                if decimal
                else f"leave the column out, or name it {LABEL} if it tells classes"
            )
            raise DataError(
                f"{self.path}, line {line}, column {column + 1}{named}: {_short(row[k])} is no number; expected one, "
                f"or NA where it is missing: {do}"
            )
        self.numbers.extend(numbers)  # type: ignore[arg-type]


class _Labels:
    """Labels while they are read: the number of each one's text, of those that are different."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}
        self.of_rows = array("q")

    def take(self, path: Path, text: str) -> None:
        """Add the label of a row."""
        self.of_rows.append(self.texts.setdefault("" if text.lower() in MISSING else text, len(self.texts)))
        if len(self.texts) > MOST_CLASSES:
            raise DataError(
                f"{path} has more than {MOST_CLASSES} different labels; expected classes: name the column otherwise"
            )

    # The k-th text that came up is the class of[k]: the whole number that it is, or its place among the sorted names.
    def numbered(self, path: Path) -> Array:
        """The label of each row, (N,)."""
        wholes = {text: _whole(text) for text in self.texts if text}
        if None in wholes.values():
            odd = next((text for text in wholes if _number(text) is not None and _whole(text) is None), None)
            if odd is not None:
                raise DataError(f"{path} has a label {_short(odd)}; expected whole numbers, or names")
            wholes = {text: k for k, text in enumerate(sorted(wholes))}
        of = np.array([wholes.get(text, UNLABELLED) for text in self.texts], np.int64)
        labels: Array = of[np.frombuffer(self.of_rows, np.int64)]
        return labels


def _number(cell: str) -> float | None:
    """The number in a cell, NaN if it is missing; None for anything else."""
    try:
        if "_" not in cell:  # Python's own 1_000
            return float(cell)
    except ValueError:
        if cell.strip().lower() in MISSING:
            return float("nan")
    return None


def _whole(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number.is_integer() and abs(number) < 2**53 else None


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
