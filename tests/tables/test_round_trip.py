"""decode(encode(table)) is the table, for every package and every kind of column."""

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchvae.tables import TableSchema

ROWS = 40
DAY = datetime.date(2020, 1, 1)
PACKAGES = ("pandas", "polars", "pyarrow", "numpy")


def columns(seed, rows=ROWS, missing=0.2):
    """A column of each form, as lists of Python, with None where a value is missing."""
    rng = np.random.default_rng(seed)
    made = {
        "decimal": [round(float(x), 2) for x in rng.normal(50, 30, rows)],
        "integer": [int(n) for n in rng.integers(-(10**6), 10**6, rows)],
        "single": [float(np.float32(x)) for x in rng.normal(size=rows)],
        "flag": [bool(b) for b in np.arange(rows) % 2],
        "zero or one": [int(b) for b in np.arange(rows) % 2],
        "word": [("ant", "bee", "čmelák", "")[k % 4] for k in rng.permutation(rows)],
        "count": [int(n) for n in np.r_[np.zeros(8, int), rng.poisson(2, rows - 8)]],
        "moment": [
            datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=int(s)) for s in rng.integers(0, 10**8, rows)
        ],
        "same": ["one"] * rows,
    }
    for values in made.values():
        for k in np.flatnonzero(rng.random(rows) < missing):
            values[k] = None
    return made


def table_of(package, made):
    if package == "pandas":
        pandas = pytest.importorskip("pandas")
        kinds = {"integer": "Int64", "single": "float32", "flag": "boolean", "zero or one": "Int8", "count": "UInt16"}
        return pandas.DataFrame({name: pandas.Series(v, dtype=kinds.get(name)) for name, v in made.items()})
    if package == "polars":
        polars = pytest.importorskip("polars")
        return polars.DataFrame(made).with_columns(polars.col("single").cast(polars.Float32))
    if package == "pyarrow":
        pyarrow = pytest.importorskip("pyarrow")
        single = pyarrow.array(made["single"], pyarrow.float32())
        return pyarrow.table({**made, "single": single})
    arrays = {name: np.array(v, object if None in v else None) for name, v in made.items()}
    single = np.array([np.nan if x is None else x for x in made["single"]], np.float32)
    return {**arrays, "single": single, "moment": np.array(made["moment"], "M8[s]")}


def assert_same(package, table, other):
    if package == "pandas":
        pytest.importorskip("pandas").testing.assert_frame_equal(table, other, check_exact=True)
    elif package == "polars":
        pytest.importorskip("polars.testing").assert_frame_equal(table, other, check_exact=True)
    elif package == "pyarrow":
        assert table.schema == other.schema and table.equals(other)
    else:
        assert list(table) == list(other)
        for name, values in table.items():
            for a, b in zip(values.tolist(), other[name].tolist(), strict=True):
                assert a == b or all(value is None or value != value for value in (a, b)), name


@pytest.mark.parametrize("package", PACKAGES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0.0, 0.2, 0.7]))
def test_a_table_comes_back_exactly(package, seed, missing):
    made = columns(seed, missing=missing)
    table = table_of(package, made)
    schema = TableSchema.infer(table)
    rows = schema.encode(table)
    assert rows.shape == (ROWS, schema.width) and rows.dtype == np.float64
    assert_same(package, table, schema.decode(rows))
    assert_same(package, table, schema.decode(rows, like=table))
    saved = TableSchema.from_json(schema.to_json())
    assert saved == schema
    np.testing.assert_array_equal(saved.encode(table), rows)
    assert_same(package, table, saved.decode(rows))


@pytest.mark.parametrize("like", PACKAGES)
def test_a_table_is_decoded_as_one_of_another_package(like):
    made = columns(0)
    rows = TableSchema.infer(table_of("numpy", made)).encode(table_of("numpy", made))
    for package in PACKAGES:
        table = table_of(package, made)
        schema = TableSchema.infer(table)
        decoded = schema.decode(rows, like=table_of(like, made))
        np.testing.assert_allclose(schema.encode(decoded), rows, atol=1e-7)


@settings(max_examples=50, deadline=None)
@given(numbers=st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=30), missing=st.integers(0, 1))
def test_any_numbers_come_back_to_a_part_of_their_range(numbers, missing):
    table = {"x": np.array([*numbers, *[np.nan] * missing])}
    schema = TableSchema.infer(table, kinds={"x": "number"})
    back = schema.decode(schema.encode(table))["x"]
    np.testing.assert_allclose(back, table["x"], rtol=0, atol=8e-16 * max(np.abs(numbers).max(), 1e-300) + 1e-300)


def test_types_of_pandas():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {
            "size": pandas.Categorical(["M", "S", None, "L"], ["S", "M", "L", "XL"], ordered=True),
            "code": pandas.Categorical([3, 1, 3, None], [3, 2, 1]),
            "zone": pandas.to_datetime(["2024-03-31 00:30", None, "2024-03-31 12:00", "2024-10-27 00:00"]).tz_localize(
                "Europe/Berlin"
            ),
            "object": pandas.Series(["a", "b", "a", "b"], dtype=object),
            "text": pandas.Series(["a", None, "a", "b"], dtype="string"),
            "bools": pandas.Series([True, False, None, True], dtype=object),
            "empty": [np.nan] * 4,
            "fixed": [7] * 4,
            "day": pandas.Series([DAY, DAY + datetime.timedelta(1), DAY, DAY]).astype("datetime64[s]"),
        }
    ).set_axis(["p", "q", "r", "s"])
    schema = TableSchema.infer(table)
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds == {
        **dict.fromkeys(("size", "code", "object", "text"), "category"),
        **dict.fromkeys(("zone", "day"), "date"),
        **dict.fromkeys(("empty", "fixed"), "constant"),
        "bools": "boolean",
    }
    assert schema.columns[0].values == ("S", "M", "L", "XL")
    assert_same("pandas", table, schema.decode(schema.encode(table), like=table))
    assert_same(
        "pandas", table.reset_index(drop=True), TableSchema.from_json(schema.to_json()).decode(schema.encode(table))
    )


def test_types_of_pandas_from_arrow_and_of_python():
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    table = pyarrow.table(columns(0)).append_column(
        "day", pyarrow.array([DAY, None, *[DAY.replace(day=9)] * (ROWS - 2)])
    )
    frame = table.to_pandas(types_mapper=pandas.ArrowDtype)
    schema = TableSchema.infer(frame)
    assert_same("pandas", frame, schema.decode(schema.encode(frame), like=frame))
    days = pandas.DataFrame({"day": [DAY, DAY.replace(day=4), None]}, dtype=object)
    schema = TableSchema.infer(days)
    assert_same("pandas", days, schema.decode(schema.encode(days)))
    texts = pandas.DataFrame({"day": ["2020-01-01", "2020-02-01", None]})
    schema = TableSchema.infer(texts, kinds={"day": "date"})
    assert_same("pandas", texts, schema.decode(schema.encode(texts)))


def test_types_of_polars():
    polars = pytest.importorskip("polars")
    moment = datetime.datetime(2024, 1, 1, 12)
    table = polars.DataFrame(
        {
            "day": [DAY, None, DAY.replace(day=5)],
            "zone": [moment, moment.replace(day=3), None],
            "size": ["S", "L", None],
        },
        schema={"day": polars.Date, "zone": polars.Datetime("ms", "Asia/Tokyo"), "size": polars.Enum(["S", "M", "L"])},
    ).with_columns(polars.lit(None).alias("empty"), polars.Series("cat", ["x", "y", "x"], dtype=polars.Categorical))
    schema = TableSchema.infer(table)
    assert [column.kind for column in schema.columns] == ["date", "date", "category", "constant", "category"]
    assert_same("polars", table, schema.decode(schema.encode(table)))
    assert_same("polars", table, TableSchema.from_json(schema.to_json()).decode(schema.encode(table)))


def test_types_of_pyarrow():
    pyarrow = pytest.importorskip("pyarrow")
    moment = datetime.datetime(2024, 1, 1, 12)
    table = pyarrow.table(
        {
            "day": pyarrow.array([DAY, None, DAY.replace(day=5)], pyarrow.date32()),
            "zone": pyarrow.array([moment, moment.replace(day=3), None], pyarrow.timestamp("ms", "Asia/Tokyo")),
            "size": pyarrow.array(["S", "L", None]).dictionary_encode(),
            "small": pyarrow.array([1, None, -7], pyarrow.int8()),
            "empty": pyarrow.nulls(3),
        }
    )
    schema = TableSchema.infer(table)
    assert [column.kind for column in schema.columns] == ["date", "date", "category", "number", "constant"]
    assert_same("pyarrow", table, schema.decode(schema.encode(table)))
    assert_same("pyarrow", table, TableSchema.from_json(schema.to_json()).decode(schema.encode(table)))
