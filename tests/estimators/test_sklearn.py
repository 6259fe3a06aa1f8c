"""Tests of the estimators together with scikit-learn: its own checks, pipelines, searches, tables."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv

ESTIMATORS = ("VAEEmbedding", "VAEImputer", "VAEOutlierDetector")
SCRIPT = Path(__file__).with_name("check_estimator.py")

sklearn = pytest.importorskip("sklearn")


def rows(n=60, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("settings", [["max_iter=20"], pytest.param([], marks=pytest.mark.slow)], ids=["20", "default"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_all_checks_of_scikit_learn_pass_and_none_is_skipped(name, settings):
    pytest.importorskip("pandas")
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), name, *settings]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    count, statuses = result.stdout.split(maxsplit=1)
    assert int(count) > 40 and statuses.strip() == "{'passed'}"


def test_importing_the_estimators_loads_none_of_the_others():
    code = (
        "import sys, numpy as np, scratchvae as sv; sv.VAEEmbedding(max_iter=2).fit_transform(np.eye(5)); "
        "print({'sklearn', 'pandas', 'scipy', 'polars'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_pipelines_searches_and_jobs():
    from joblib import Parallel, delayed
    from sklearn.base import clone
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline

    X, estimator = rows(), sv.VAEEmbedding(2, max_iter=5)
    y = (X[:, 0] > 0).astype(int)
    pipeline = make_pipeline(estimator, LogisticRegression())
    assert cross_val_score(pipeline, X, y, cv=3).shape == (3,)
    search = GridSearchCV(estimator, {"n_components": [1, 2], "beta": [0.5, 1.0]}, cv=2, n_jobs=2).fit(X)
    assert search.best_params_["n_components"] in (1, 2)
    columns = ColumnTransformer([("vae", estimator, [0, 1, 2])], remainder="passthrough").fit_transform(X)
    assert columns.shape == (60, 3)
    copy = clone(estimator.set_params(beta=2.0).set_output(transform="pandas"))
    assert copy.beta == 2.0 and not hasattr(copy, "vae_")
    assert type(copy.fit_transform(X)).__name__ == "DataFrame"
    fitted = estimator.set_output(transform="default").fit(X)
    codes = Parallel(n_jobs=2)(delayed(fitted.transform)(part) for part in (X[:30], X[30:]))
    np.testing.assert_allclose(np.vstack(codes), fitted.transform(X), atol=1e-12)


def test_tables_come_out_as_set_output_says():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    from sklearn import config_context

    X = pandas.DataFrame(rows(), columns=list("abcd"), index=range(100, 160))
    embedding = sv.VAEEmbedding(2, max_iter=5).set_output(transform="pandas")
    codes = embedding.fit_transform(X)
    assert codes.columns.tolist() == ["vaeembedding0", "vaeembedding1"] and codes.index.tolist() == X.index.tolist()
    assert embedding.feature_names_in_.tolist() == list("abcd")
    imputer = sv.VAEImputer(2, max_iter=5).set_output(transform="polars")
    filled = imputer.fit_transform(polars.DataFrame(X.to_numpy(), schema=list("abcd")))
    assert isinstance(filled, polars.DataFrame) and filled.columns == list("abcd")
    embedding.set_output(transform="default")
    assert type(embedding.transform(X)) is np.ndarray
    plain = sv.VAEEmbedding(2, max_iter=5).fit(X)
    with config_context(transform_output="pandas"):
        assert type(plain.transform(X)) is pandas.DataFrame
    assert type(plain.transform(X)) is np.ndarray
    with pytest.raises(sv.errors.ConfigError, match="transform='arrow'"):
        embedding.set_output(transform="arrow")


def test_an_error_before_fit_is_one_of_scikit_learn_too():
    import pickle

    from sklearn.exceptions import NotFittedError

    for error in (NotFittedError, sv.errors.NotFittedError):
        with pytest.raises(error, match="call fit first") as caught:
            sv.VAEEmbedding().transform(rows())
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
