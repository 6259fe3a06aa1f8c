"""The form in which a column of a file has its cells: the decimals of numbers, the parts of dates, the case of words.

A layout is a text with a 0 for each digit, such as "0.00", "0.000e" or "0000-00-00 00:00:00Z"; or "True", "TRUE" or
"true"; or "" for the shortest text.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from scratchvae.arrays import Array
from scratchvae.tables.cells import Cells, coarsest

MOST_DIGITS = 17  # after the point, of float64
LONGEST = 40  # characters of a number without an exponent

_NUMBER = re.compile(r"[+-]?\d*(?:[.,](\d*))?(?:([eE])[+-]?\d+)?", re.ASCII)
_NUMBER_LAYOUT = re.compile(r"0(?:\.(0{1,17}))?([eE]?)")
_ZONE = r"(Z|z|[+-]\d\d:?\d\d|[+-]\d\d)?"
_DATE = re.compile(
    rf"(\d{{4}}(-?)\d\d\2\d\d(?:[T ]\d\d(?:(:?)\d\d(?:\3\d\d(?:[.,]\d{{1,6}})?)?)?)?)\d*{_ZONE}", re.ASCII
)
_DATE_LAYOUT = re.compile(rf"(0{{4}}-?00-?00(?:[T ]00(?::?00(?::?00(?:[.,]0{{1,6}})?)?)?)?){_ZONE}", re.ASCII)
_YEARS_TO_9999 = re.compile(r"\d{4}-", re.ASCII)
_WORDS = ("true", "True", "TRUE")
_DIGITS = {"D": 8, "h": 10, "m": 12, "s": 14, "ms": 17, "us": 20}  # of a date that is exact in these units


def find_layout(cells: Cells, kind: str) -> str:
    """The layout of the known cells of a column of this kind; "" for other tables than files."""
    known = cells.known.tolist()
    if cells.form != "cell" or not known:
        return ""
    if kind == "date":
        return _of_dates(cells)
    if kind == "boolean" and not any(character.isdigit() for text in known for character in text):
        (word, _), *_ = Counter(known).most_common(1)
        return next((layout for layout in _WORDS if word in (layout, _cased("false", layout))), "")
    return _of_numbers(known) if kind in ("number", "count", "boolean") else ""


def is_layout(layout: str) -> bool:
    """True for a text that `find_layout` may return."""
    return layout in ("", *_WORDS) or bool(_NUMBER_LAYOUT.fullmatch(layout) or _DATE_LAYOUT.fullmatch(layout))


def _of_numbers(known: list[str]) -> str:
    """Fixed decimals if all cells have as many, or an exponent if most have one."""
    matches = [_NUMBER.fullmatch(text) for text in set(known)]
    if not all(matches):
        return ""
    found = [(len(match[1] or ""), match[2]) for match in matches if match]
    exponents = [(decimals, mark) for decimals, mark in found if mark]
    if len(exponents) > len(found) / 2:
        decimals, mark = max(exponents)
    elif exponents or len({decimals for decimals, _ in found}) > 1:
        return ""
    else:
        decimals, mark = found[0][0], ""
    if not decimals:
        return f"0{mark}" if mark else ""
    return f"0.{'0' * min(decimals, MOST_DIGITS)}{mark}"


def _of_dates(cells: Cells) -> str:
    """The most frequent layout in which all dates are exact."""
    layouts: Counter[str] = Counter()
    for text in cells.known:
        if (match := _DATE.fullmatch(text)) is not None:
            layouts[re.sub(r"\d", "0", match[1]) + (match[4] or "")] += 1
    least = _DIGITS.get(np.datetime_data(coarsest(cells.dates()).dtype)[0], 20)
    exact = (layout for layout, _ in layouts.most_common() if _digits(layout) >= least)
    return next(exact, "")


def _digits(layout: str) -> int:
    return _split(layout)[0].count("0")


def _split(layout: str) -> tuple[str, str]:
    """A layout of dates without its zone, and the zone, "" if it has none."""
    match = _DATE_LAYOUT.fullmatch(layout)
    assert match is not None
    return match[1], match[2] or ""


def write_dates(dates: Array, layout: str) -> list[str]:
    """The dates (N,), in UTC, as texts: in ISO 8601 with layout ""."""
    plain: list[str] = np.datetime_as_string(dates).tolist()
    if not _DATE_LAYOUT.fullmatch(layout):
        return plain
    template, zone = _split(layout)
    minutes = 0
    if zone.upper() not in ("", "Z"):
        digits = zone[1:].replace(":", "").ljust(4, "0")
        minutes = (60 * int(digits[:2]) + int(digits[2:])) * (-1 if zone[0] == "-" else 1)
    moments = dates.astype("M8[us]").astype(np.int64)
    local = np.datetime_as_string((moments + 60_000_000 * minutes).astype("M8[us]")).tolist()
    form = template.replace("0", "{}") + zone
    texts = (form.format(*re.sub(r"\D", "", text)) if _YEARS_TO_9999.match(text) else None for text in local)
    return [text or fallback for text, fallback in zip(texts, plain, strict=True)]


def write_number(value: float, layout: str) -> str:
    """The number with the decimals of a layout that is not "", and with an exponent if it has one."""
    match = _NUMBER_LAYOUT.fullmatch(layout)
    assert match is not None
    form = f".{len(match[1] or '')}{match[2] or 'f'}"
    text = f"{value:{form}}"
    if float(text) == 0:
        text = f"{0.0:{form}}"  # not -0.00
    return text if len(text) <= LONGEST else repr(value)


def write_boolean(value: bool, layout: str) -> str:
    """True or false in the case of a layout."""
    return _cased("true" if value else "false", layout)


def _cased(word: str, layout: str) -> str:
    return word.upper() if layout == "TRUE" else word.capitalize() if layout == "True" else word
