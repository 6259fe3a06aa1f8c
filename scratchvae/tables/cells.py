"""The cells of one column of a table, whatever package the table is of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import Array
from scratchvae.datasets.cells import is_missing, read_decimal_comma, read_number, read_word
from scratchvae.errors import DTypeError, RangeError
from scratchvae.validation import short_repr

NO_DATE = np.datetime64("NaT", "us")


class Cells(NamedTuple):
    """The cells of a column.

    label    the name of the column
    values   (N,): numbers, booleans, datetime64, or objects that are texts; anything where a cell is missing
    missing  (N,) of bool
    form     "number", "boolean", "text", "date", or "cell" for the texts of a file, which may stand for any of these
    dtype    the type of the column, in the words of its package
    levels   the categories, if the column has a type that names them
    """

    label: Any
    values: Array
    missing: Array
    form: str
    dtype: str
    levels: tuple[Any, ...] | None = None

    @property
    def known(self) -> Array:
        """The values that are not missing."""
        return self.values[~self.missing]

    def numbers(self) -> Array:
        """The numbers (N,) in float64, NaN where missing. Raises DTypeError."""
        if self.form == "cell":
            return self._numbers_of_file()
        if self.missing.all():
            return np.full(len(self.values), np.nan)
        if self.form not in ("number", "boolean"):
            raise self.wrong_form("numbers")
        numbers = self.values.astype(np.float64)
        numbers[self.missing] = np.nan
        return numbers

    def _numbers_of_file(self) -> Array:
        if not any("_" in text for text in self.values):  # float would accept 1_000
            try:
                return np.where(self.missing, "nan", self.values).astype(np.float64)
            except ValueError:  # a decimal comma, true or false, or no number
                pass
        return self._converted(read_cell, "number", np.nan, np.float64)

    def texts(self) -> Array:
        """The values (N,) as objects: texts, or numbers and booleans of Python; None where missing."""
        objects = np.empty(len(self.values), object)
        objects[:] = self.values.tolist()
        objects[self.missing] = None
        return objects

    def dates(self) -> Array:
        """The dates (N,) as datetime64, NaT where missing. Raises DTypeError, or RangeError for a text that is none."""
        if self.form in ("cell", "text"):
            dates = self._converted(read_date, "date, such as 2024-12-31", NO_DATE, "M8[us]")
            return coarsest(dates)
        if self.missing.all():
            return np.full(len(self.values), NO_DATE)
        if self.form != "date":
            raise self.wrong_form("dates")
        dates = self.values.copy()
        dates[self.missing] = NO_DATE
        return dates

    def wrong_form(self, expected: str) -> DTypeError:
        """The error for a column of another form."""
        held, row = {"cell": "texts"}.get(self.form, f"{self.form}s"), int(self.missing.argmin())
        value = self.values[row : row + 1].tolist()[0]
        return DTypeError(
            f"column {self.label!r:.40} holds {held}, such as {short_repr(value)} in row {row + 1}; expected "
            f"{expected}: convert it, or infer another schema"
        )

    def _converted(self, read: Callable[[str], Any], expected: str, missing: Any, dtype: Any) -> Array:
        result = np.full(len(self.values), missing, dtype)
        for k in np.flatnonzero(~self.missing):
            value = read(self.values[k])
            if value is None:
                raise RangeError(
                    f"column {self.label!r:.40} holds {short_repr(self.values[k])} in row {k + 1}; expected a "
                    f"{expected}: correct it, or write NA if it is missing"
                )
            result[k] = value
        return result


def read_cell(cell: str) -> float | None:
    """The number in a cell of a file, or 1 and 0 for true and false; None for any other text."""
    number = read_number(cell)
    return read_decimal_comma(cell) if number is None else number


def read_boolean(cell: str) -> bool | None:
    """True or False for such a word; None for any other text."""
    value = None if is_missing(cell) else read_word(cell)
    return None if value is None else bool(value)


def read_date(cell: str) -> np.datetime64 | None:
    """The date or time of a text in ISO 8601, in UTC if it has a zone; None for any other text."""
    text = cell.strip()
    if len(text) < 8 or not text[:4].isdecimal():
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(moment, "us")


def is_date(cell: Any) -> bool:
    """True for a date or a time with a date, of Python."""
    return isinstance(cell, date)


def coarsest(dates: Array) -> Array:
    """The dates (N,) in the coarsest unit, from days to nanoseconds, in which all are exact."""
    for unit in ("D", "h", "m", "s", "ms", "us"):
        if np.datetime_data(dates.dtype) == (unit, 1):
            break
        rounded = dates.astype(f"M8[{unit}]")
        if (rounded.astype(dates.dtype) == dates)[~np.isnat(dates)].all():
            return rounded
    return dates
