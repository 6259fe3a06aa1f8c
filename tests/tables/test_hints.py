"""Texts that were meant as numbers, dates or times are refused with what to write; others are categories."""

import re

import numpy as np
import pytest

from scratchvae.errors import DTypeError, RangeError
from scratchvae.tables import TableSchema
from scratchvae.tables.hints import hint_for_meant, plain_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("1,665.73", "1665.73"), ("1.665,73", "1665.73"), ("1 665,73", "1665.73"), ("1’665.73", "1665.73")),
        *(("$1,665.73", "1665.73"), ("-$5", "-5"), ("5,50 €", "5.50"), ("100 EUR", "100"), ("USD 7", "7")),
        *(("10%", "10"), ("4.5 %", "4.5"), ("1,234,567", "1234567"), ("(1.39)", "-1.39")),
        *(("($1,665.73)", "-1665.73"), ("(-5)", None), ("((5)", None), ("()", None), ("", None)),
        *(("$10-$20", None), ("$$", None), ("12 kg", None), ("1-2", None), ("10.0.0.1", None), ("v1.2", None)),
    ],
)
def test_an_amount_is_written_as_a_plain_number(text, number):
    assert plain_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("31.12.2023", "10/27/2023", "1/2/24", "2024-03", "0000-00-00", "2024/12/31", "2024-1-5", "31 Dec 2023"),
        *("Dec 31, 2023", "31-DEC-23", "Mon, 01 Jan 2024", "31.12.2023 12:30", "10/27/2023 1:05 PM"),
    ],
)
def test_a_date_that_is_not_iso_is_recognised(text):
    assert hint_for_meant(text) == "write dates as 2024-12-31"


@pytest.mark.parametrize(
    "text", ["2019/20", "18-24", "10-19", "1:2", "a.b.c", "May", "3.2.1.0", "2024-13", "Q1 2024", ""]
)
def test_another_text_is_no_date(text):
    assert hint_for_meant(text) is None


def infer(path, values, **kinds):
    path.write_text("x;y\n" + "".join(f"{value};{'ab'[k % 2]}\n" for k, value in enumerate(values)), encoding="utf-8")
    return TableSchema.infer(path, kinds or None)


MEANT = {
    "1,665.73": "column 'x' holds '1,665.73' in row 3: write it as a plain number, such as 1665.73, or leave",
    "1.665,73": "column 'x' holds '1.665,73' in row 3: write it as a plain number, such as 1665.73, or leave",
    "$1,665.73": "column 'x' holds '$1,665.73' in row 3: write it as a plain number, such as 1665.73, or leave",
    "10%": "column 'x' holds '10%' in row 3: write it as a plain number, such as 10, or leave",
    "31.12.2023": "column 'x' holds '31.12.2023' in row 3: write dates as 2024-12-31, or leave the column out",
    "2024-03": "column 'x' holds '2024-03' in row 3: write dates as 2024-12-31, or leave the column out",
    "12:30": "write times as numbers, such as 12.5 for 12:30, or pass kinds={'x': 'category'}, or leave",
}


OTHER = dict(zip(MEANT, ("2,665.73", "2.665,73", "$2,665.73", "20%", "30.12.2023", "2024-04", "14:30"), strict=True))


@pytest.mark.parametrize("text", MEANT)
@pytest.mark.parametrize("others", ["missing", "the same kind", "numbers"])
def test_a_column_of_texts_that_were_meant_otherwise_is_refused(tmp_path, text, others):
    values = {"missing": ["NA", "", text, text, OTHER[text]], "numbers": ["1.5", "2.5", text, "4"]}
    values["the same kind"] = ["NA", "", *[text, OTHER[text]] * 50]
    with pytest.raises(DTypeError, match=re.escape(MEANT[text])) as caught:
        infer(tmp_path / "t.csv", values[others])
    assert len(caught.value.message) <= 160 and ("category" in caught.value.message) == (text == "12:30")
    assert infer(tmp_path / "t.csv", values[others], x="category").columns[0].kind == "category"
    if others == "missing":
        table = {"x": np.array([v if v not in ("NA", "") else None for v in values[others]], object)}
        with pytest.raises(DTypeError, match=re.escape(MEANT[text])):
            TableSchema.infer(table)


@pytest.mark.parametrize("text", ["0000-00-00", "31.12.2023", "soon"])
def test_another_text_among_dates_is_refused_by_its_row(tmp_path, text):
    days = [f"2024-01-{k:02}" for k in range(1, 30)]
    words = f"column 'x' holds '{text}' in row 8; expected a date, such as 2024-12-31: correct it, or write NA"
    with pytest.raises(RangeError, match=re.escape(words)):
        infer(tmp_path / "t.csv", [*days[:7], text, *days[7:]])
    assert infer(tmp_path / "t.csv", [*days[:7], "NA", *days[7:]]).columns[0].kind == "date"


def test_whole_numbers_with_leading_zeros_are_categories(tmp_path):
    schema = infer(tmp_path / "t.csv", ["05484", "12345", "05484", "00000", "NA"])
    assert schema.columns[0].values == ("00000", "05484", "12345")
    for values in (["0", "1", "2", "10"], ["0.5", "00.5", "7"], ["0", "1", "0", "1"], ["-1", "5", "0"]):
        assert infer(tmp_path / "t.csv", values).columns[0].kind != "category", values
    words = (
        "holds 100 different codes with leading zeros in 100 rows, such as '00000'; expected categories: leave it out"
    )
    with pytest.raises(DTypeError, match=words):
        infer(tmp_path / "t.csv", [f"{k:05}" for k in range(0, 100)])
    assert infer(tmp_path / "t.csv", [f"{k:05}" for k in range(100)], x="number").columns[0].kind == "number"


def test_all_columns_of_too_many_texts_are_named_at_once():
    names = {name: np.array([f"{name} {k}" for k in range(100)], object) for name in ("name", "email", "note")}
    with pytest.raises(DTypeError) as caught:
        TableSchema.infer({**names, "x": np.arange(100) / 3})
    assert caught.value.message.startswith("columns 'name', 'email', 'note' hold too many different texts; expected")
    long = {f"{'long name ' * 9}{k}": values for k, values in enumerate(list(names.values()) * 9)}
    with pytest.raises(DTypeError) as caught:
        TableSchema.infer(long)
    assert len(caught.value.message) <= 200


def test_texts_of_many_dates_in_a_table_may_become_dates():
    days = np.array([f"2024-{1 + k // 28:02}-{1 + k % 28:02}" for k in range(100)], object)
    with pytest.raises(DTypeError, match=re.escape("pass kinds={'x': 'date'}")):
        TableSchema.infer({"x": days})
