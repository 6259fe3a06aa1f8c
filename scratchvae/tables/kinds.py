"""The kind of a column, found from its values."""

from __future__ import annotations

import numpy as np

from scratchvae.arrays import Array
from scratchvae.datasets.cells import hint_for
from scratchvae.errors import DTypeError
from scratchvae.tables.cells import Cells, read_boolean, read_cell, read_date
from scratchvae.validation import short_repr

FEW_CATEGORIES, MANY_CATEGORIES = 50, 1000  # more than the first are too many if they are half of the rows
SHARE_OF_ZEROS = 0.1  # of the values of a column of counts
SKEWNESS = 1.0


def infer_kind(cells: Cells) -> str:
    """One of KINDS.

    constant   one value, or none
    boolean    true and false, or 0 and 1
    date       dates; in a file, texts such as 2024-12-31 or 2024-12-31T12:30
    category   texts, and types of categories
    count      whole numbers from 0, 0 being among them, of which a tenth is 0, or whose skewness is above 1
    number     other numbers

    Raises DTypeError for numbers among texts, and for texts of which nearly every row has another one.
    """
    if cells.levels is not None and len(cells.levels) > 1:
        return "category"
    form = _form_of_file(cells) if cells.form == "cell" else cells.form
    known = cells.known
    if len(known) == 0 or len(set(known.tolist())) == 1:
        return "constant"
    if form == "text":
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


def _form_of_file(cells: Cells) -> str:
    known = cells.known
    if all(read_boolean(text) is not None for text in known):
        return "boolean"
    no_numbers = [text for text in dict.fromkeys(known) if read_cell(text) is None]
    if not no_numbers:
        return "number"
    if all(read_date(text) is not None for text in known):
        return "date"
    strange = set(no_numbers)
    if sum(text in strange for text in known) < len(known) / 2:
        raise DTypeError(
            f"column {cells.label!r:.40} holds numbers, and {short_repr(no_numbers[0])}: {hint_for(no_numbers[0])}; or "
            f"pass kinds={{{cells.label!r:.40}: 'category'}}"
        )
    return "text"


def _check_categories(cells: Cells) -> None:
    known = cells.known
    count = len(set(known.tolist()))
    if count > MANY_CATEGORIES or (count > FEW_CATEGORIES and count > len(known) / 2):
        raise DTypeError(
            f"column {cells.label!r:.40} holds {count:,} different texts in {len(known):,} rows, such as "
            f"{short_repr(known[0])}; expected categories: leave it out, or pass "
            f"kinds={{{cells.label!r:.40}: 'category'}}"
        )


def _kind_of_numbers(known: Array) -> str:
    if np.isin(known, (0, 1)).all():
        return "boolean"
    if not np.isfinite(known).all() or (known % 1).any() or known.min() != 0:
        return "number"
    deviations = known - known.mean()
    skewness = (deviations**3).mean() / (deviations**2).mean() ** 1.5
    return "count" if (known == 0).mean() >= SHARE_OF_ZEROS or skewness > SKEWNESS else "number"
