"""Cells are written in the form that their column has in the file."""

import csv

import numpy as np
import pytest

from scratchvae.errors import ConfigError
from scratchvae.tables import TableSchema
from scratchvae.tables.layout import find_layout, is_layout, write_dates, write_number
from scratchvae.tables.reading import read_file
from scratchvae.tables.texts import fill_cells, rows_to_cells

DATES = {
    "0000-00-00T00:00:00Z": ["2024-01-02T10:00:00Z", "2024-01-03T00:00:00Z", "2024-02-01T07:00:00Z"],
    "0000-00-00 00:00:00": ["2023-10-27 12:10:55", "2023-10-28 00:00:00", "2023-11-27 12:00:00"],
    "0000-00-00 00:00": ["2023-10-27 12:10", "2023-10-28 00:00", "2023-11-27 12:00"],
    "0000-00-00": ["2023-10-27", "2023-10-28", "2023-11-27"],
    "0000-00-00T00:00:00.000": ["2023-10-27T12:10:55.250", "2023-10-28T00:00:00.000", "2023-11-27T12:00:00.000"],
    "0000-00-00 00:00:00+02:00": [
        "2024-06-02 10:00:00+02:00",
        "2024-06-03 00:30:00+02:00",
        "2024-07-01 07:00:00+02:00",
    ],
}
NUMBERS = {
    "0.00": ["499999.50", "500001.00", "1.25", "-0.00"],
    "0.0": ["1.0", "2.0", "5.0"],
    "0.000e": ["2.730e-10", "1.100e-09", "-4.000e+02"],
    "0.0E": ["2.7E-10", "1.1E-09", "4.0E-10"],
    "": ["1.5", "2", "3.25"],
    "0.00000000000000000000"[:19]: ["0.00000000001234500", "0.00000000001234567", "0.00000000009234567"],
}  # fmt: skip
WORDS = {"True": ["True", "False", "True"], "TRUE": ["FALSE", "TRUE", "FALSE"], "true": ["true", "false", "true"]}


def write(path, columns):
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(zip(*columns.values(), strict=True))
    return path


def cells(path, values):
    return read_file(write(path, {"x": values, "y": ["a"] * len(values)})).cells[0]


@pytest.mark.parametrize("kind", ["date", "number", "boolean"])
def test_the_layout_of_the_cells_is_that_of_the_file(tmp_path, kind):
    for layout, values in {"date": DATES, "number": NUMBERS, "boolean": WORDS}[kind].items():
        assert find_layout(cells(tmp_path / "x.csv", values), kind) == layout and is_layout(layout)


@pytest.mark.parametrize("values", [*DATES.values(), *NUMBERS.values(), *WORDS.values()], ids=lambda v: v[0])
def test_rows_are_written_with_the_texts_of_the_file(tmp_path, values):
    path = write(tmp_path / "x.csv", {"x": values, "y": ["a"] * len(values)})
    schema = TableSchema.from_json(TableSchema.infer(path).to_json())
    written = rows_to_cells(schema, schema.encode(path))["x"]
    assert written == [value.replace("-0.00", "0.00") if value == "-0.00" else value for value in values]


@pytest.mark.parametrize(
    ("kind", "learned", "values"),
    [
        *(("date", ["2024-05-06T07:08", "2024-05-06T07:09"], values) for values in DATES.values()),
        *(("number", ["1", "7.5", "2.25"], values) for values in NUMBERS.values()),
        *(("boolean", ["1", "0"], values) for values in WORDS.values()),
        ("boolean", ["true", "false"], ["1", "0", "1"]),
    ],
)
def test_filled_cells_have_the_form_of_the_file_that_is_filled(tmp_path, kind, learned, values):
    schema = TableSchema.infer(write(tmp_path / "learned.csv", {"x": learned, "y": ["a"] * len(learned)}), {"x": kind})
    path = write(tmp_path / "x.csv", {"x": [*values, ""], "y": ["a"] * (len(values) + 1)})
    rows = schema.encode(path)
    rows[np.isnan(rows)] = 1.0
    missing = np.array([[False, False]] * len(values) + [[True, False]])
    new = fill_cells(schema, read_file(path), rows, missing)["x"][-1]
    layout = find_layout(read_file(path).cells[0], kind)
    assert new and find_layout(cells(tmp_path / "new.csv", [*values, new]), kind) == layout
    assert kind != "boolean" or new in values


def test_columns_of_dates_that_were_filled_can_be_read_by_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    for values in DATES.values():
        path = write(tmp_path / "x.csv", {"x": [*values, ""], "y": ["a", "b", "a", "b"]})
        schema = TableSchema.infer(path)
        rows = schema.encode(path)
        rows[np.isnan(rows)] = 0.1234
        missing = np.array([[False, False]] * 3 + [[True, False]])
        assert pandas.to_datetime(fill_cells(schema, read_file(path), rows, missing)["x"]).notna().all()


def test_large_numbers_are_decoded_in_float64_from_rows_in_float32(tmp_path):
    seconds = [str(1_700_000_000 + k) for k in range(100)]
    path = write(tmp_path / "x.csv", {"x": seconds, "y": ["a", "b"] * 50})
    schema = TableSchema.infer(path)
    rows = schema.encode(path).astype(np.float32)
    assert rows_to_cells(schema, rows)["x"] == seconds
    column = schema.columns[0]
    assert column.decode(rows[:, schema.slices["x"]])[0].tolist() == list(map(int, seconds))


def test_dates_and_numbers_beyond_a_layout_are_still_written():
    assert write_dates(np.array(["-0044-03-15", "12000-01-01"], "M8[D]"), "0000-00-00") == [
        "-044-03-15",
        "12000-01-01",
    ]
    assert write_dates(np.array(["2024-12-31T23:30"], "M8[m]"), "0000-00-00T00:00+05:30") == ["2025-01-01T05:00+05:30"]
    assert write_number(1e300, "0.00") == "1e+300" and write_number(-0.001, "0.00") == "0.00"


@pytest.mark.parametrize("layout", ["x", "0.", "00", "0000-00", "0.00f", 7])
def test_a_damaged_layout_is_refused(layout):
    schema = TableSchema.infer({"x": np.array([1.5, 2.5])})
    text = schema.to_json().replace(
        '"layout": ""', f'"layout": {layout if layout == 7 else chr(34) + layout + chr(34)}'
    )
    with pytest.raises(ConfigError, match="expected the text of TableSchema"):
        TableSchema.from_json(text)
