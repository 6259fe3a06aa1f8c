"""Estimators of tables whose columns are of several kinds."""

import copy
import pickle

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.estimators.estimator import default_hidden
from scratchvae.tables import TableSchema

pandas = pytest.importorskip("pandas")
ROWS = 80


def frame(missing=0.1, seed=0):
    """Animals: a number, a whole number, a category with an order, a text, booleans, dates and counts."""
    rng = np.random.default_rng(seed)
    large = rng.random(ROWS) < 0.5
    table = pandas.DataFrame(
        {
            "weight": np.where(large, 20, 5) + rng.normal(size=ROWS).round(2),
            "legs": rng.integers(2, 9, ROWS),
            "size": pandas.Categorical(np.where(large, "L", "S"), ["S", "L"], ordered=True),
            "name": np.where(large, "dog", "cat"),
            "tame": large,
            "born": pandas.Timestamp("2020-01-01") + pandas.to_timedelta(rng.integers(0, 900, ROWS), "D"),
            "visits": rng.poisson(np.where(large, 3, 0.3)),
        },
        index=[f"row {k}" for k in range(ROWS)],
    )
    for name in ("weight", "size", "name", "born"):
        table.loc[rng.random(ROWS) < missing, name] = None
    return table


def fast(kind=sv.VAEEmbedding, **settings):
    return kind(**{"max_iter": 5, **settings})


@pytest.fixture(scope="module")
def imputer():
    return sv.VAEImputer(max_iter=60).fit(frame())


def test_the_schema_is_inferred_and_kept_with_the_model(tmp_path):
    estimator = fast().fit(frame())
    assert estimator.schema_ == TableSchema.infer(frame())
    assert estimator.n_features_in_ == 7 and list(estimator.feature_names_in_) == list(frame().columns)
    sv.save(estimator.vae_, tmp_path / "vae.npz")
    assert TableSchema.from_json(sv.load(tmp_path / "vae.npz").metadata["table_schema"]) == estimator.schema_
    assert estimator.vae_.config["hidden"] == (32, 32)
    assert default_hidden(10000, True) == (128, 128) and default_hidden(10000, False) == (256,)


def test_codes_become_a_table_and_so_do_samples():
    table = frame()
    estimator = fast(n_components=3)
    codes = estimator.fit_transform(table)
    assert codes.shape == (ROWS, 3)
    for made in (estimator.inverse_transform(codes), estimator.sample(5)):
        pandas.testing.assert_series_equal(made.dtypes, table.dtypes)
        assert set(made["name"]) <= {"cat", "dog"} and not made.isna().any(axis=None)
    assert estimator.score(table) == estimator.score_samples(table).mean()


def test_columns_are_found_by_their_names():
    estimator = fast().fit(frame())
    np.testing.assert_array_equal(estimator.transform(frame()[frame().columns[::-1]]), estimator.transform(frame()))


def test_the_order_of_the_rows_changes_nothing():
    table, order = frame(), np.random.default_rng(1).permutation(ROWS)
    first, second = fast().fit(table), fast().fit(table.iloc[order])
    assert first.schema_ == second.schema_
    np.testing.assert_array_equal(first.transform(table), second.transform(table))


def test_an_imputer_fills_in_a_table_of_the_same_types(imputer):
    table = frame()
    filled = imputer.transform(table)
    pandas.testing.assert_series_equal(filled.dtypes, table.dtypes)
    pandas.testing.assert_index_equal(filled.index, table.index)
    assert not filled.isna().any(axis=None)
    for name in table:
        known = table[name].notna()
        pandas.testing.assert_series_equal(filled[name][known], table[name][known])
    named = table["name"].notna() & table["size"].isna()
    assert (filled["size"][named] == np.where(table["name"][named] == "dog", "L", "S")).mean() > 0.8


def test_observed_numbers_are_unchanged_to_the_last_bit(imputer):
    table = frame()
    table["weight"] = table["weight"] * np.pi
    known = table["weight"].notna().to_numpy()
    filled = sv.VAEImputer(max_iter=1).fit_transform(table)["weight"].to_numpy()
    np.testing.assert_array_equal(filled[known], table["weight"].to_numpy()[known])


def test_an_imputer_of_complete_rows_fills_in_others():
    filled = fast(sv.VAEImputer).fit(frame(missing=0)).transform(frame())
    assert not filled.isna().any(axis=None)


def test_outliers_are_found_in_a_table():
    table = frame(missing=0)
    detector = sv.VAEOutlierDetector(contamination=0.05, max_iter=100).fit(table)
    strange = table.iloc[:1].assign(weight=500.0)
    assert detector.predict(strange)[0] == -1 and (detector.predict(table) == 1).mean() > 0.9


@pytest.mark.parametrize("package", ["polars", "pyarrow"])
def test_tables_of_other_packages(package, imputer):
    module = pytest.importorskip(package)
    table = (
        module.from_pandas(frame()) if package == "polars" else module.Table.from_pandas(frame(), preserve_index=False)
    )
    estimator = fast(sv.VAEImputer, n_components=2)
    filled = estimator.fit_transform(table)
    assert type(filled) is type(table) and filled.schema == table.schema
    assert not filled.to_pandas().isna().any(axis=None)
    if package == "pyarrow":  # polars does not keep the order of categories
        codes = fast().fit(table).transform(table)
        np.testing.assert_array_equal(codes, fast().fit(frame()).transform(frame()))


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_set_output_chooses_the_package(imputer, output):
    module = pytest.importorskip(output)
    estimator = copy.deepcopy(imputer).set_output(transform=output)
    assert isinstance(estimator.transform(frame()), module.DataFrame)


def test_copies_and_more_training_keep_the_schema():
    estimator = fast(warm_start=True).fit(frame())
    copied = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copied.transform(frame()), estimator.transform(frame()))
    schema = estimator.schema_
    assert estimator.fit(frame(seed=1)[frame().columns[::-1]]).schema_ is schema
    assert list(estimator.feature_names_in_) == list(frame().columns)
    assert estimator.partial_fit(frame(seed=2)).schema_ is schema
    assert fast().partial_fit(frame()).partial_fit(frame(seed=1)).schema_ == schema


def test_a_fit_with_numbers_alone_has_no_schema():
    estimator = fast().fit(frame())
    estimator.fit(frame()[["weight", "legs", "visits"]])
    assert not hasattr(estimator, "schema_") and estimator.n_features_in_ == 3
    assert estimator.vae_.config["likelihood"] == "gaussian_learned"
    assert isinstance(estimator.inverse_transform(np.zeros((1, 2))), np.ndarray)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"likelihood": "gaussian"}, "likelihood='gaussian', and X is a table of several kinds of columns"),
        ({"scale": "minmax"}, "scale='minmax', and X is a table of several kinds of columns"),
    ],
)
def test_settings_that_a_schema_decides_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        fast(**settings).fit(frame())


def test_tables_that_do_not_fit_are_refused():
    estimator = fast().fit(frame())
    with pytest.raises(RangeError, match=r"column 'name' holds 'yak' in row \d+, a category that fit did not see"):
        estimator.transform(frame().replace({"name": {"cat": "yak"}}))
    with pytest.raises(ShapeError, match="lacks the column legs"):
        estimator.transform(frame().drop(columns="legs"))
    with pytest.raises(DTypeError, match="expected a table of pandas, polars or PyArrow"):
        estimator.transform(np.zeros((3, 7)))
    with pytest.raises(
        RangeError, match="X has missing values, and the table that VAEEmbedding was fitted with had none"
    ):
        fast().fit(frame(missing=0)).transform(frame())


def test_the_kinds_of_columns_may_be_given():
    table = pandas.DataFrame({"year": [2007, 2008, 2009] * 10, "length": np.linspace(0, 1, 30)})
    estimator = sv.VAEEmbedding(max_iter=2, kinds={"year": "category"}).fit(table)
    assert [column.kind for column in estimator.schema_.columns] == ["category", "number"]
    assert not hasattr(sv.VAEEmbedding(max_iter=2).fit(table), "schema_")
    assert set(estimator.sample(20, values="drawn")["year"]) <= {2007, 2008, 2009}


def test_a_column_without_any_value_stays_as_it_is():
    table = pandas.DataFrame({"kind": ["a", "b", None] * 10, "nothing": np.nan, "x": np.linspace(0, 1, 30)})
    filled = sv.VAEImputer(max_iter=2).fit_transform(table)
    assert filled["nothing"].isna().all() and filled["kind"].notna().all()
    with pytest.raises(sv.errors.RangeError, match="no value in the column 'nothing'"):
        sv.VAEImputer(max_iter=2).fit(table[["nothing", "x"]])


def test_whole_numbers_in_a_column_of_floats_are_filled_in_by_whole_numbers():
    table = pandas.DataFrame({"kind": ["a", "b"] * 15, "mass": [3750.0, np.nan, 3800.0] * 10})
    assert (sv.VAEImputer(max_iter=2).fit_transform(table)["mass"] % 1 == 0).all()


@pytest.mark.parametrize("kind", [sv.VAEEmbedding, sv.VAEImputer, sv.VAEOutlierDetector])
def test_no_rows_are_refused_by_every_method_as_in_a_table_of_numbers(kind):
    table, words = frame(), r"Found array with 0 sample\(s\) \(shape=\(0, 7\)\) while a minimum of 1 is required"
    estimator = fast(kind).fit(table)
    methods = [name for name in ("transform", "predict", "score_samples", "decision_function", "score", "partial_fit")
               if hasattr(estimator, name)]  # fmt: skip
    assert len(methods) >= 2
    for method in methods:
        with pytest.raises(ShapeError, match=words):
            getattr(estimator, method)(table[:0])
    for settings in ({}, {"kinds": {"legs": "category"}}):
        with pytest.raises(ShapeError, match=words):
            fast(kind, **settings).fit(table[:0])
    numbers = table[["weight", "legs"]]
    with pytest.raises(ShapeError, match=words.replace("7", "2")):
        fast(kind).fit(numbers)._rows(numbers[:0])


def test_errors_of_a_schema_are_in_the_words_of_estimators():
    table = frame()
    with pytest.raises(
        DTypeError,
        match="column 'name' holds texts, such as 'cat' in row 1; expected numbers: convert it, or choose another kind",
    ):
        fast(kinds={"name": "number"}).fit(table)
    with pytest.raises(
        RangeError, match="expected 0 and 1, or true and false: correct it, or choose another kind in kinds"
    ):
        fast(kinds={"legs": "boolean"}).fit(table)
    estimator = fast(kinds={"legs": "count"}).fit(table)
    for change, words in [
        ({"legs": -1}, "correct it, or fit again with a table of such values"),
        ({"more": 1}, "X has more, which fit did not see; leave it out"),
    ]:
        with pytest.raises((RangeError, ShapeError), match=words):
            estimator.transform(table.assign(**change))
