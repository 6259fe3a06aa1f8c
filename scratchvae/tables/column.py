"""One column of a schema: its kind, and the numbers of a row that stand for its values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import Array
from scratchvae.errors import ConfigError, DTypeError, RangeError
from scratchvae.tables.cells import Cells, coarsest
from scratchvae.tables.layout import find_layout, is_layout
from scratchvae.validation import join_choices, short_repr

KINDS = ("number", "date", "boolean", "constant", "category", "count")  # in the order of their numbers in a row
MOST_DECIMALS = 9
MOST_WHOLE = 2**53  # up to which float64 has every whole number
SNAP = 1e-9  # standard deviations from a number with so few decimals that count as rounding
UNITS = {"D": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "ms", "us": "µs", "ns": "ns"}

Decoded = tuple[Array, Array]  # values (N,), and whether they are missing (N,)


class Column(NamedTuple):
    """A column of a table.

    name      its label
    kind      one of KINDS
    form      of its values: "number", "boolean", "text", "date", or "cell" in a file
    dtype     its type, in the words of its package
    values    the categories in their order, or the constant; () for a constant column without a known value
    shift, factor   u = (x − shift)/factor is standardized, for numbers, and for dates in their unit
    whole     True for a type of whole numbers
    decimals  so many decimals write the numbers exactly; None: more than 9
    unit      of dates: "D", "h", "m", "s", "ms", "us" or "ns"
    layout    the form of its cells in a file: see `scratchvae.tables.layout`
    """

    name: str | int
    kind: str
    form: str
    dtype: str
    values: tuple[Any, ...] = ()
    shift: float = 0.0
    factor: float = 1.0
    whole: bool = False
    decimals: int | None = None
    unit: str = ""
    layout: str = ""

    @property
    def width(self) -> int:
        """The numbers of a row that stand for a value: one for each category, else 1."""
        return len(self.values) if self.kind == "category" else 1

    def names(self) -> list[str]:
        """The names of these numbers."""
        return [f"{self.name}={value}" for value in self.values] if self.kind == "category" else [str(self.name)]

    def describe(self) -> str:
        """Its values in words."""
        if self.kind == "number":
            return f"mean {self.shift:.6g}, standard deviation {self.factor:.6g}"
        if self.kind == "date":
            return f"mean {self._moment(self.shift)}, standard deviation {self.factor:.4g} {UNITS[self.unit]}"
        if self.kind == "constant":
            return "never known" if not self.values else printable(self._constant())
        if self.kind == "category":
            return f"{len(self.values)}: {join_choices(list(map(printable, self.values)), 50)}"
        return "0, 1, 2, …" if self.kind == "count" else "false, true"

    def encode(self, cells: Cells) -> Array:
        """The numbers (N, width) of a column, NaN where a value is missing. Raises DTypeError or RangeError."""
        if self.kind == "category":
            return self._one_hot(cells)
        if self.kind == "constant":
            return self._zeros(cells)
        if self.kind == "date":
            return self._standardized_dates(cells)
        numbers = cells.numbers()
        known = ~cells.missing
        if self.kind == "boolean":
            self._check(cells, known & (numbers != 0) & (numbers != 1), "0 and 1, or true and false")
        elif self.kind == "count":
            self._check(cells, known & ((numbers < 0) | (numbers % 1 != 0)), "counts, 0, 1, 2, …")
        self._check(cells, np.isinf(numbers), "finite numbers")
        return ((numbers - self.shift) / self.factor)[:, None]

    def decode(self, rows: Array) -> Decoded:
        """The values (N,) of numbers (N, width), and whether they are missing (N,), where the numbers are NaN.

        A category is the most probable one; booleans, counts and whole numbers are rounded. Computes in float64, since
        numbers far from 0, such as seconds since 1970, differ by less than float32 resolves.
        """
        rows = np.asarray(rows, np.float64)
        missing = np.asarray(np.isnan(rows).any(axis=1))
        rows = np.where(missing[:, None], 0.0, rows)
        if self.kind == "category":
            return _take(self.values, rows.argmax(axis=1)), missing
        first = rows[:, 0]
        if self.kind == "constant":
            return self._constants(len(rows)), missing if self.values else np.ones(len(rows), bool)
        if self.kind == "date":
            ticks = np.rint(first * self.factor).astype(np.int64) + int(self.shift)
            return ticks.astype(f"M8[{self.unit}]"), missing
        if self.kind == "boolean":
            return (first >= 0.5) if self.form != "number" else (first >= 0.5).astype(np.int64), missing
        return self._numbers(first * self.factor + self.shift), missing

    def _numbers(self, numbers: Array) -> Array:
        if self.kind == "count":
            numbers = np.rint(np.maximum(numbers, 0.0))
        if self.whole:
            return np.clip(np.rint(numbers), *_limits(self.dtype)).astype(np.int64)
        if self.decimals is None:
            return numbers
        if self.decimals == 0:  # whole numbers in a type of floats, as pandas has them where some are missing
            return np.rint(numbers)
        rounded = np.round(numbers, self.decimals)
        tolerance = SNAP * self.factor + 4 * np.finfo(float).eps * abs(self.shift)
        return np.where(np.abs(rounded - numbers) <= tolerance, rounded, numbers)

    def _one_hot(self, cells: Cells) -> Array:
        texts, index = cells.texts(), {value: k for k, value in enumerate(self.values)}
        words = {_word(value): k for value, k in index.items()}
        distinct = {value: index.get(value, words.get(_word(value))) for value in set(texts[~cells.missing])}
        if None in distinct.values():
            unknown = ((k, text) for k, text in enumerate(texts) if text is not None and distinct[text] is None)
            row, value = next(unknown)
            known_values = join_choices(list(map(printable, self.values)), 50)
            raise RangeError(
                f"column {self.name!r:.40} holds {short_repr(value)} in row {row + 1}, a category that the schema does "
                f"not know; expected one of {known_values}: correct it, or leave its cell empty"
            )
        rows = np.zeros((len(texts), self.width))
        known = np.flatnonzero(~cells.missing)
        rows[known, [distinct[value] for value in texts[known]]] = 1.0  # type: ignore[index]
        rows[cells.missing] = np.nan
        return rows

    def _zeros(self, cells: Cells) -> Array:
        if self.form == "date":
            strange = ~cells.missing & (cells.dates() != self._constant() if self.values else True)
        else:
            known = {_word(value) for value in self.values}
            strange = np.array(
                [not m and _word(v) not in known for v, m in zip(cells.texts(), cells.missing, strict=True)]
            )
        self._check(cells, strange, f"{self.describe()}, as in the table of the schema")
        missing = cells.missing if self.values else False  # 0 says nothing, and NaN in all rows could not be learned
        return np.where(missing, np.nan, np.zeros(len(cells.values)))[:, None]

    def _standardized_dates(self, cells: Cells) -> Array:
        dates = cells.dates()
        ticks = np.where(cells.missing, self._moment(0), dates.astype(f"M8[{self.unit}]")).astype(np.int64)
        standardized = (ticks - int(self.shift)) / self.factor
        return np.where(cells.missing, np.nan, standardized)[:, None]

    def _constant(self) -> Any:
        return self._moment(self.values[0]) if self.form == "date" else self.values[0]

    def _constants(self, rows: int) -> Array:
        """The constant in all rows; NaN if it was never known."""
        if not self.values:
            return np.full(rows, np.nan)
        return np.full(rows, self._constant(), object if self.form in ("text", "cell") else None)

    def _moment(self, ticks: float) -> Any:
        """The date of so many of its units since 1970."""
        return np.array(int(ticks), f"M8[{self.unit}]")[()]

    def _check(self, cells: Cells, wrong: Array, expected: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            value = cells.values[row]
            shown = short_repr(value.item() if isinstance(value, np.generic) else value)
            raise RangeError(
                f"column {self.name!r:.40} holds {shown} in row {row + 1}; expected {expected}: correct it, or infer "
                "another schema"
            )


def make_column(cells: Cells, kind: str) -> Column:
    """The column of this kind, learned from cells. Raises ConfigError, DTypeError or RangeError."""
    make: dict[str, Callable[[Cells], Column]] = {
        "number": _number,
        "date": _date,
        "category": _category,
        "constant": _constant,
    }
    column = make[kind](cells) if kind in make else _plain(cells, kind)
    column = column._replace(layout=find_layout(cells, kind))
    column.encode(cells)  # raises for values that this kind does not have
    return column


def _plain(cells: Cells, kind: str) -> Column:
    cells.numbers()
    form = _form_of_file(cells, kind) if cells.form == "cell" else cells.form
    return Column(cells.label, kind, form, cells.dtype, whole=_is_whole(cells), decimals=0)


def _form_of_file(cells: Cells, kind: str) -> str:
    return "boolean" if kind == "boolean" and not any(_has_digit(text) for text in cells.known) else "number"


def in_layout_of(column: Column, cells: Cells) -> Column:
    """The column, whose values are written as those of a file are; as before, if that has no known value."""
    if not len(cells.known):
        return column
    form = _form_of_file(cells, column.kind) if column.kind == "boolean" else column.form
    return column._replace(form=form, layout=find_layout(cells, column.kind))


def _number(cells: Cells) -> Column:
    numbers = cells.numbers()
    known = np.sort(numbers[~cells.missing])  # so that the mean has the same bits whatever the order of the rows
    if not len(known) or np.isinf(known).any():
        held = "infinity" if len(known) else "no number"
        raise RangeError(
            f"column {cells.label!r:.40} holds {held}; expected finite numbers: correct it, or leave it out"
        )
    if _is_whole(cells) and np.abs(known).max() > MOST_WHOLE:
        raise RangeError(
            f"column {cells.label!r:.40} holds whole numbers beyond 2**53, which would be rounded: leave it out, if "
            "they are names, or convert them to floats"
        )
    deviation = float(known.std())
    return Column(
        cells.label,
        "number",
        "boolean" if cells.form == "boolean" else "number",
        cells.dtype,
        shift=float(known.mean()),
        factor=deviation if deviation > 0 else 1.0,
        whole=_is_whole(cells),
        decimals=_decimals(cells),
    )


def _limits(dtype: str) -> tuple[float, float]:
    """The least and the largest whole number of a type, such as "UInt8", of those that float64 has exactly."""
    match = re.match(r"u?int(8|16|32|64)\b", dtype.lower())
    info = np.iinfo(match[0] if match else "int64")
    return max(info.min, -MOST_WHOLE), min(info.max, MOST_WHOLE)


def _is_whole(cells: Cells) -> bool:
    return cells.values.dtype.kind in "iu" or (cells.form == "cell" and _decimals(cells) == 0)


def _decimals(cells: Cells) -> int | None:
    """The least number of decimals that write all numbers exactly; None if it is more than 9."""
    known = cells.numbers()[~cells.missing]
    dtype = cells.values.dtype if cells.values.dtype.kind == "f" else known.dtype
    for decimals in range(MOST_DECIMALS + 1):
        if (np.round(known, decimals).astype(dtype) == known.astype(dtype)).all():
            return decimals
    return None


def _date(cells: Cells) -> Column:
    dates = coarsest(cells.dates())
    unit, known = np.datetime_data(dates.dtype)[0], np.sort(dates[~cells.missing].astype(np.int64))
    if not len(known):
        raise RangeError(f"column {cells.label!r:.40} holds no dates; expected some: leave it out")
    mean = int(known.min()) + int(np.rint((known - known.min()).mean()))
    deviation = float((known - mean).std())
    form = "date" if cells.form == "cell" else cells.form
    return Column(
        cells.label, "date", form, cells.dtype, shift=mean, factor=deviation if deviation > 0 else 1.0, unit=unit
    )


def _category(cells: Cells) -> Column:
    values = cells.levels or tuple(sorted(set(cells.texts()[~cells.missing]), key=_sorted_key))
    if cells.form == "date":
        raise cells.wrong_form("categories")
    if strange := [value for value in values if type(value) not in (str, int, float, bool)]:
        raise DTypeError(
            f"column {cells.label!r:.40} has categories of type {type(strange[0]).__name__}, such as "
            f"{short_repr(strange[0])}; expected texts, numbers or booleans: convert it, in pandas by .astype(str)"
        )
    if len(values) < 2:
        held = "a single category" if values else "no category"
        raise ConfigError(f"column {cells.label!r:.40} holds {held}; expected at least 2: leave it out of kinds")
    return Column(cells.label, "category", cells.form, cells.dtype, values, whole=cells.values.dtype.kind in "iu")


def _constant(cells: Cells) -> Column:
    if cells.form == "date" and not cells.missing.all():
        dates = coarsest(cells.dates())
        unit = np.datetime_data(dates.dtype)[0]
        return Column(
            cells.label, "constant", "date", cells.dtype, (int(dates[~cells.missing][0].astype(np.int64)),), unit=unit
        )
    known = cells.texts()[~cells.missing]
    whole = cells.values.dtype.kind in "iu"
    return Column(cells.label, "constant", cells.form, cells.dtype, tuple(known[:1]), whole=whole)


def _sorted_key(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def printable(value: Any) -> str:
    """The text of a value; in quotation marks and with escapes if it has characters such as a line break."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def _word(value: Any) -> str:
    """The text of a value: 2007 for a whole number, whatever its type."""
    if isinstance(value, np.generic):
        value = value.item()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _take(values: tuple[Any, ...], indices: Array) -> Array:
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects[indices]


def is_valid(column: Column) -> bool:
    """False for a column that `make_column` cannot have made."""
    return (
        type(column.name) in (str, int)
        and column.kind in KINDS
        and column.form in ("number", "boolean", "text", "date", "cell")
        and isinstance(column.dtype, str)
        and all(type(value) in (str, int, float, bool) for value in column.values)
        and len(column.values)
        in {"category": range(2, len(column.values) + 1), "constant": (0, 1)}.get(column.kind, (0,))
        and all(type(number) in (int, float) and np.isfinite(number) for number in (column.shift, column.factor))
        and column.factor > 0
        and (column.decimals is None or column.decimals in range(MOST_DECIMALS + 1))
        and isinstance(column.layout, str)
        and is_layout(column.layout)
        and (column.unit in UNITS if column.kind == "date" else column.unit in ("", *UNITS))
    )


def check_kind(name: Any, kind: Any) -> str:
    """Return `kind`. Raises ConfigError unless `kind` is one of KINDS."""
    if kind not in KINDS:
        raise ConfigError(f"kinds[{short_repr(name)}]={short_repr(kind)} is unknown; choose one of {', '.join(KINDS)}")
    return str(kind)
