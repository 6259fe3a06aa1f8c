"""The kind of a column, found from its values."""

from __future__ import annotations

import numpy as np

from scratchvae.arrays import Array
from scratchvae.datasets.cells import hint_for
from scratchvae.errors import DTypeError, RangeError
from scratchvae.tables.cells import Cells, read_boolean, read_cell, read_date
from scratchvae.tables.hints import TIMES, have_leading_zeros, hint_for_meant
from scratchvae.validation import join_choices, short_repr, shorten

FEW_CATEGORIES, MANY_CATEGORIES = 50, 1000  # more than the first are too many if they are half of the rows
SHARE_OF_ZEROS = 0.1  # of the values of a column of counts
SKEWNESS = 1.0


class ManyTextsError(DTypeError):
    """A column of texts that nearly all differ, as names do: `label` is its name, `kind` one that it may have."""

    def __init__(self, message: str, label: object, kind: str) -> None:
        super().__init__(message)
        self.label, self.kind = label, kind

    def __reduce__(self) -> tuple[type, tuple[str, object, str]]:
        return type(self), (self.message, self.label, self.kind)


def many_texts_error(errors: list[ManyTextsError]) -> DTypeError:
    """The error for several columns of texts that nearly all differ."""
    listed = join_choices([f"{shorten(str(error.label), 40)!r}" for error in errors], 60)
    return DTypeError(
        f"columns {listed} hold too many different texts; expected categories: leave them out, or pass "
        f"kinds={{{errors[0].label!r:.20}: {errors[0].kind!r}}}"
    )


def infer_kind(cells: Cells) -> str:
    """One of KINDS.

    constant   one value, or none
    boolean    true and false, or 0 and 1
    date       dates; in a file, texts such as 2024-12-31 or 2024-12-31T12:30
    category   texts, and types of categories; in a file, whole numbers with leading zeros, such as postcodes
    count      whole numbers from 0, 0 being among them, of which a tenth is 0, or whose skewness is above 1
    number     other numbers

    Raises DTypeError for numbers among texts, for texts that were meant as numbers or dates, such as "$1,665.73" and
    "31.12.2024", and for texts of which nearly every row has another one (`ManyTextsError`); RangeError for another
    text among dates.
    """
    if cells.levels is not None and len(cells.levels) > 1:
        return "category"
    known = cells.known
    if len(known) == 0 or len(set(known.tolist())) == 1:
        return "constant"
    form = _form_of_file(cells) if cells.form == "cell" else cells.form
    if form == "text":
        if cells.form != "cell":  # `_form_of_file` has done so
            _check_meant(cells)
        _check_categories(cells)
        return "category"
    if form in ("boolean", "date"):
        return form
    return _kind_of_numbers(cells.numbers()[~cells.missing])


def holds_words(cells: Cells) -> bool:
    """True for a column of a file most of whose known cells are no numbers, but texts or dates."""
    try:
        return bool(len(cells.known)) and _form_of_file(cells) in ("text", "date")
    except DTypeError:  # numbers, and few other words
        return False
    except RangeError:  # dates, and few other words
        return True


def _form_of_file(cells: Cells) -> str:
    known = cells.known
    if all(read_boolean(text) is not None for text in known):
        return "boolean"
    no_numbers = [text for text in dict.fromkeys(known) if read_cell(text) is None]
    if not no_numbers:
        return "text" if have_leading_zeros(known.tolist()) else "number"
    dates = {text for text in no_numbers if read_date(text) is not None}
    if sum(text in dates for text in known) >= len(known) / 2:
        cells.dates()  # raises for another text among them
        return "date"
    _check_meant(cells)
    strange = set(no_numbers)
    if sum(text in strange for text in known) < len(known) / 2:
        raise DTypeError(
            f"column {cells.label!r:.40} holds numbers, and {short_repr(no_numbers[0])}: {hint_for(no_numbers[0])}; or "
            f"pass kinds={{{cells.label!r:.40}: 'category'}}"
        )
    return "text"


def _check_meant(cells: Cells) -> None:
    """Raise DTypeError if most texts are numbers, or were meant as numbers, dates or times that cannot be read."""
    known = cells.known.tolist()
    hints = {text: hint_for_meant(text) for text in dict.fromkeys(known)}
    readable = {text for text in hints if read_cell(text) is not None or read_date(text) is not None}
    meant = [text for text, hint in hints.items() if hint is not None and text not in readable]
    if not meant or sum(text in readable or hints[text] is not None for text in known) < len(known) / 2:
        return
    (row, *_) = np.flatnonzero(~cells.missing & (cells.values == meant[0]))
    hint = hints[meant[0]]
    or_category = f", or pass kinds={{{cells.label!r:.40}: 'category'}}" if hint == TIMES else ""
    raise DTypeError(
        f"column {cells.label!r:.40} holds {short_repr(meant[0])} in row {row + 1}: {hint}{or_category}, or leave the "
        "column out"
    )


def _check_categories(cells: Cells) -> None:
    known = cells.known
    count = len(set(known.tolist()))
    if count > MANY_CATEGORIES or (count > FEW_CATEGORIES and count > len(known) / 2):
        held, example, kind = "texts", known[0], "category"
        if cells.form == "cell" and have_leading_zeros(known.tolist()):
            held, kind = "codes with leading zeros", "number"
            example = next(text for text in known if len(text) > 1 and text[0] == "0")
        elif all(read_date(text) is not None for text in known):  # in another table than a file
            kind = "date"
        raise ManyTextsError(
            f"column {cells.label!r:.40} holds {count:,} different {held} in {len(known):,} rows, such as "
            f"{short_repr(example)}; expected categories: leave it out, or pass "
            f"kinds={{{cells.label!r:.40}: {kind!r}}}",
            cells.label,
            kind,
        )


def _kind_of_numbers(known: Array) -> str:
    if np.isin(known, (0, 1)).all():
        return "boolean"
    if not np.isfinite(known).all() or (known % 1).any() or known.min() != 0:
        return "number"
    deviations = known - known.mean()
    skewness = (deviations**3).mean() / (deviations**2).mean() ** 1.5
    return "count" if (known == 0).mean() >= SHARE_OF_ZEROS or skewness > SKEWNESS else "number"
