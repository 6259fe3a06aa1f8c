"""Numbers in the cells of a text table."""

from __future__ import annotations

import re
from math import nan

MISSING = frozenset(  # in lower case: the words of pandas, R, Excel, SAS and C for a number that is not known
    (
        "", "?", ".", "na", "<na>", "n/a", "nan", "-nan", "null", "none", "#n/a", "#n/a n/a", "#na", "1.#ind",
        "-1.#ind", "1.#qnan", "-1.#qnan", "nan(ind)", "-nan(ind)",
    )
)  # fmt: skip
BOOLEANS = {"true": 1.0, "false": 0.0}  # in lower case

HINT = "write NA if it is missing, leave the column out, or name it label if it holds classes"

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*", re.ASCII)
_ONE_GROUP = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}([ ,.'’\u00a0\u2009\u202f])\d{3}(\1\d{3})*([.,]\d+)?(?![\d.,])", re.ASCII)
_FORMULA_ERROR = re.compile(r"#(DIV/0|REF|VALUE|NUM|NULL|NAME|SPILL|CALC)[!?]")
_CURRENCY = re.compile(r"[+-]?\s*[$€£¥₹]\s*[\d.]|.*\d\s*[$€£¥₹]$")
_PROBLEMS = (
    (_GROUPED, "write numbers without thousands separators, as 1234.5"),
    (_FORMULA_ERROR, "it is an error of a formula: correct it, or write NA"),
    (_CURRENCY, "write numbers without a currency sign"),
    (re.compile(r"(-+|[–—])$"), "write NA if it is missing, or 0 if it is zero"),
    (re.compile(r".*\0"), "save the file as CSV UTF-8, if it is UTF-16"),
    (re.compile(r".*%$"), "write numbers without a percent sign"),
    (
        re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}|\d{4}[-/]\d\d?$|\d+:\d\d"),
        "write a date or time as a number, such as days or seconds",
    ),
    (re.compile(r"(t|f|yes|no|y|n|on|off)$", re.IGNORECASE), "write 1 and 0 for yes and no"),
    (re.compile(r"[−–]\d"), "write the minus sign as a hyphen, -"),
    (re.compile(r"\d+(_\d+)+"), "write numbers without underscores"),
    (re.compile(r"[<>≤≥~≈]\s*[\d.]"), "write a number, or NA"),
    (re.compile(r"'.*'$"), "write numbers without quotation marks"),
    (re.compile(r"\(.*\d\)$"), "write negative numbers with a minus sign"),
    (re.compile(r"[+-]?[\d.]+[dD][+-]?\d+$"), "write exponents with e, as 1.5e3"),
    (re.compile(r"\ufeff"), "remove the byte-order mark before it, if two files were joined"),
    (re.compile(r"=.*"), "save the values, not the formulas"),
    (
        re.compile(r"[+-]?[\d.]+\s*[|;,]|([+-]?[\d.]+\s+)+[+-]?[\d.]+$"),
        "separate cells by commas, or by tabs in a .tsv file",
    ),
    (re.compile(r"[+-]?\d[\d.]*\s*[^\W\d]+[²³]?$"), "write numbers without units"),
)


def read_number(cell: str) -> float | None:
    """The number in a cell, or what `read_word` makes of it; None for any other text."""
    try:
        if "_" not in cell:  # float would accept 1_000
            return float(cell)
    except ValueError:
        return read_word(cell)
    return None


def read_word(cell: str) -> float | None:
    """NaN for an empty cell or a word for a missing number, 1 for true, 0 for false; None for any other text."""
    word = cell.strip().lower()
    return nan if word in MISSING else BOOLEANS.get(word)


def is_missing(cell: str) -> bool:
    """True for an empty cell, and for a word that stands for a missing number."""
    return cell.strip().lower() in MISSING


def read_decimal_comma(cell: str) -> float | None:
    """The number in a cell with a decimal comma, such as 1,5; None for any other text."""
    return float(cell.replace(",", ".")) if _DECIMAL_COMMA.fullmatch(cell) else None


def may_be_thousands(cell: str) -> bool:
    """True for a number with a comma that may be a decimal comma or a thousands separator: 1,234, but not 0,234."""
    return _ONE_GROUP.fullmatch(cell) is not None


def has_digits_only(cell: str) -> bool:
    """True for a whole number without a decimal point or an exponent."""
    return cell.strip().lstrip("+-").isdecimal()


def is_malformed_number(cell: str) -> bool:
    """True for a text that was meant as a number, and is no name: with thousands separators or a currency sign."""
    word = cell.strip()
    return bool(_GROUPED.fullmatch(word) or _FORMULA_ERROR.fullmatch(word) or _CURRENCY.match(word)) or word == "-"


def is_error_value(cell: str) -> bool:
    """True for an error of a spreadsheet formula, such as #DIV/0!."""
    return _FORMULA_ERROR.fullmatch(cell.strip()) is not None


def hint_for(cell: str) -> str:
    """The hint for a cell that is not a number: HINT for a word without a known form."""
    word = cell.strip()
    for pattern, hint in _PROBLEMS:
        if pattern.match(word):
            return hint
    return HINT


def quote(text: str) -> str:
    """The text in quotation marks, of at most 40 characters."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
