"""Tests of the estimators that need NumPy alone."""

import copy
import pickle

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, NotFittedError, RangeError, ShapeError
from scratchvae.estimators.estimator import default_width
from scratchvae.estimators.weighted import WeightedRows
from scratchvae.models.scale import have_one_unit


def rows(n=60, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def fast(kind=sv.VAEEmbedding, **settings):
    return kind(**{"max_iter": 3, **settings})


def test_a_fitted_estimator_has_its_attributes():
    X = rows()
    estimator = fast(n_components=3)
    codes = estimator.fit_transform(X)
    assert codes.shape == (60, 3) and codes.dtype == np.float64
    assert (estimator.n_features_in_, estimator.n_iter_, len(estimator.loss_curve_)) == (4, 3, 3)
    assert estimator.vae_.latent_dim == 3 and estimator.vae_.dtype == np.float64
    assert estimator.transform(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(codes, sv.to_numpy(estimator.vae_.embed(X)))
    np.testing.assert_array_equal(estimator.get_feature_names_out(), [f"vaeembedding{k}" for k in range(3)])


def test_codes_are_the_means_of_the_posterior_and_decode_to_rows():
    X = rows()
    estimator = fast().fit(X)
    codes = estimator.transform(X)
    np.testing.assert_array_equal(estimator.inverse_transform(codes), estimator.vae_.decode(codes))
    assert estimator.score(X) == estimator.score_samples(X).mean()
    np.testing.assert_array_equal(estimator.score_samples(X), estimator.vae_.score_samples(X, 64))
    assert estimator.sample(5).shape == (5, 4)


def test_the_order_of_the_rows_changes_nothing():
    X = rows()
    order = np.random.default_rng(1).permutation(60)
    first, second = fast().fit(X), fast().fit(X[order])
    np.testing.assert_array_equal(first.transform(X), second.transform(X))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_weight_of_two_is_the_row_twice(early_stopping):
    X, weights = rows(), np.arange(60) % 3
    weighted = fast(early_stopping=early_stopping).fit(X, sample_weight=weights)
    repeated = fast(early_stopping=early_stopping).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_array_equal(weighted.transform(X), repeated.transform(X))


def test_fractions_of_weights_draw_rows_in_proportion():
    X = np.repeat([[0.0, 0.0], [1.0, 2.0]], 50, axis=0) + 0.1 * rows(100, 2)
    weights = np.repeat([0.2, 0.6], 50)
    estimator = sv.VAEEmbedding(1, hidden_layer_sizes=(8,), max_iter=200, learning_rate=1e-2)
    mean = estimator.fit(X, sample_weight=weights).vae_.sample(2000).mean(axis=0)
    plain = estimator.fit(X).vae_.sample(2000).mean(axis=0)
    assert abs(mean[1] - 1.5) < 0.25 < abs(plain[1] - 1.5)
    codes = [
        estimator.fit(X[order], sample_weight=w[order]).transform(X)
        for w in (weights, weights / 2)
        for order in (np.arange(100), np.arange(100)[::-1])
    ]
    assert all(np.array_equal(codes[0], other) for other in codes)
    early = fast(early_stopping=True).fit(X, sample_weight=weights)
    assert early.history_.epochs[0].validation is not None
    assert fast().partial_fit(X, sample_weight=weights).n_iter_ == 1
    detector = fast(sv.VAEOutlierDetector).fit(X, sample_weight=weights)
    assert abs(weights[detector.predict(X) == -1].sum() / weights.sum() - 0.1) < 0.02


def test_a_draw_has_each_row_as_often_as_its_weight_says():
    weights = np.random.default_rng(0).random(50)
    weights[::7] = 0
    rows_and_weights = WeightedRows.make(np.arange(50.0)[:, None], weights)
    counts = np.zeros(50)
    for seed in range(200):
        drawn = rows_and_weights.draw(np.random.default_rng(seed)).ravel().astype(int)
        expected = weights * len(drawn) / weights.sum()
        counts += (seen := np.bincount(drawn, minlength=50))
        assert (abs(seen - expected) < 1 + 1e-9).all()
    np.testing.assert_allclose(counts / 200, weights * len(drawn) / weights.sum(), atol=0.12)
    assert WeightedRows.make(np.zeros((3, 1)), np.array([1e9, 1, 1])).weights is not None


def test_the_same_random_state_gives_the_same_bits():
    X = rows()
    codes = [fast(random_state=state).fit_transform(X) for state in (0, 0, 1, None)]
    codes += [fast(random_state=np.random.RandomState(3)).fit_transform(X) for _ in range(2)]
    codes += [fast(random_state=np.random.default_rng(3)).fit_transform(X) for _ in range(2)]
    assert np.array_equal(codes[0], codes[1]) and np.array_equal(codes[4], codes[5]) and np.array_equal(*codes[6:])
    assert not any(np.array_equal(codes[0], other) for other in (codes[2], codes[3], codes[4], codes[6]))


def test_partial_fit_goes_on_where_it_was():
    X = rows()
    estimator = fast(batch_size=20)
    for start in (0, 30):
        estimator.partial_fit(X[start : start + 30])
    assert estimator.n_iter_ == 2 and estimator._trainer.optimizer.t == 4
    restored = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(estimator.partial_fit(X).transform(X), restored.partial_fit(X).transform(X))
    with pytest.raises(ShapeError, match="expecting 4 features"):
        estimator.partial_fit(X[:, :3])
    with pytest.raises(ConfigError, match="early_stopping"):
        fast(early_stopping=True).partial_fit(X)


def test_a_warm_start_goes_on_with_the_weights():
    X = rows()
    estimator = fast(warm_start=True).fit(X)
    before = estimator.vae_.theta.copy()
    again = copy.deepcopy(estimator)
    again.learning_rate = 1e-9
    assert np.allclose(again.fit(X).vae_.theta, before, atol=1e-6)
    estimator.warm_start = False
    assert np.array_equal(estimator.fit(X).vae_.theta, before)
    with pytest.raises(ShapeError):
        again.fit(X[:, :2])


def test_early_stopping_keeps_the_best_epoch():
    estimator = fast(early_stopping=True, n_iter_no_change=2, max_iter=400, learning_rate=0.05).fit(rows())
    assert estimator.history_.stopped == "early" and estimator.n_iter_ < 400
    assert all(epoch.validation is not None for epoch in estimator.history_.epochs)
    with pytest.raises(ConfigError, match=r"validation_fraction=0\.001 of 60 rows is 0"):
        fast(early_stopping=True, validation_fraction=0.001).fit(rows())


def test_default_settings_depend_on_the_rows():
    assert [default_width(n) for n in (1, 178, 1797, 60_000, 10**9)] == [32, 32, 64, 512, 512]
    estimator = sv.VAEEmbedding().fit(rows())
    assert estimator.n_iter_ == 3000  # one update each
    assert estimator.vae_.config["hidden"] == (32,)


def test_columns_of_one_unit_keep_their_proportions():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 17, (50, 9)).astype(float)
    assert fast().fit(pixels).vae_.schema.scale.kind == "common"
    pixels[:, 0] = 0  # a constant column
    assert have_one_unit(pixels)
    table = pixels * 10.0 ** np.arange(9)
    assert fast().fit(table).vae_.schema.scale.kind == "standardize"
    assert fast(scale="minmax").fit(table).vae_.schema.scale.kind == "minmax"
    assert fast(likelihood="bernoulli").fit(pixels / 16).vae_.schema.scale.kind == "none"
    assert fast().fit(pixels.astype(np.uint8)).vae_.schema.scale.kind == "common"


def test_a_memory_map_is_not_copied(tmp_path):
    np.save(tmp_path / "x.npy", rows(40).astype(np.float32))
    X = np.load(tmp_path / "x.npy", mmap_mode="r")
    estimator = fast().fit(X)
    assert estimator.transform(X).shape == (40, 2)


def test_missing_values_are_embedded_and_filled_in():
    X = rows()
    X[::3, 1] = np.nan
    assert np.isfinite(fast().fit_transform(X)).all()
    with pytest.raises(RangeError, match="NaN"):
        fast().fit(rows()).transform(X)
    imputer = fast(sv.VAEImputer).fit(rows())
    filled = imputer.transform(X)
    assert np.isfinite(filled).all() and np.array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert imputer.transform(X.astype(np.float32)).dtype == np.float32
    assert imputer.get_feature_names_out().tolist() == ["x0", "x1", "x2", "x3"]


def test_outliers_are_the_share_that_was_asked_for():
    X = rows(100)
    X[:5] += 20
    detector = sv.VAEOutlierDetector(contamination=0.05, max_iter=300)
    labels = detector.fit_predict(X)
    assert labels.tolist() == [-1] * 5 + [1] * 95
    np.testing.assert_array_equal(detector.decision_function(X), detector.score_samples(X) - detector.offset_)
    for method in ("elbo", "reconstruction"):
        assert (detector.set_params(method=method).fit_predict(X) == -1).sum() == 5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_components": 0}, "n_components=0"),
        ({"hidden_layer_sizes": (3, -1)}, r"hidden_layer_sizes\[1\]=-1"),
        ({"hidden_layer_sizes": 8}, "hidden_layer_sizes=8"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"learning_rate": 0}, "learning_rate=0"),
        ({"batch_size": 0.5}, "batch_size=0.5"),
        ({"early_stopping": 1}, "early_stopping=1"),
        ({"early_stopping": True, "validation_fraction": 1}, "validation_fraction=1"),
        ({"early_stopping": True, "n_iter_no_change": 0}, "n_iter_no_change=0"),
        ({"warm_start": None}, "warm_start=None"),
        ({"random_state": -1}, "random_state=-1"),
        ({"verbose": "yes"}, "verbose='yes'"),
        ({"activation": "swish2"}, "activation='swish2'"),
        ({"likelihood": "normal"}, "likelihood='normal'"),
        ({"scale": "log"}, "scale='log'"),
        ({"beta": -1}, "beta=-1"),
        ({"backend": "jax"}, "jax"),
        ({"dtype": "int8"}, "dtype='int8'"),
    ],
)
def test_wrong_parameters_are_refused_by_fit(settings, words):
    with pytest.raises((ConfigError, sv.errors.BackendError), match=words):
        fast(**settings).fit(rows())


@pytest.mark.parametrize(
    ("settings", "words"), [({"contamination": 0}, "contamination=0"), ({"method": "density"}, "method='density'")]
)
def test_wrong_parameters_of_the_detector_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        fast(sv.VAEOutlierDetector, **settings).fit(rows())


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (np.zeros(3), ShapeError, "Reshape your data"),
        (np.zeros((0, 3)), ShapeError, "0 sample"),
        (np.zeros((3, 0)), ShapeError, "0 feature"),
        (np.array([[1j]]), ConfigError, "Complex data"),
        ([["a"]], DTypeError, "no numbers"),
        (np.array([[np.inf]]), RangeError, "infinity"),
        (None, ShapeError, "expected rows"),
    ],
)
def test_wrong_rows_are_refused(X, error, words):
    with pytest.raises(error, match=words):
        fast().fit(X)


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.ones(59), ShapeError, "one weight for each row"),
        (-np.ones(60), RangeError, "negative"),
        (np.full(60, np.nan), RangeError, "NaN"),
        (np.zeros(60), RangeError, "zero for every row"),
        (np.array(["a"] * 60), DTypeError, "real numbers"),
    ],
)
def test_wrong_weights_are_refused(weights, error, words):
    for method in ("fit", "partial_fit"):
        with pytest.raises(error, match=words):
            getattr(fast(), method)(rows(), sample_weight=weights)


def test_an_estimator_says_its_parameters_and_that_it_is_not_fitted():
    estimator = sv.VAEEmbedding(n_components=3, beta=2.0)
    assert repr(estimator) == "VAEEmbedding(n_components=3, beta=2.0)"
    assert estimator.get_params()["beta"] == 2.0
    with pytest.raises(ConfigError, match="Invalid parameter 'colour'"):
        estimator.set_params(colour=1)
    for method in ("transform", "inverse_transform", "score_samples", "score", "get_feature_names_out", "sample"):
        with pytest.raises(NotFittedError, match="call fit first"):
            getattr(estimator, method)(*[] if method in ("get_feature_names_out", "sample") else [rows()])


def test_an_error_leaves_a_fitted_estimator_as_it_was():
    X = rows()
    estimator = fast().fit(X)
    before = estimator.transform(X)
    estimator.learning_rate = -1
    with pytest.raises(ConfigError):
        estimator.fit(X)
    np.testing.assert_array_equal(estimator.transform(X), before)


def test_save_names_the_model_of_an_estimator(tmp_path):
    with pytest.raises(ConfigError, match="save its vae_, or pickle the estimator"):
        sv.save(sv.VAEEmbedding(), tmp_path / "model.npz")
