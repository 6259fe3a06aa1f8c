"""Tables of pandas, polars and PyArrow as rows of data."""

import numpy as np
import pytest
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.dataframes import column_names, dataframe_to_numpy
from scratchvae.errors import DTypeError, ShapeError

pytestmark = pytest.mark.slow  # importing these packages takes seconds
COLUMNS = ("height", "weight", "age", "income")
X = normal(0, 30, 4) * [10, 5, 20, 1000] + [170, 70, 40, 30_000]


def pandas_frame(x, columns):
    return pytest.importorskip("pandas").DataFrame(x, columns=list(columns))


def polars_frame(x, columns):
    return pytest.importorskip("polars").DataFrame(x, schema=list(columns))


def arrow_table(x, columns):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({name: x[:, k] for k, name in enumerate(columns)})


FRAMES = pytest.mark.parametrize("frame", [pandas_frame, polars_frame, arrow_table])


def trained(rows):
    model = sv.VAE(4, 2, (6,), likelihood="gaussian", seed=1)
    sv.Trainer(model, batch_size=8).fit(rows, 2)
    return model


@FRAMES
def test_columns_are_found_by_their_names_ever_after(frame, tmp_path):
    model, plain = trained(frame(X, COLUMNS)), trained(X)
    assert model.schema.columns == COLUMNS and plain.schema.columns is None
    assert np.array_equal(model.theta, plain.theta)
    order = [3, 2, 1, 0]
    swapped = frame(X[:, order], [COLUMNS[k] for k in order])
    for m in (model, _saved(model, tmp_path / "m.npz")):
        for method in (m.embed, m.reconstruct, lambda x, m=m: m.elbo(x).value):
            assert method(swapped).tobytes() == method(frame(X, COLUMNS)).tobytes() == method(X).tobytes()
    assert model.impute(swapped, samples=10).shape == X.shape


def _saved(model, path):
    sv.save(model, path)
    return sv.load(path)


@FRAMES
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            ("height", "weight", "age", "pay"),
            "lacks the column income and has pay, which the model does not know; add what is missing",
        ),
        (
            ("Height ", "weight", "age", "income"),
            "lacks the column height and has Height, which the model does not know; rename it",
        ),
        (("height", "weight", "age"), "lacks the column income; add what is missing"),
        ((*COLUMNS, "more"), "has more, which the model does not know; leave it out"),
    ],
)
def test_missing_and_further_columns_are_refused_by_name(frame, columns, words):
    with pytest.raises(ShapeError, match=words):
        trained(frame(X, COLUMNS)).embed(frame(normal(1, 3, len(columns)), columns))


def test_a_frame_with_numbered_columns_has_no_names():
    pandas = pytest.importorskip("pandas")
    assert column_names(pandas.DataFrame(X)) is None
    assert trained(pandas.DataFrame(X)).schema.columns is None
    assert column_names(X) is column_names([[1, 2]]) is None


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ShapeError, match="x has two columns named 'age'"):
        trained(pandas_frame(X, COLUMNS)).embed(pandas_frame(X, ("height", "age", "age", "income")))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2, None], "Int64", [1, 2, np.nan]),
        ([1, 2, 3], "Int64", [1, 2, 3]),
        ([1.5, None, 2.5], "Float64", [1.5, np.nan, 2.5]),
        ([True, False, None], "boolean", [1, 0, np.nan]),
        ([True, False, True], "bool", [1, 0, 1]),
        ([1, 2, None], "int64[pyarrow]", [1, 2, np.nan]),
        ([1.5, None, 2.5], "float64[pyarrow]", [1.5, np.nan, 2.5]),
        ([1, 2.5, None], "object", [1, 2.5, np.nan]),
        ([1, 2, 3], "uint8", [1, 2, 3]),
    ],
)
def test_every_dtype_of_numbers_is_read(values, dtype, expected):
    pandas = pytest.importorskip("pandas")
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": pandas.array(values, dtype=dtype), "b": [0.5, 1.5, 2.5]})
    np.testing.assert_array_equal(dataframe_to_numpy("x", frame), np.stack([expected, [0.5, 1.5, 2.5]], axis=1))


def test_missing_numbers_of_polars_and_arrow_are_nan():
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    columns = {"a": [1, None, 3], "b": [0.5, 1.5, None]}
    expected = [[1, 0.5], [np.nan, 1.5], [3, np.nan]]
    for table in (polars.DataFrame(columns), pyarrow.table(columns)):
        np.testing.assert_array_equal(dataframe_to_numpy("x", table), expected)


def test_columns_without_numbers_are_refused_by_name():
    pandas = pytest.importorskip("pandas")
    days = pandas.to_datetime(["2026-01-01"] * 30)
    frame = pandas_frame(X, COLUMNS).assign(city="Bern", day=days, kind=pandas.Categorical(["a"] * 30))
    for table in (frame, *_others(frame[["height", "city"]])):
        with pytest.raises(DTypeError, match=r"x has columns without numbers, .*city.*; expected real numbers: leave"):
            dataframe_to_numpy("x", table)


def _others(frame):
    yield pytest.importorskip("polars").from_pandas(frame)
    yield pytest.importorskip("pyarrow").Table.from_pandas(frame)


def test_whole_numbers_of_a_frame_are_standardized_and_not_divided_by_255():
    model = trained(pandas_frame((X % 200).astype(np.uint8), COLUMNS))
    assert model.schema.scale.kind == "standardize"
    assert trained((X % 200).astype(np.uint8)).schema.scale.kind == "255"


def test_labels_of_a_series_are_taken():
    pandas = pytest.importorskip("pandas")
    names = ["yes", "no", None] * 10
    for labels in (pandas.Series(names), pandas.Series(names, dtype="category"), pandas.Series(names, dtype="string")):
        model = sv.SemiSupervisedVAE(4, 2, (6,), likelihood="gaussian", classes=2)
        sv.Trainer(model).fit(pandas_frame(X, COLUMNS), 1, labels=labels)
        assert model.schema.classes == ("no", "yes")
    model.elbo(X, labels=pandas.Series([0, 1, pandas.NA] * 10, dtype="Int64"))


def test_masks_and_deviations_are_found_by_their_columns_too():
    model = sv.VAE(4, 2, (6,), likelihood="gaussian", missing=True)
    seen = uniform(1, *X.shape) > 0.3
    sv.Trainer(model).fit(pandas_frame(np.where(seen, X, np.nan), COLUMNS), 1)
    order = [2, 0, 3, 1]
    names = [COLUMNS[k] for k in order]
    imputed = model.impute(pandas_frame(X, COLUMNS), pandas_frame(seen, COLUMNS), samples=10)
    for frame in (pandas_frame, polars_frame, arrow_table):
        swapped = model.impute(frame(X[:, order], names), frame(seen[:, order], names), samples=10)
        assert np.array_equal(swapped, imputed)
    assert np.array_equal(imputed[seen], X[seen])
    labels = np.arange(30) % 2
    models = [sv.ConditionalVAE(4, 2, (6,), likelihood="gaussian", classes=2, seed=1) for _ in range(2)]
    sv.Trainer(models[0]).fit(
        pandas_frame(X, COLUMNS), 1, labels=labels, input_std=pandas_frame(abs(X) / 1000, COLUMNS)
    )
    std = pandas_frame(abs(X)[:, order] / 1000, names)
    sv.Trainer(models[1]).fit(pandas_frame(X, COLUMNS), 1, labels=labels, input_std=std)
    assert np.array_equal(models[0].theta, models[1].theta)


def test_a_row_of_a_frame_has_its_names_too():
    frame = pandas_frame(X, COLUMNS)
    model = trained(frame)
    a, b = frame.iloc[0], frame.iloc[1]
    expected = model.interpolate(X[0], X[1], 3)
    for rows in ((a, b), (a[["age", "height", "income", "weight"]], b), (frame.iloc[[0]], frame.iloc[[1]])):
        assert np.array_equal(model.interpolate(*rows, 3), expected)
    with pytest.raises(ShapeError, match=r"frame.iloc\[\[0\]\] of a table"):
        model.embed(a)
    with pytest.raises(ShapeError, match="lacks the column age"):
        model.traverse(a.drop("age"))


def test_numbered_columns_are_put_in_order():
    pandas = pytest.importorskip("pandas")
    model = trained(pandas.DataFrame(X))
    assert np.array_equal(model.embed(pandas.DataFrame(X)[[3, 1, 0, 2]]), model.embed(X))


def test_tables_that_are_not_computed_and_twice_the_same_name_are_refused():
    with pytest.raises(DTypeError, match=r"pass images.collect\(\)"):
        trained(polars_frame(X, COLUMNS).lazy())
    with pytest.raises(ShapeError, match="images has two columns named 'a'"):
        trained(pandas_frame(X, "aabc"))


def test_categories_keep_their_order_and_texts_the_natural_one():
    pandas = pytest.importorskip("pandas")
    sizes = pandas.Series(pandas.Categorical(["mid", "low", "high"] * 10, ["low", "mid", "high"], ordered=True))
    model = sv.SemiSupervisedVAE(4, 2, (6,), likelihood="gaussian", classes=3)
    sv.Trainer(model).fit(X, 1, labels=sizes)
    assert model.schema.classes == ("low", "mid", "high")
    model = sv.SemiSupervisedVAE(4, 2, (6,), likelihood="gaussian", classes=3)
    sv.Trainer(model).fit(X, 1, labels=["10", "2", None, "1", -1, float("nan")] * 5)
    assert model.schema.classes == ("1", "2", "10")
