"""Hints for texts that were meant as numbers, dates or times, and cannot be read as such."""

from __future__ import annotations

import re

PLAIN, ISO = "write it as a plain number, such as", "write dates as 2024-12-31"
TIMES = "write times as numbers, such as 12.5 for 12:30"

_CURRENCY = r"(?:[$€£¥₹]|USD|EUR|GBP|CHF)"
_GROUPED = r"\d{1,3}(?P<mark>[ ,.'’\u00a0\u2009\u202f])\d{3}(?:(?P=mark)\d{3})*(?:[.,]\d+)?"
_AMOUNT = re.compile(
    rf"(?P<sign>[+-]?)\s*{_CURRENCY}?\s*(?P<number>{_GROUPED}|\d+(?:[.,]\d*)?|[.,]\d+)\s*(?:{_CURRENCY}|%)?", re.ASCII
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_TIME = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s*[ap]\.?m\.?)?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"(?:[a-z]{{2,9}},? )?(?:{_DAY}([./-]){_DAY}\1(?:\d{{4}}|\d\d)|\d{{4}}([./-])\d{{1,2}}\2\d{{1,2}}"
    rf"|\d{{4}}-(?:0\d|1[0-2])|{_DAY}[ ./-]+{_MONTH}[ ./-]+(?:\d{{4}}|\d\d)|{_MONTH}[ ./-]+{_DAY},? +\d{{4}})"
    rf"(?:(?:,? +|T){_TIME})?",
    re.IGNORECASE | re.ASCII,
)
_TIME_OF_DAY = re.compile(_TIME, re.IGNORECASE | re.ASCII)
_LEADING_ZERO = re.compile(r"0\d+", re.ASCII)


def hint_for_meant(text: str) -> str | None:
    """The hint for an amount, such as "$1,665.73" or "10%", a date or a time; None for any other text."""
    text = text.strip()
    if (amount := plain_number(text)) is not None:
        return f"{PLAIN} {amount}"
    if _DATE.fullmatch(text):
        return ISO
    return TIMES if _TIME_OF_DAY.fullmatch(text) else None


def plain_number(text: str) -> str | None:
    """The number of an amount with a decimal point alone, negative in parentheses; None for any other text."""
    if text[:1] == "(" and text[-1:] == ")" and text[1:2] not in ("+", "-"):
        positive = plain_number(text[1:-1].strip())
        return None if positive is None else f"-{positive}"
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    number = match["number"].replace(match["mark"] or "", "") if match["mark"] else match["number"]
    return match["sign"].strip("+") + number.replace(",", ".")


def have_leading_zeros(texts: list[str]) -> bool:
    """True for whole numbers of which some begin with a 0 before other digits, as postcodes do."""
    return any(map(_LEADING_ZERO.fullmatch, texts)) and all(text.isdecimal() for text in texts)
