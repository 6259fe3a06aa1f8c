"""Numbers in cells, and hints for cells that hold none."""

from math import inf, isnan

import pytest

from scratchvae.datasets import cells


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1", 1), (" -2.5 ", -2.5), ("+3", 3), (".5", 0.5),
        ("5.", 5), ("1e-3", 1e-3), ("2E5", 2e5), ("-inf", -inf),
        ("Infinity", inf), ("\u00a07", 7), ("True", 1), ("TRUE", 1), ("true", 1), ("False", 0), (" FALSE ", 0),
        ("1_000", None), ("1,5", None), ("x", None), ("0x1p3", None), ("--1", None), ("-", None), ("T", None),
        ("1 2", None), ("5%", None), ("1.5D+03", None),
    ],
)  # fmt: skip
def test_numbers_and_booleans_are_read(cell, number):
    assert cells.read_number(cell) == number


@pytest.mark.parametrize("cell", [*sorted(cells.MISSING), " ", "NA", "N/A", "NaN", "NULL", "None", "<NA>", "-1.#QNAN"])
def test_words_for_missing_numbers_are_nan(cell):
    assert isnan(cells.read_number(cell))
    assert cells.is_missing(cell)
    assert not cells.is_malformed_number(cell)


@pytest.mark.parametrize(
    ("cell", "number", "is_ambiguous"),
    [
        ("1,5", 1.5, False), ("-0,25", -0.25, False), (",5", 0.5, False), ("1,5e3", 1500, False),
        (" 2,75 ", 2.75, False), ("0,125", 0.125, False), ("1234,567", 1234.567, False),
        ("1,2345", 1.2345, False), ("1,234", 1.234, True),
        ("-12,345", -12.345, True), ("999,000", 999, True), ("1,", None, False), ("1,234,567", None, False),
        ("1,234.5", None, False), ("1.234,5", None, False), ("1,2,3", None, False), ("a,5", None, False),
        ("1.5", None, False), ("", None, False),
    ],
)  # fmt: skip
def test_decimal_commas_are_read_and_thousands_are_suspected(cell, number, is_ambiguous):
    assert cells.read_decimal_comma(cell) == number
    assert cells.may_be_thousands(cell) is is_ambiguous


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ("1,234.5", "thousands"), ("1.234,5", "thousands"),
        ("1,234,567", "thousands"), ("1'234.5", "thousands"),
        ("1’234", "thousands"), ("1\u00a0234,5", "thousands"),
        ("1\u202f234", "thousands"), ("1 234.5", "thousands"),
        ("45%", "percent"), ("4.5 %", "percent"), ("$5", "currency"), ("-$ 5", "currency"), ("5 €", "currency"),
        ("€1.234,50", "currency"), ("2024-01-31", "date"), ("31.1.2024", "date"), ("1/31/24", "date"),
        ("12:30", "time"), ("2024-01-31T12:00:00", "date"), ("2024-01", "date"),
        ("T", "1 and 0"), ("yes", "1 and 0"), ("No", "1 and 0"),
        ("-", "NA"), ("--", "zero"), ("–", "zero"), ("#DIV/0!", "formula"), ("#VALUE!", "formula"),
        ("=A1+1", "formula"), ("1\0", "UTF-8"), ("−5", "minus"),
        ("1_000", "underscores"), ("<0.1", "NA"), ("5 cm", "units"),
        ("3kg", "units"), ("'5'", "quotation"), ("(5.0)", "minus"), ("1.5D+03", "exponents"),
        ("\ufeff5", "byte-order"), ("1|2|3", "commas"), ("1 2 3", "commas"),
        ("1;2", "commas"), ("word", "label"), ("two words", "label"),
    ],
)  # fmt: skip
def test_the_hint_fits_what_is_there(cell, word):
    assert cells.read_number(cell) is None and cells.read_decimal_comma(cell) is None
    assert word in cells.hint_for(cell)
    assert len(cells.hint_for(cell)) < 90
    assert (cells.hint_for(cell) == cells.HINT) == (word == "label")


@pytest.mark.parametrize(
    ("cell", "is_malformed"),
    [
        ("1,234.5", True), ("$5", True), ("5 €", True), ("-", True),
        ("#REF!", True), ("a", False), ("$ price", False),
        ("5%", False), ("2024-01-31", False), ("x1", False),
        ("#", False), ("192.168.0.1", False), ("1.5", False),
    ],
)  # fmt: skip
def test_numbers_that_are_written_wrongly_are_no_names(cell, is_malformed):
    assert cells.is_malformed_number(cell) is is_malformed


@pytest.mark.parametrize(
    ("cell", "expected"), [(" -12 ", True), ("1.0", False), ("1e3", False), ("", False), ("a", False)]
)
def test_whole_numbers_have_digits_only(cell, expected):
    assert cells.has_digits_only(cell) is expected


def test_long_texts_are_shortened_in_messages():
    assert cells.quote("a\n") == r"'a\n'"
    assert cells.quote("x" * 41) == repr("x" * 40 + "…")
