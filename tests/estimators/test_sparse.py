"""Tests of estimators that are given sparse matrices."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from strategies import normal

import scratchvae as sv
from scratchvae.errors import DTypeError, RangeError, ShapeError

SETTINGS = {"n_components": 2, "max_iter": 3, "hidden_layer_sizes": (8,)}
X = np.where(np.random.default_rng(0).random((60, 12)) < 0.2, normal(1, 60, 12), 0.0)


def test_a_fit_of_sparse_rows_has_the_bits_of_one_of_dense_rows():
    settings = {**SETTINGS, "scale": "common"}
    dense = sv.VAEEmbedding(**settings).fit(X)
    assert np.array_equal(sv.VAEEmbedding(**settings).fit(sparse.csr_matrix(X)).vae_.theta, dense.vae_.theta)
    assert np.array_equal(sv.VAEEmbedding(**settings).fit(np.asfortranarray(X)).vae_.theta, dense.vae_.theta)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr"])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
def test_codes_are_those_of_the_dense_rows(form, kind):
    matrix = kind(X).asformat(form)
    model = sv.VAEEmbedding(**SETTINGS).fit(matrix)
    assert model.vae_.scale.kind == "common" and model.n_features_in_ == 12
    codes = model.transform(matrix)
    assert codes.shape == (60, 2) and codes.dtype == np.float64
    np.testing.assert_allclose(codes, model.transform(X), atol=1e-13)
    np.testing.assert_allclose(model.score_samples(matrix), model.score_samples(X), atol=1e-9)
    np.testing.assert_allclose(model.transform(matrix.tocsr()[7:8])[0], codes[7], atol=1e-13)


def test_neither_the_order_of_the_rows_nor_the_storage_changes_a_bit():
    order = np.random.default_rng(2).permutation(60)
    first = sv.VAEEmbedding(**SETTINGS).fit(sparse.csr_matrix(X))
    second = sv.VAEEmbedding(**SETTINGS).fit(sparse.coo_matrix(X[order]))
    assert np.array_equal(first.vae_.theta, second.vae_.theta)


def test_a_row_of_weight_two_is_the_row_twice():
    weights = np.random.default_rng(3).integers(0, 3, 60)
    weighted = sv.VAEEmbedding(**SETTINGS).fit(sparse.csr_matrix(X), sample_weight=weights)
    repeated = sv.VAEEmbedding(**SETTINGS).fit(sparse.csr_matrix(np.repeat(X, weights, axis=0)))
    assert np.array_equal(weighted.vae_.theta, repeated.vae_.theta)


def test_fractional_weights_early_stopping_and_partial_fit_take_sparse_rows():
    matrix, weights = sparse.csr_matrix(X), np.linspace(0.1, 2.0, 60)
    model = sv.VAEEmbedding(**SETTINGS, early_stopping=True).fit(matrix, sample_weight=weights)
    assert len(model.history_.epochs) == 3 and np.isfinite(model.history_.epochs[-1].validation)
    model = sv.VAEEmbedding(**SETTINGS)
    before = model.partial_fit(matrix, sample_weight=weights).vae_.theta.copy()
    assert not np.array_equal(before, model.partial_fit(matrix).vae_.theta)


def test_counts_of_words_are_fitted_and_drawn():
    counts = np.random.default_rng(4).poisson(0.3, (80, 30))
    model = sv.VAEEmbedding(**SETTINGS, likelihood="poisson").fit(sparse.csr_matrix(counts))
    drawn = model.sample(5, values="drawn")
    assert drawn.shape == (5, 30) and (drawn % 1 == 0).all()


def test_outliers_are_found_among_sparse_rows():
    rows = np.vstack([X, np.full((1, 12), 9.0)])
    detector = sv.VAEOutlierDetector(**{**SETTINGS, "max_iter": 30}, contamination=0.02).fit(sparse.csr_matrix(rows))
    assert detector.predict(sparse.csr_matrix(rows))[-1] == -1


def test_the_matrix_is_never_dense_as_a_whole():
    import tracemalloc

    wide = sparse.random(3000, 4000, 0.001, "csr", random_state=0)
    model = sv.VAEEmbedding(n_components=2, max_iter=1, hidden_layer_sizes=(4,))
    tracemalloc.start()
    try:
        model.fit(wide)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3000 * 4000 * 8 / 2


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: m * np.nan, RangeError, "contains NaN"),
        (lambda m: m * np.inf, RangeError, "contains infinity"),
        (lambda m: m.astype(complex), Exception, "Complex data not supported"),
        (lambda m: m[:0], ShapeError, r"0 sample\(s\)"),
    ],
)
def test_wrong_sparse_matrices_are_refused(change, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = change(sparse.csr_matrix(X))
    with pytest.raises(error, match=message):
        sv.VAEEmbedding(**SETTINGS).fit(matrix)


def test_a_sparse_matrix_of_another_width_and_an_imputer_refuse():
    model = sv.VAEEmbedding(**SETTINGS).fit(X)
    with pytest.raises(ShapeError, match="X has 5 features"):
        model.transform(sparse.csr_matrix(X[:, :5]))
    with pytest.raises(DTypeError, match="VAEImputer was given a sparse matrix"):
        sv.VAEImputer(**SETTINGS).fit(sparse.csr_matrix(X))
