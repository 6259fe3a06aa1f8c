"""The text of a table: encoding, comments, and the character between cells."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from scratchvae.datasets.cells import is_error_value, is_missing, quote, read_decimal_comma, read_number
from scratchvae.errors import DataError

MAX_ROW_CHARACTERS = 1 << 22  # characters of a row, which may have several lines inside quotes
DELIMITERS = ",;\t"
COMMENT = "#"

_MARKS = {  # the longer marks first: one begins with another
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEPARATOR_LINE = re.compile(r'"?sep=(.*?)"?[\r\n]*', re.IGNORECASE)
_LOOKED_AT = 1000  # cells of a row


def open_table(path: Path) -> TextIO:
    """Open a text file: UTF-8, or UTF-16 or UTF-32 with a byte-order mark."""
    with path.open("rb") as file:
        begin = file.read(4)
    encoding = next((name for mark, name in _MARKS.items() if begin.startswith(mark)), "utf-8-sig")
    return path.open(encoding=encoding, newline="")


class TableText:
    """The lines of a table without comments, which begin with #, and without the first line "sep=;" of Excel."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path, self.file = path, file
        self.number = 0  # of the current line, from 1
        self.line = ""  # the current line
        self.separator = ""  # the character of a line "sep=;"
        self.comment = ""  # the last comment
        self.begins_with_label = False
        self.characters_left = MAX_ROW_CHARACTERS  # of the current row

    def start_row(self) -> None:
        """Begin a row, which may have several lines. Comments are skipped only between rows."""
        self.characters_left = MAX_ROW_CHARACTERS

    def __iter__(self) -> Iterator[str]:
        """Yield the lines. Raises DataError for a row that is too long."""
        self.file.seek(0)
        while line := self.file.readline(self.characters_left + 1):
            between_rows = self.characters_left == MAX_ROW_CHARACTERS
            self.characters_left -= len(line)
            if self.characters_left < 0:
                raise DataError(
                    f"{self.path} has a row of more than {MAX_ROW_CHARACTERS} characters: it is not a table, "
                    "or a quote is not closed"
                )
            self.number += 1
            if between_rows and (line[0] in "#\r" or self.number == 1) and self._is_skipped(line):
                self.start_row()
                continue
            self.line = line
            yield line

    def _is_skipped(self, line: str) -> bool:
        """True for a comment, the line "sep=;", and the second half of a line end \\r\\r\\n. Raises DataError."""
        if self.number == 1 and "\0" in line:
            raise DataError(f"{self.path} is not UTF-8 text, but may be UTF-16; save it as CSV UTF-8")
        if self.number == 1 and (match := _SEPARATOR_LINE.fullmatch(line)):
            self.separator = match[1]
            if len(self.separator) != 1 or self.separator in "\"'." or self.separator.isalnum():
                raise DataError(
                    f"{self.path}, line 1: {quote(line.strip())} names no separator of cells; expected a line "
                    "such as sep=; or none"
                )
            return True
        if line == "\r\n" and self.line.endswith("\r"):
            return True
        first = re.split("[,;\t\r\n]", line, maxsplit=1)[0]
        if line[0] != COMMENT or is_error_value(first) or is_missing(first):
            return False
        if self.begins_with_label:
            raise DataError(
                f"{self.path}, line {self.number} begins with #, as a comment or as a label; remove the line, or put "
                "the label in quotation marks"
            )
        self.comment = line
        return True


def find_delimiter(path: Path, file: TextIO) -> str:
    """The character between cells: of a line "sep=;", a tab in a .tsv file, or else a comma, a semicolon or a tab.

    Of these, it is the one with which the first two rows have several cells, numbers in the second row, no other
    delimiter in what is no number, and equal lengths, in this order of importance; then the one with the most cells.
    Decimal commas do not separate cells then. Raises DataError if | separates them.
    """
    text, first = TableText(path, file), ""
    for first in text:
        if first.strip():
            break
        text.start_row()
    if text.separator:
        return text.separator
    if path.suffix.lower() == ".tsv":
        if "\t" not in first and re.search("[,;]", re.sub('"[^"]*"', "", first)):
            raise DataError(
                f"{path}, line {text.number}: {quote(first.strip())} has no tab; expected tabs between cells: name the "
                "file .csv if it has commas or semicolons"
            )
        delimiter = "\t"
    else:
        delimiter = max(DELIMITERS, key=lambda delimiter: _quality(path, file, delimiter))
    first_row, second_row = (row.count("|") for row in map("".join, _first_rows(path, file, delimiter)))
    if first_row == second_row > first.count(delimiter):
        raise DataError(
            f"{path}, line {text.number}: {quote(first.strip())} has | between cells, which is no separator; save it "
            "with commas, semicolons or tabs"
        )
    return delimiter


def read_cells(line: str, delimiter: str) -> list[str]:
    """The cells of one line, without spaces around them."""
    try:
        cells: list[str] = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []
    return [cell.strip() for cell in cells]


def _quality(path: Path, file: TextIO, delimiter: str) -> tuple[bool, bool, bool, bool, int]:
    first, second = _first_rows(path, file, delimiter)
    looked_at = second[:_LOOKED_AT]
    texts = [cell for cell in looked_at if read_number(cell) is None and read_decimal_comma(cell) is None]
    return (
        max(len(first), len(second)) > 1,
        not texts,
        not any(other in text for text in texts for other in DELIMITERS),
        len(first) == len(second),
        len(first),
    )


def _first_rows(path: Path, file: TextIO, delimiter: str) -> tuple[list[str], list[str]]:
    """The first two rows that are not empty; the first twice if it is the only one."""
    text = TableText(path, file)
    found: list[list[str]] = []
    try:
        for row in csv.reader(text, delimiter=delimiter, skipinitialspace=True):
            text.start_row()
            if any(cell.strip() for cell in islice(row, _LOOKED_AT)):
                found.append(row)
            if len(found) == 2:
                break
    except csv.Error:
        return [], []
    return (found[0], found[-1]) if found else ([], [])
