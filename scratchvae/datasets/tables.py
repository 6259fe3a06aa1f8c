"""Data in a user's table: .csv and .tsv files."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator
from math import nan
from pathlib import Path

import numpy as np

from scratchvae.datasets.cells import (
    HINT,
    has_digits_only,
    hint_for,
    is_malformed_number,
    is_missing,
    may_be_thousands,
    quote,
    read_decimal_comma,
    read_number,
    read_word,
)
from scratchvae.datasets.class_names import ClassReader
from scratchvae.datasets.dataset import Dataset, hold_out, square
from scratchvae.datasets.table_text import COMMENT, TableText, find_delimiter, open_table, read_cells
from scratchvae.disk import Array
from scratchvae.errors import DataError

SUFFIXES = (".csv", ".tsv")
LABEL = "label"
BLOCK = 1 << 12  # rows that are moved or looked at at once
FEWEST_PIXELS = 64  # of a picture in a row of a table
LABELLED_PICTURES = (65, 785)  # columns of files of digits, 8 × 8 or 28 × 28 pixels and a label
YEARS = range(1500, 2100)  # if they are the first row, one after the other, they may be names
MANY_COLUMNS = 16  # so many column numbers in order are a header, whatever follows

_NO_NAME = re.compile(r"|#|Unnamed: \d+(\.\d+)*")  # the latter by pandas, for a column that had no name
_PIXEL = re.compile(r"(pixel|pix|px|p)[ _.-]?\d+([ _.x-]\d+)?|\d+x\d+", re.IGNORECASE)


def load_csv(path: Path, seed: int | None = 0, scale: str = "auto") -> Dataset:
    """Load a table from a .csv or .tsv file: rows (N, D) of float64, unscaled. A tenth, chosen by `seed`, is for
    testing.

    Text       UTF-8, or UTF-16 with a byte-order mark. Cells are separated by tabs in a .tsv file; in a .csv file by
               commas, semicolons or tabs, whichever fits the first two rows, or as a first line "sep=;" says. Lines
               that begin with # are comments. Empty lines are skipped, but in a table of one column they are missing
               values: those after the last row are nothing if there are none before, and otherwise refused.
    Header     The first row may be names, and so may a comment right before the first row, as of numpy.savetxt. A row
               of the column numbers 0, 1, 2, … or 1, 2, 3, …, or of years, is a header if the next row shows it. Names
               are in `columns`. A first column without a name that counts the rows is left out, and so are last columns
               without a name that are empty.
    Numbers    Decimal points, or decimal commas throughout. True and false are 1 and 0. Missing values are an empty
               cell, "NA", "N/A", "NaN", "NULL", "None", "?", "." and the like, and become NaN.
    Labels     A column named "label" has the class of each row: numbers or names, which are numbered from 0 in the
               order of `sort_classes`; an empty cell is no label, −1. The names are in `classes`.
    Pictures   Rows are pictures only if they have a square number of columns, at least 64, which are named as pixels
               ("pixel0", "px_1", "1x1") or have no names and hold whole numbers from 0 to 255. Such whole numbers are
               bytes, and `scale` is that of `load`.

    Raises DataError, with line and column, counted from 1, for a cell that is not a number, for rows of different
    lengths, for names that occur twice, and for what may be read in two ways, such as 1,234 or the thousands separator
    of 1,234.5.
    """
    try:
        with open_table(path) as file:
            return _TableReader(path, TableText(path, file), find_delimiter(path, file), seed, scale).read()
    except UnicodeError as error:
        reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
        raise DataError(f"{path} is not UTF-8 text ({reason}); save it as CSV UTF-8") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


class _TableReader:
    """Reads a table row by row, so that it fails at the first invalid row."""

    def __init__(self, path: Path, text: TableText, delimiter: str, seed: int | None, scale: str) -> None:
        self.path, self.text, self.delimiter, self.seed, self.scale = path, text, delimiter, seed, scale
        self.width = 0  # number of cells in a row
        self.rows = 0
        self.names: list[str] = []  # of all columns of the file
        self.header_of_numbers: list[str] | None = None
        self.index_columns = 0  # first columns that only count the rows
        self.index_starts: list[int] = []
        self.label_column: int | None = None  # after the index columns
        self.columns: list[int] = []  # the columns of numbers, by their place in the file
        self.empty_end = 0  # the number of last columns that were always empty so far, if they have no names
        self.empty_lines = 0  # since the last row
        self.empty_rows = 0  # since the last row with a cell that is not empty
        self.has_empty_lines = False  # as missing values of the only column
        self.may_be_one_column = False  # if the comma of each row may be a decimal comma
        self.boolean_columns: set[int] = set()
        self.point = self.comma = self.group = ""  # where a 1.5, a 1,5 and a 1,234 first occurred
        self.points_may_group = delimiter == ";"  # as long as all points are as in 1.234, for one thousand
        self.numbers, self.labels = array("d"), ClassReader(str(path))

    def read(self) -> Dataset:
        """Read the whole table."""
        rows = csv.reader(self.text, delimiter=self.delimiter, skipinitialspace=True, strict=True)
        try:
            self.read_first_rows(rows)
            while row := self.next_row(rows):
                self.add(row, self.text.number)
        except csv.Error as error:
            raise DataError(
                f"{self.path}, line {self.text.number}: {error}; look for a quotation mark that is not closed"
            ) from None
        return self.result()

    def next_row(self, rows: Iterator[list[str]]) -> list[str]:
        """The next row that is not an empty line; [] at the end. A line with nothing but "" is a row of one cell."""
        for row in rows:
            self.text.start_row()
            if len(row) > 1 or "".join(row).strip() or (row and '"' in self.text.line):
                return row
            self.empty_lines += 1
        return []

    def read_first_rows(self, rows: Iterator[list[str]]) -> None:
        """Read the header, if there is one, and the first row; two rows, since the second shows what the first is."""
        first = self.next_row(rows)
        if not first:
            return
        line, comment, empty_lines = self.text.number, self.text.comment, self.empty_lines
        self.width, self.empty_lines = len(first), 0
        self.text.begins_with_label = first[0].strip().lower() == LABEL
        second = self.next_row(rows)
        is_header = self.read_header(first, second, line, comment)
        if not is_header:
            if self.width == 1 and empty_lines and not self.names:
                raise DataError(
                    f"{self.path} begins with an empty line; write NA if it is a missing value, or remove it"
                )
            empty_lines, self.empty_lines = self.empty_lines, 0
            self.add(first, line)
            self.empty_lines = empty_lines
        if second:
            self.add(second, self.text.number)

    def read_header(self, first: list[str], second: list[str], line: int, comment: str) -> bool:
        """Store the names of the columns. Return False if the first row is no header. Raises DataError."""
        if _is_label_header(first):
            self.set_names(first)
            return True
        words = [cell for cell in first if not _is_number(cell)]
        names = read_cells(comment.lstrip(f"{COMMENT} "), self.delimiter)
        if len(names) == len(first) and (_is_label_header(names) or (not words and _are_names(names))):
            self.set_names(names)
            return False
        if not words:
            may_be_names = _count_columns(first) or _are_years(first) or _may_have_index(first, second)
            if (may_be_names or _stand_above_decimals(first, second)) and self.is_header(first, second, line):
                self.set_names(first)
                self.header_of_numbers = first
                return True
            self.columns = list(range(self.width))
            self.empty_end = self.width
            self.may_be_one_column = self.width == 2 and self.delimiter == ","
            return False
        malformed = next((k for k, cell in enumerate(first) if is_malformed_number(cell)), None)
        if malformed is not None:
            raise self.invalid_cell(first[malformed], malformed, line)
        numbers = [cell for cell in first if _is_number(cell) and not is_missing(cell)]
        if numbers:
            raise DataError(
                f"{self.path}, line {line}: {quote(words[0])} is not a number, and {quote(numbers[0])} is; expected "
                "only names, or only numbers, with NA for missing ones"
            )
        self.set_names(first)
        return True

    def is_header(self, first: list[str], second: list[str], line: int) -> bool:
        """True if a row of the numbers of the columns is a header; False if it is data. Raises DataError if in doubt.

        As data, 1 and 1, 2 are common, and 0, 1, 2 if the next row is 3, 4, 5.
        """
        names = _without_empty_end(first)
        if names in (["1"], ["1", "2"]):
            return False
        if len(first) != len(second) or all(map(is_missing, second)):
            is_certain = False
        elif not names[0]:  # above an index
            is_certain = second[0].strip() in ("0", "1") and (_count_columns(first) or _are_years(first))
        elif len(names) > 2 and not any(map(has_digits_only, second)):
            is_certain = _are_years(first) or _count_columns(sorted(names, key=int))
        else:
            is_whole = all(map(has_digits_only, second))
            steps = {float(b) - float(a) for a, b in zip(first, second, strict=True)} if is_whole else set()
            if len(names) > 2 and steps == {float(len(names))}:
                return False
            is_certain = len(names) >= MANY_COLUMNS and len(steps) != 1
        if is_certain:
            return True
        raise DataError(
            f"{self.path}, line {line}: {quote(','.join(first))} may be a row, or the numbers of the columns; write "
            "names such as x0,x1 above it, or in place of it"
        )

    def set_names(self, names: list[str]) -> None:
        """Store the names of the columns, and find the columns of numbers, of labels, and those without a name."""
        self.names = [name.strip() for name in names]
        labels = [k for k, name in enumerate(self.names) if name.lower() == LABEL]
        if len(labels) > 1:
            raise DataError(f"{self.path} has {len(labels)} columns named {LABEL!r}; expected one")
        places: dict[str, int] = {}
        for k, name in enumerate(self.names):
            if name and places.setdefault(name, k) != k:
                raise DataError(
                    f"{self.path} has two columns named {quote(name)}, {places[name] + 1} and {k + 1}; rename one, or "
                    "leave it out"
                )
        has_name = [_NO_NAME.fullmatch(name) is None for name in self.names]
        self.index_columns = has_name.index(True) if any(has_name) else self.width
        self.columns = [k for k in range(self.index_columns, self.width) if k not in labels]
        if not self.columns:
            raise DataError(f"{self.path} holds no column of numbers; expected one beside the labels")
        self.label_column = labels[0] - self.index_columns if labels else None
        self.text.begins_with_label = labels == [0]
        self.empty_end = next((n for n, k in enumerate(reversed(self.columns)) if has_name[k]), 0)
        for k in self.columns[: len(self.columns) - self.empty_end]:
            if not has_name[k]:
                raise DataError(f"{self.path}: column {k + 1} has no name; write one, or leave the column out")

    def add(self, row: list[str], line: int) -> None:
        """Add a row to the numbers and the labels."""
        if len(row) != self.width:
            raise self.wrong_length(row, line)
        if row == self.header_of_numbers:
            raise self.repeated_header(line)
        if self.empty_lines:
            if self.width == 1:
                self.numbers.extend([nan] * self.empty_lines)
                self.has_empty_lines = True
            self.empty_lines = 0
        if self.index_columns:
            self.check_index(row[: self.index_columns], line)
            del row[: self.index_columns]
        label = None if self.label_column is None else row.pop(self.label_column)
        if self.empty_end:
            self.check_empty_end(row, line)
        if self.may_be_one_column:
            self.check_one_column(row, line)
        text = "".join(row)
        if "_" in text:  # float would accept 1_000
            raise self.not_a_number(row, next(k for k, cell in enumerate(row) if "_" in cell), line)
        try:
            numbers = list(map(float, row))
        except ValueError:
            numbers = self.read_cells(row, line)
        if (not self.point or self.points_may_group) and "." in text:
            self.find_point(row, line)
        if self.point and (self.comma or self.group):
            raise DataError(
                f"{self.path} has both decimal points, in {self.point}, and commas, in {self.comma or self.group}; "
                "write decimal points, and no thousands separators"
            )
        self.numbers.fromlist(numbers)
        if label is not None:
            self.labels.add(label)
        self.rows += 1
        self.empty_rows = self.empty_rows + 1 if self.width > 1 and not (text + (label or "")).strip() else 0

    def read_cells(self, row: list[str], line: int) -> list[float]:
        """The numbers of a row, some of which are missing, true or false, have a decimal comma, or are invalid."""
        if self.comma:
            try:
                return [float(cell.replace(",", ".")) for cell in row]
            except ValueError:
                pass
        numbers = []
        for k, cell in enumerate(row):
            try:
                numbers.append(float(cell))
            except ValueError:
                number = read_decimal_comma(cell) if "," in cell else read_word(cell)
                if number is None:
                    raise self.not_a_number(row, k, line) from None
                if "," in cell:
                    self.find_comma(k, cell, line)
                elif number == number:  # not NaN: true or false
                    self.boolean_columns.add(k)
                numbers.append(number)
        return numbers

    def find_comma(self, k: int, cell: str, line: int) -> None:
        """Remember where the first decimal comma is, and the first comma that may be one."""
        place = f"line {line}, {self.describe(self.columns[k])}"
        if may_be_thousands(cell):
            self.group = self.group or place
        else:
            self.comma = self.comma or place

    def find_point(self, row: list[str], line: int) -> None:
        """Remember where the first number with a decimal point is, and whether points may be thousands separators."""
        for k, cell in enumerate(row):
            if "." in cell and not is_missing(cell):
                self.point = self.point or f"line {line}, {self.describe(self.columns[k])}"
                self.points_may_group &= may_be_thousands(cell.replace(".", ","))

    def check_one_column(self, row: list[str], line: int) -> None:
        """Raise DataError for a row such as 1,05 of two numbers, or of one with a decimal comma."""
        first, second = row
        self.may_be_one_column = has_digits_only(first) and second.isdecimal()
        if self.may_be_one_column and len(second) > 1 and second[0] == "0":
            raise DataError(
                f"{self.path}, line {line}: {quote(f'{first},{second}')} may be one number with a decimal comma; write "
                "a decimal point, or two numbers without a 0 before other digits"
            )

    def check_index(self, cells: list[str], line: int) -> None:
        """Raise DataError unless columns without a name, at the beginning, count the rows from 0 or 1."""
        if not self.rows:
            self.index_starts = [1 if cell.strip() == "1" else 0 for cell in cells]
        for k, (cell, start) in enumerate(zip(cells, self.index_starts, strict=True)):
            if cell.strip() != str(start + self.rows):
                raise DataError(
                    f"{self.path}, line {line}, column {k + 1}: {quote(cell)} does not count the rows, and the column "
                    "has no name; write one, or leave the column out"
                )

    def check_empty_end(self, row: list[str], line: int) -> None:
        """Count the last cells that are empty in each row. Raise DataError for one with content but without a name."""
        empty = 0
        while empty < self.empty_end and not row[-1 - empty].strip():
            empty += 1
        if empty < self.empty_end and self.names:
            column = self.columns[-1 - empty] + 1
            raise DataError(
                f"{self.path}, line {line}, column {column}: {quote(row[-1 - empty])}, and the column has no name; "
                "write one, or leave the column out"
            )
        self.empty_end = empty

    def not_a_number(self, row: list[str], k: int, line: int) -> DataError:
        """The error for the k-th cell of a row of numbers."""
        if self.names and [cell.strip("\ufeff ") for cell in row] == [self.names[column] for column in self.columns]:
            return self.repeated_header(line)
        if len(row) > 1 and not any(map(_is_number, row)) and hint_for(row[k]) == HINT:
            return DataError(
                f"{self.path}, line {line} holds only words, such as {quote(row[k])}; remove it, if it is a header"
            )
        return self.invalid_cell(row[k], self.columns[k], line)

    def invalid_cell(self, cell: str, column: int, line: int) -> DataError:
        """The error for a cell of a column, counted from 0."""
        return DataError(
            f"{self.path}, line {line}, {self.describe(column)}: {quote(cell)} is not a number; {hint_for(cell)}"
        )

    def describe(self, column: int) -> str:
        """The number of a column, from 1, and its name."""
        name = f" ({quote(self.names[column])})" if self.names and self.names[column] else ""
        return f"column {column + 1}{name}"

    def repeated_header(self, line: int) -> DataError:
        """The error for a second header."""
        return DataError(
            f"{self.path}, line {line} repeats the names of the columns; remove it, if two files were joined"
        )

    def wrong_length(self, row: list[str], line: int) -> DataError:
        """The error for a row with too many or too few cells."""
        hint = ""
        if len(row) == self.width + 1 and not row[-1].strip():
            hint = f"; remove the {quote(self.delimiter)} at its end"
        elif self.delimiter == "," and len(row) == 2 * self.width and all(map(has_digits_only, row)):
            hint = "; write decimal points, if these are decimal commas"
        elif self.width == 1:
            hint = "; remove the first row, if it is a title"
        elif len(row) == self.width + 1 and self.names and not self.rows:
            hint = "; write a name for each column, also for one of row numbers"
        cells = f"{len(row)} cell{'s' if len(row) > 1 else ''}"
        return DataError(f"{self.path}, line {line}: {cells}, and {self.width} in the first row{hint}")

    def result(self) -> Dataset:
        """The data set of all rows. Raises DataError for what only all rows show."""
        if not self.numbers or self.empty_end == len(self.columns):
            hint = "; lines that begin with # are comments" if self.text.comment else ", with commas between cells"
            raise DataError(f"{self.path} holds no rows of numbers; expected a row per sample{hint}")
        if self.has_empty_lines and self.empty_lines:
            raise DataError(
                f"{self.path} ends with an empty line, and has others between its rows, which are missing "
                "values; write NA there, or remove the last ones"
            )
        self.check_thousands()
        if self.empty_rows > 1:  # as Excel leaves them; a single one may be a row without a known value
            raise DataError(
                f"{self.path} ends with {self.empty_rows} rows in which every cell is empty; remove them, or write NA "
                "in them if they are rows without a known value"
            )
        images = np.frombuffer(self.numbers).reshape(-1, len(self.columns))
        if self.empty_end:
            images = _without_last_columns(images, self.empty_end)
            del self.columns[-self.empty_end :]
        self.check_booleans(images)
        names = tuple(self.names[k] for k in self.columns) if self.names else None
        if names is None and images.shape[1] in LABELLED_PICTURES and _holds_bytes(images):
            raise DataError(
                f"{self.path} has {images.shape[1]} columns of 0 to 255 without names: pixels, and perhaps a label; "
                "write a header row, with the name label for it"
            )
        labels, classes = (None, None) if self.label_column is None else self.labels.result()
        shape = _image_shape(images, names)
        if shape is not None and _holds_bytes(images):
            images = images.astype(np.uint8)
            if self.scale == "auto":
                images = np.divide(images, np.float32(255 if images.max() > 1 else 1), dtype=np.float32)
        data = hold_out(str(self.path), images, shape, labels, self.seed)
        return data._replace(columns=names, classes=classes)

    def check_thousands(self) -> None:
        """Raise DataError if no number shows whether a mark before three digits is decimal."""
        if self.group and not self.comma:
            raise DataError(
                f"{self.path}, {self.group}: a comma before three digits may mark decimals or thousands; write decimal "
                "points, and no thousands separators"
            )
        if self.point and self.points_may_group:
            raise DataError(
                f"{self.path}, {self.point}: a point before three digits may mark decimals or thousands; separate "
                "cells by commas if it marks decimals, otherwise remove it"
            )

    def check_booleans(self, images: Array) -> None:
        """Raise DataError for a column of true and false that has other numbers than 0 and 1 too."""
        for k in sorted(self.boolean_columns):
            column = images[:, k]
            others = column[(column != 0) & (column != 1) & ~np.isnan(column)]
            if len(others):
                raise DataError(
                    f"{self.path}, {self.describe(self.columns[k])}: true or false, and {others[0]:g}; expected 0 and "
                    "1 beside them"
                )


def _is_number(cell: str) -> bool:
    return read_number(cell) is not None or read_decimal_comma(cell) is not None


def _is_label_header(cells: list[str]) -> bool:
    return any(cell.strip().lower() == LABEL for cell in cells)


def _are_names(cells: list[str]) -> bool:
    """True if the cells of a comment can be names of columns: words, or the numbers of the columns."""
    are_words = any(cells) and not any(_is_number(cell) and not is_missing(cell) for cell in cells)
    return are_words or _count_columns(cells)


def _count_columns(cells: list[str]) -> bool:
    """True for 0, 1, 2, … and 1, 2, 3, …, perhaps after the empty name of an index."""
    names = _without_empty_end(cells)
    names = names[1:] if names and not names[0] else names
    return bool(names) and any(names == [str(first + k) for k in range(len(names))] for first in (0, 1))


def _stand_above_decimals(first: list[str], second: list[str]) -> bool:
    """True for different whole numbers, as names, above a row in which no number is written as a whole one."""
    whole = len(first) > 1 and all(cell.strip().isdecimal() for cell in first) and len(set(first)) == len(first)
    return whole and len(first) == len(second) and not any(map(has_digits_only, second)) and not _all_missing(second)


def _all_missing(cells: list[str]) -> bool:
    return all(map(is_missing, cells))


def _are_years(cells: list[str]) -> bool:
    """True for years one after the other, perhaps after the empty name of an index."""
    names = _without_empty_end(cells)
    names = names[1:] if names and not names[0] else names
    if len(names) < 2 or not all(len(name) == 4 and name.isdecimal() for name in names):
        return False
    first = int(names[0])
    return first in YEARS and names == [str(first + k) for k in range(len(names))]


def _may_have_index(first: list[str], second: list[str]) -> bool:
    """True if an empty cell is above a zero, and numbers that all differ are beside it: names of columns, or a gap."""
    names = _without_empty_end(first)
    return (
        len(names) > 1
        and not names[0]
        and len(set(names)) == len(names)
        and len(first) == len(second)
        and second[0].strip() == "0"
    )


def _without_empty_end(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def _without_last_columns(images: Array, count: int) -> Array:
    """The rows without the last `count` columns, moved together in place."""
    flat, width = images.reshape(-1), images.shape[1] - count
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK, :width].ravel()  # a copy
        flat[start * width : start * width + len(block)] = block
    return flat[: len(images) * width].reshape(-1, width)


def _image_shape(images: Array, names: tuple[str, ...] | None) -> tuple[int, int] | None:
    """The (height, width) of pictures; None if the rows are no pictures."""
    if images.shape[1] < FEWEST_PIXELS or (shape := square(images.shape[1])) is None:
        return None
    if names is not None and not _count_columns(list(names)):
        return shape if all(_PIXEL.fullmatch(name) for name in names) else None
    return shape if _holds_bytes(images) else None


def _holds_bytes(images: Array) -> bool:
    """True if all numbers are whole, from 0 to 255."""
    blocks = (images[start : start + BLOCK] for start in range(0, len(images), BLOCK))
    return all(((block >= 0) & (block <= 255) & (block == np.floor(block))).all() for block in blocks)
