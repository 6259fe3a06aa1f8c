"""Text tables: layouts, missing values, labels and refusals."""

import csv
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from scratchvae.cli.outputs import write_array
from scratchvae.datasets import load, tables
from scratchvae.errors import DataError

LINES = [f"{k},{k}.5,-{k}e-2" for k in range(12)]
ROWS = np.array([[k, k + 0.5, -k * 1e-2] for k in range(12)])


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def lines(*changed, first="a,b,c"):
    """The table with the header `first` and some lines replaced."""
    rows = [first, *LINES]
    for k, line in changed:
        rows[k - 1] = line
    return "\n".join(rows)


def assert_refused(path, *words):
    with pytest.raises(DataError) as refusal:
        load(path)
    for word in (str(path), *words):
        assert word in refusal.value.message


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte-order mark"])
@pytest.mark.parametrize("between", [",", ";", "\t", ", "])
@pytest.mark.parametrize("names", [[], ["a,b,c"]], ids=["bare", "under names"])
def test_the_same_numbers_are_read_from_any_layout(write, end, mark, between, names):
    table_lines = [between.join(line.split(",")) for line in names + LINES]
    data = load(write(mark + end.join([*table_lines, "", " ", ""])))
    assert (data.name.endswith("table.csv"), data.image_shape) == (True, None)
    rows = data.part("all")
    assert rows.labels is None
    assert rows.images.dtype == np.float64
    assert np.array_equal(rows.images, ROWS)
    assert np.array_equal(data.test.images, ROWS[9:10])


@given(st.integers(10, 40), st.integers(1, 9), st.sampled_from(["excel", "excel-tab", "unix"]), seeds)
def test_files_of_the_csv_module_are_read_bit_for_bit(tmp_path_factory, rows, columns, dialect, seed):
    numbers = np.random.default_rng(seed).normal(size=(rows, columns)) * 10.0 ** np.arange(columns)
    path = tmp_path_factory.mktemp("csv") / f"table.{'tsv' if dialect == 'excel-tab' else 'csv'}"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, dialect).writerows(numbers.tolist())
    assert np.array_equal(load(path).part("all").images, numbers)


@given(st.integers(10, 30), st.integers(1, 5), st.booleans(), seeds)
def test_files_of_embed_are_read_with_their_labels(tmp_path_factory, rows, columns, labelled, seed):
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(rows, columns)).astype(np.float32)
    labels = rng.integers(-1, 5, rows) if labelled else None
    path = tmp_path_factory.mktemp("csv") / "codes.csv"
    write_array(codes, str(path), [f"z{k}" for k in range(columns)], labels)
    data = load(path)
    assert np.array_equal(data.part("all").images.astype(np.float32), codes)
    if labelled:
        assert data.train.labels.dtype == np.int64
        assert np.array_equal(data.part("all").labels, labels)
        assert np.array_equal(data.test.labels, labels[9::10])
    else:
        assert data.train.labels is data.test.labels is None


@pytest.mark.parametrize("cell", ["", " ", "NA", "N/A", "nan", "NaN", "?", "null", "#N/A"])
def test_missing_cells_become_nan(write, cell):
    rows = load(write(lines((4, f"{cell},2.5,-2e-2"), (13, f"11,{cell},{cell}")))).part("all").images
    assert np.argwhere(np.isnan(rows)).tolist() == [[2, 0], [11, 1], [11, 2]]
    assert np.array_equal(np.where(np.isnan(rows), 0, rows), np.where(np.isnan(rows), 0, ROWS))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([3, 0, "2.0", "", "NA", -1] * 2, [3, 0, 2, -1, -1, -1] * 2),
        (["b", "a", "ä", "", " b", "10"] * 2, [2, 1, 3, -1, 2, 0] * 2),
    ],
    ids=["whole numbers", "names"],
)
@pytest.mark.parametrize("column", [0, 1, 3])
@pytest.mark.parametrize("name", ["label", " Label "])
def test_a_column_named_label_contains_the_labels(write, labels, expected, column, name):
    cells = [["a", "b", "c"], *(line.split(",") for line in LINES)]
    for row, cell in zip(cells, [name, *labels], strict=True):
        row.insert(column, str(cell))
    rows = load(write("\n".join(map(",".join, cells)))).part("all")
    assert np.array_equal(rows.images, ROWS)
    assert rows.labels.tolist() == expected


def test_quoted_names_may_contain_commas_and_line_breaks(write):
    text = lines(first='"a, in\nwords","b;;;;;;",c')
    assert np.array_equal(load(write(text)).part("all").images, ROWS)
    assert_refused(write(text.replace("3,3.5", "3,x")), "line 6, column 2 ('b;;;;;;'): 'x'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (lines((4, "2,two,-2e-2")), ["line 4, column 2 ('b'): 'two' is not a number", "NA", "label"]),
        (lines((3, "2,two,-2e-2"), first=LINES[0]), ["line 3, column 2: 'two'"]),
        (lines((5, "x,3,c"), first="b,label,a"), ["line 5, column 1 ('b'): 'x'"]),
        (lines((5, "3,c,x"), first="b,label,a"), ["line 5, column 3 ('a'): 'x'"]),
        (lines((4, "1_000,2,3")), ["line 4, column 1 ('a'): '1_000'"]),
        (lines((4, "2," + "x" * 1000 + ",2")), ["line 4", "x" * 40 + "…"]),
        (lines((4, "2,2.5")), ["line 4: 2 cells, and 3"]),
        (lines((4, "2,2.5,1,1")), ["line 4: 4 cells, and 3"]),
        (lines((4, '2,"2.5,1')), ["line", "table.csv"]),
        (lines((4, '2,"2"5,1')), ["line 4"]),
        ("a;b\n" + "1,5;1\n" * 12, ["line 2, column 1 ('a'): '1,5'", "decimal point"]),
        (lines((4, "2,2.5\0,1")), ["line 4"]),
        (lines(first="label,label,c"), ["2 columns named 'label'"]),
        (lines(first="label,b,c").replace("3,3.5", "0.5,3.5"), ["label '0.5'", "whole numbers"]),
        ("a,b\n", ["no rows"]),
        ("label\n" + "1\n" * 20, ["no rows"]),
        ("\n\n", ["no rows"]),
        ("", ["no rows"]),
        ("1,2\n" * 9, ["9 rows", "at least 10"]),
        ("1,2\n".encode("utf-16"), ["UTF-8", "byte 0"]),
        (b"1,2\n" * 99999 + b"\xff", ["UTF-8"]),
    ],
)
def test_an_invalid_table_is_refused_by_line_and_column(write, text, words):
    assert_refused(write(text), *words)


@pytest.mark.parametrize("text", ["1" * (1 << 23), "1," * (1 << 22), '"' + "1\n" * (1 << 22), '"",' * (1 << 21)])
def test_a_too_long_row_is_refused(write, text):
    path = write("a,b\n" + text)
    tracemalloc.start()
    try:
        assert_refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6


def test_invalid_labels_are_refused(write, monkeypatch):
    monkeypatch.setattr(tables, "MOST_CLASSES", 11)
    assert_refused(write(lines(first="label,b,c")), "more than 11 different labels")
    monkeypatch.setattr(tables, "MOST_CLASSES", 12)
    assert load(write(lines(first="label,b,c"))).part("all").labels.tolist() == list(range(12))


def test_a_table_is_not_copied(write):
    path = write("0.25,0.5,0.75,1.25\n" * 50_000)
    tracemalloc.start()
    try:
        data = load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data.train.images) == 45_000
    assert peak < 1.4 * 50_000 * 4 * 8


def test_a_first_row_with_a_typo_is_not_a_header(write):
    text = "\n".join(["0.1,o.2,0.3", *LINES])
    assert_refused(write(text), "line 1", "'o.2' is not a number, and '0.1' is", "expected only names")
    assert len(load(write("\n".join(["NA,,0.3", *LINES]))).part("all").images) == len(LINES) + 1
    assert len(load(write("\n".join(["a,NA,c", *LINES]))).part("all").images) == len(LINES)
