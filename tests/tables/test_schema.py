"""What a schema finds in a table, what it makes of rows, and what it refuses."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import ConfigError, DataError, DTypeError, RangeError, ShapeError
from scratchvae.probability import Bernoulli, Categorical, GaussianDiagonal, NegativeBinomial
from scratchvae.tables import TableSchema

TABLES = Path(os.environ.get("SCRATCHVAE_DATA", "."), "tables")
PETS = {
    "legs": np.array([4, 4, 2, 6]),
    "kind": np.array(["cat", "dog", "bird", "ant"]),
    "weight": np.array([4.5, 20.0, np.nan, 0.0]),
    "tame": np.array([True, True, False, False]),
    "born": np.array(["2020-01-01", "2020-03-01", "NaT", "2021-01-01"], "M8[D]"),
    "visits": np.array([0, 0, 9, 1]),
    "planet": np.array(["Earth"] * 4),
}


def kinds(schema):
    return {column.name: column.kind for column in schema.columns}


def test_kinds_are_inferred_and_rows_have_the_numbers_of_a_kind_side_by_side():
    schema = TableSchema.infer(PETS)
    assert kinds(schema) == {
        **{"legs": "number", "kind": "category", "weight": "number", "tame": "boolean", "born": "date"},
        **{"visits": "count", "planet": "constant"},
    }
    expected = ("legs", "weight", "born", "tame", "planet", "kind=ant", "kind=bird", "kind=cat", "kind=dog", "visits")
    assert schema.names == expected and schema.width == 10
    assert schema.slices["kind"] == slice(5, 9)
    rows = schema.encode(PETS)
    np.testing.assert_allclose(np.nanmean(rows[:, :2], axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(rows[:, :2], axis=0), 1)
    np.testing.assert_array_equal(rows[0, 3:], [1, 0, 0, 0, 1, 0, 0])
    assert np.isnan(rows[2, 1:3]).all()


def test_the_likelihood_has_a_block_for_each_kind():
    likelihood = TableSchema.infer(PETS).likelihood()
    assert [(type(part), width) for part, width in likelihood.parts] == [
        (GaussianDiagonal, 3),
        (Bernoulli, 2),
        (Categorical, 4),
        (NegativeBinomial, 1),
    ]
    assert likelihood.likelihoods[2].levels == (4,)


def test_a_missing_category_is_nan_in_its_group_and_comes_back():
    table = {"kind": np.array(["a", None, "b"], object)}
    schema = TableSchema.infer(table)
    rows = schema.encode(table)
    np.testing.assert_array_equal(rows, [[1, 0], [np.nan, np.nan], [0, 1]])
    assert schema.decode([[0.4, 0.6], [np.nan, np.nan], [0.5, 0.4]])["kind"].tolist() == ["b", None, "a"]


def test_imputed_numbers_are_rounded_to_whole_ones_only_in_columns_of_whole_numbers():
    table = {"n": np.array([1, 2, 5]), "x": np.array([1.0, 2.5, 7.0]), "count": np.array([0, 0, 5])}
    schema = TableSchema.infer(table)
    decoded = schema.decode([[0.1234, 0.1234, 2.7]])
    assert decoded["n"].dtype == np.int64 and decoded["count"].tolist() == [3]
    column = schema.columns[1]
    np.testing.assert_allclose(decoded["x"], [0.1234 * column.factor + column.shift])


def test_decoded_whole_numbers_stay_within_their_type():
    table = {"n": np.array([1, 250, 7], np.uint8), "m": np.array([1, 2, 7], np.uint64)}
    schema = TableSchema.infer(table)
    decoded = schema.decode([[-9.0, -9.0], [9.0, 0.0]])
    assert decoded["n"].tolist() == [0, 255] and decoded["m"][0] == 0
    assert {name: values.dtype for name, values in decoded.items()} == {"n": np.uint8, "m": np.uint64}


def test_a_model_of_a_table_keeps_its_schema(tmp_path):
    schema = TableSchema.infer(PETS)
    rows = schema.encode(PETS)
    vae = sv.VAE(schema.width, 2, (8,), likelihood=schema.likelihood(), missing=True)
    vae.metadata["table_schema"] = schema.to_json()
    sv.Trainer(vae, batch_size=4).fit(rows, epochs=2)
    sv.save(vae, tmp_path / "pets.npz")
    loaded = sv.load(tmp_path / "pets.npz")
    assert TableSchema.from_json(loaded.metadata["table_schema"]) == schema
    filled = schema.fill(PETS, sv.to_numpy(loaded.impute(rows, samples=4)))
    assert filled["kind"].tolist() == PETS["kind"].tolist() and np.isfinite(filled["weight"]).all()
    assert filled["legs"].dtype == np.int64 and not np.isnat(filled["born"]).any()


def test_repr_is_a_table_of_the_columns():
    lines = repr(TableSchema.infer(PETS)).splitlines()
    assert lines[0] == "TableSchema of 7 columns, 10 numbers a row"
    assert lines[1].split() == ["column", "kind", "values"]
    assert lines[3].split(maxsplit=2) == ["kind", "category", "4: ant, bird, cat, dog"]
    assert len(repr(TableSchema.infer({f"c{k}": np.arange(3) for k in range(99)})).splitlines()) <= 20


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ([0, 1, 1, 0], "boolean"),
        ([0.0, 1.0, np.nan], "boolean"),
        ([0, 0, 1, 5], "count"),
        ([0.0, 0.0, 1.0, np.nan, 5.0], "count"),
        ([0, *range(1, 40)], "number"),  # few zeros, and not skewed
        ([0, *[1] * 30, 50], "count"),  # skewed
        ([1, 2, 2, 1], "number"),
        ([-1, 0, 0, 5], "number"),
        ([0, 0, 0.5, 5], "number"),
        ([2.5, 2.5], "constant"),
        ([np.nan, np.nan], "constant"),
    ],
)
def test_the_kind_of_numbers(numbers, kind):
    assert kinds(TableSchema.infer({"x": np.array(numbers)})) == {"x": kind}


def test_kinds_can_be_chosen():
    table = {
        "year": np.array([2007, 2008, 2009]),
        "flag": np.array([0, 1, 1]),
        "day": np.array(["2020-01-01"] * 2 + ["2020-02-01"]),
    }
    schema = TableSchema.infer(table, kinds={"year": "category", "flag": "number", "day": "date"})
    assert kinds(schema) == {"year": "category", "flag": "number", "day": "date"}
    assert schema.columns[0].values == (2007, 2008, 2009)
    decoded = schema.decode(schema.encode(table))
    for name, values in table.items():
        assert decoded[name].tolist() == values.tolist()


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_one_row_may_be_unknown_in_columns_of_every_kind(unknown):
    table = {
        "x": np.array([1.5, 2.5, 4.0]),
        "day": np.array(["2024-01-01", "2024-01-03", "2024-02-01"], "M8[D]"),
        "flag": np.array([True, False, True]),
        "count": np.array([0, 3, 0]),
        "kind": np.array(["ant", "bee", "ant"]),
    }
    schema = TableSchema.infer(table)
    assert np.isnan(schema.encode({name: [unknown] for name in table})).all()
    for name in table:
        row = {column: [values[1].item()] for column, values in table.items()} | {name: [unknown]}
        assert np.isnan(schema.encode(row)).sum() == (2 if name == "kind" else 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": {"yeer": "number"}}, "did you mean 'year'"),
        ({"kinds": {"year": "nominal"}}, "choose one of number, date, boolean, constant, category, count"),
        ({"kinds": {"name": "number"}}, "column 'name' holds texts, such as 'ant' in row 1; expected numbers"),
        ({"kinds": {"name": "date"}}, "column 'name' holds 'ant' in row 1; expected a date, such as 2024-12-31"),
        ({"kinds": {"year": "boolean"}}, "column 'year' holds 2007 in row 1; expected 0 and 1"),
        ({"kinds": {"year": "constant"}}, "column 'year' holds 2008 in row 2"),
        ({"kinds": {"x": "count"}}, "column 'x' holds -1.0 in row 1; expected counts"),
        ({"kinds": "year"}, "expected a dict"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(arguments, message):
    table = {"year": np.array([2007, 2008]), "name": np.array(["ant", "bee"]), "x": np.array([-1.0, 2.0])}
    with pytest.raises((ConfigError, DTypeError, RangeError), match=message):
        TableSchema.infer(table, **arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": np.array(["cat", "yak"] * 2)}, RangeError, "holds 'yak' in row 2, .* expected one of ant, bird"),
        ({"visits": np.array([0, -1, 0, 0])}, RangeError, "'visits' holds -1 in row 2; expected counts"),
        ({"visits": np.array([0, 1.5, 0, 0])}, RangeError, "'visits' holds 1.5 in row 2; expected counts"),
        ({"tame": np.array([0, 2, 0, 0])}, RangeError, "'tame' holds 2 in row 2; expected 0 and 1"),
        ({"legs": np.array(["4", "4", "4", "4"])}, DTypeError, "'legs' holds texts, such as .* row 1; expected num"),
        ({"weight": np.array([1, 2, 3, np.inf])}, RangeError, "'weight' holds inf in row 4; expected finite"),
        ({"born": np.array(["2020-01-01", "31.1.20", "", ""])}, RangeError, "holds '31.1.20' in row 2; .* a date"),
        ({"born": np.arange(4)}, DTypeError, "'born' holds numbers, such as .* in row 1; expected dates"),
        ({"planet": np.array(["Mars"] * 4)}, RangeError, "'planet' holds 'Mars' in row 1; expected Earth"),
        ({"legs": None}, ShapeError, "table lacks the column legs; add what is missing"),
        ({"colour": np.arange(4)}, ShapeError, "table has colour, which the schema does not know; leave it out"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_the_schema_is_refused(change, error, message):
    schema = TableSchema.infer(PETS)
    table = {name: values for name, values in {**PETS, **change}.items() if values is not None}
    with pytest.raises(error, match=message):
        schema.encode(table)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ({}, ShapeError, "table has no columns"),
        ({"x": np.array([])}, ShapeError, "table has no rows"),
        ({"x": np.arange(3), "y": np.arange(2)}, ShapeError, "columns of different lengths"),
        ({"x": np.ones((2, 2))}, ShapeError, r"column 'x' has shape \(2, 2\)"),
        ({"x": np.array([1, "a"], object)}, DTypeError, "'x' holds numbers and texts; expected values of one form"),
        ({"x": np.array([{}, {}], object)}, DTypeError, "'x' holds a dict"),
        ({"x": np.array([1 + 2j, 2])}, DTypeError, "'x' holds a complex"),
        ({"x": np.array([1.0, np.inf])}, RangeError, "column 'x' holds infinity"),
        ({"id": np.array([2**60, 2**60 + 1])}, RangeError, r"'id' holds whole numbers beyond 2\*\*53"),
        ({(1, 2): np.arange(2)}, DTypeError, r"a column named \(1, 2\)"),
        ({"id": np.array([f"id{k}" for k in range(99)])}, DTypeError, "'id' holds 99 different texts in 99 rows"),
        (np.ones((2, 2)), DTypeError, "table is a ndarray; expected a table of pandas, polars or PyArrow"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(table, error, message):
    with pytest.raises(error, match=message):
        TableSchema.infer(table)


def test_rows_and_texts_that_are_none_of_the_schema_are_refused():
    schema = TableSchema.infer(PETS)
    with pytest.raises(ShapeError, match=r"rows have shape \(1, 3\); expected \(N, 10\)"):
        schema.decode([[1, 2, 3]])
    with pytest.raises(DTypeError, match="expected the numbers of encode"):
        schema.decode([["a"]])
    saved = schema.to_json()
    damaged = [saved.replace("category", "one-hot"), saved.replace('"factor": 1.0', '"factor": 0')]
    for text in (
        *damaged,
        "",
        "{}",
        "[]",
        '{"columns": [], "package": "pandas"}',
        '{"columns": [{"name": 1}], "package": "pandas"}',
    ):
        with pytest.raises(ConfigError, match=r"expected the text of TableSchema\.to_json"):
            TableSchema.from_json(text)


def test_categories_that_are_intervals_are_refused():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"age": pandas.cut([1, 5, 9], [0, 4, 10])})
    with pytest.raises(DTypeError, match="column 'age' has categories of type Interval"):
        TableSchema.infer(table)
    assert kinds(TableSchema.infer(table.astype(str))) == {"age": "category"}


# --- files

FILE = """,size,colour,when,ok,n
0,1.5,red,2024-01-01,true,0
1,NA,blue,2024-01-02,false,0
2,2.5,NA,,NA,7
3,3,red,2024-02-01,true,1
"""


def test_a_file_is_read_by_its_cells(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(FILE)
    schema = TableSchema.infer(path)
    assert kinds(schema) == {"size": "number", "colour": "category", "when": "date", "ok": "boolean", "n": "count"}
    decoded = schema.decode(schema.encode(str(path)))
    np.testing.assert_array_equal(decoded["size"], [1.5, np.nan, 2.5, 3])
    assert decoded["colour"].tolist() == ["red", "blue", None, "red"]
    np.testing.assert_array_equal(decoded["when"], np.array(["2024-01-01", "2024-01-02", "NaT", "2024-02-01"], "M8[D]"))
    assert decoded["ok"].tolist() == [True, False, None, True] and decoded["n"].tolist() == [0, 0, 7, 1]
    (tmp_path / "semicolons.csv").write_text(FILE.replace(",", ";").replace(".", ","))
    np.testing.assert_array_equal(schema.encode(tmp_path / "semicolons.csv"), schema.encode(path))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("a,b\n1,x\n2,y\n3,x,4\n", DataError, "line 4: 3 cells, and 2 in the first row"),
        ("a,b\n", DataError, "holds no rows below its first"),
        ("1,2\n3,4\n", DataError, "line 1 holds numbers alone; expected names"),
        ("a,,c\n1,2,3\n", DataError, "column 2 has no name"),
        ('a,b\n1,"x\n', DataError, "a quotation mark that is not closed"),
        ("a\n1\n2\n3\n12 kg\n", DTypeError, "column 'a' holds numbers, and '12 kg': write numbers without units"),
        ("a\n1\n2\n3\n12 USD\n", DTypeError, "'12 USD' in row 4: write it as a plain number, such as 12, or leave"),
        ("a,a\n1,2\n", ShapeError, "two columns named 'a'"),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path, text, error, message):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(error, match=message):
        TableSchema.infer(path)


def test_a_file_that_does_not_fit_is_refused(tmp_path):
    path, other = tmp_path / "t.csv", tmp_path / "o.csv"
    path.write_text(FILE)
    schema = TableSchema.infer(path)
    for old, new, message in [
        ("red", "pink", "column 'colour' holds 'pink'"),
        ("size", "length", "lacks the column size and has length"),
        ("2024-02-01", "1.2.2024", "column 'when' holds '1.2.2024' in row 4; expected a date"),
        ("1.5", "big", "column 'size' holds 'big' in row 1; expected a number"),
    ]:
        other.write_text(FILE.replace(old, new))
        with pytest.raises((RangeError, ShapeError), match=message):
            schema.encode(other)
    with pytest.raises(DataError, match=r"expected a \.csv or \.tsv file"):
        schema.encode("t.txt")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        schema.encode(tmp_path / "none.csv")


@pytest.mark.skipif(not TABLES.is_dir(), reason="the tables are not on this machine")
def test_the_kinds_of_known_tables():
    diamonds = kinds(TableSchema.infer(TABLES / "diamonds.csv"))
    assert diamonds["price"] == "number" and diamonds["carat"] == "number" and diamonds["cut"] == "category"
    penguins = kinds(TableSchema.infer(TABLES / "penguins.csv"))
    assert [name for name, kind in penguins.items() if kind == "category"] == ["species", "island", "sex"]
    assert {penguins[name] for name in ("year", "body_mass_g", "bill_length_mm")} == {"number"}
    randhie = kinds(TableSchema.infer(TABLES / "randhie.csv"))
    assert randhie["mdvis"] == "count" and randhie["idp"] == "boolean" and randhie["lncoins"] == "number"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a,b\nx,"1,234"\ny,"2,500"\n', "line 2, column 'b': the comma in '1,234' may mark decimals or thousands"),
        ("a;b\nx;1.234\ny;2.500\n", "line 2, column 'b': the point in '1.234' may mark decimals or thousands"),
        ("a;b\nx;1\ny;2,500\n", "line 3, column 'b': the comma in '2,500' may mark decimals or thousands"),
    ],
)
def test_a_mark_that_may_be_of_thousands_is_refused(tmp_path, text, words):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(words)):
        TableSchema.infer(path)


@pytest.mark.parametrize("text", ['a,b\nx,"1,234"\ny,"0,5"\n', "a;b\nx;1.234\ny;0.5\n", "a,b\nx,1.234\ny,2.500\n"])
def test_a_mark_that_another_number_shows_to_be_decimal_is_read(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    schema = TableSchema.infer(path)
    assert schema.decode(schema.encode(path))["b"][0] == 1.234
