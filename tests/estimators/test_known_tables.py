"""What the estimators reach on known tables with their default settings."""

import os
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv

TABLES = Path(os.environ.get("SCRATCHVAE_DATA", "."), "tables")
pandas = pytest.importorskip("pandas")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TABLES.is_dir(), reason="the tables are not on this machine"),
]

# of scikit-learn on the one-hot rows of the test below: RMSE of standardized numbers, and the share of categories that
# are right. In IterativeImputer, a category stays at its mean, which the other columns of its group determine
BASELINES = {
    "column means, most frequent": (0.9996, {"cut": 0.4013, "color": 0.2268, "clarity": 0.2400}),
    "IterativeImputer": (0.6301, {"cut": 0.4013, "color": 0.2268, "clarity": 0.2400}),
    "KNNImputer": (1.0313, {"cut": 0.4163, "color": 0.1775, "clarity": 0.2000}),
    "KNNImputer(n_neighbors=20)": (0.9425, {"cut": 0.4700, "color": 0.1924, "clarity": 0.2253}),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_half_of_the_cells_of_diamonds(seed):
    table = pandas.read_csv(TABLES / "diamonds.csv").sample(10000, random_state=0).reset_index(drop=True)
    mask = np.random.default_rng(0).random(table.shape) < 0.5
    hidden = table.mask(mask)
    filled = sv.VAEImputer(random_state=seed).fit_transform(hidden)
    assert not filled.isna().any(axis=None)
    errors, right = [], {}
    for k, name in enumerate(table):
        unknown = mask[:, k]
        if table[name].dtype.kind in "if":
            errors.append((((filled[name] - table[name])[unknown] / hidden[name].std()) ** 2).mean())
        else:
            right[name] = round(float((filled[name] == table[name])[unknown].mean()), 4)
    rmse = np.sqrt(np.mean(errors))
    print(f"seed {seed}: RMSE {rmse:.4f}, right {right}")
    for error, shares in BASELINES.values():
        assert rmse < error
        assert all(right[name] > share for name, share in shares.items())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_species_of_penguins(seed):
    pytest.importorskip("sklearn")
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    table = pandas.read_csv(TABLES / "penguins.csv")
    pipeline = make_pipeline(sv.VAEEmbedding(n_components=2, random_state=seed), KNeighborsClassifier())
    scores = cross_val_score(pipeline, table.drop(columns="species"), table["species"], cv=5)
    print(f"seed {seed}: {scores.mean():.4f}")
    assert scores.mean() >= 0.95


def test_the_missing_cells_of_penguins():
    table = pandas.read_csv(TABLES / "penguins.csv").drop(columns="species")
    filled = sv.VAEImputer().fit_transform(table)
    pandas.testing.assert_series_equal(filled.dtypes, table.dtypes)
    assert not filled.isna().any(axis=None) and set(filled["sex"]) == {"female", "male"}
    complete = table.notna().all(axis=1)
    pandas.testing.assert_frame_equal(filled[complete], table[complete])
