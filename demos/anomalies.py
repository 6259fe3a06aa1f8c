# %% [markdown]
# # Anomalies
# A VAE that was trained on normal rows gives a low likelihood to others. Three scores of a row; larger means stranger:
#
# - *log-likelihood*: −log p(x), estimated by importance sampling,
# - *ELBO*: −ELBO, its upper bound, which is faster,
# - *reconstruction*: −log p(x | z) at the code z of the row, which ignores how probable the code is.
#
# They are compared with an isolation forest (Liu, Ting and Zhou 2008), and with principal components: the squared error
# of the reconstruction, and log p(x) of the Gaussian model that they are (Tipping and Bishop 1999). Each is trained on
# normal rows alone. The measure is the AUC: the probability that an anomaly has a larger score than a normal test row.
#
#     python demos/anomalies.py                 digits and tables, a minute
#     python demos/anomalies.py --data mnist    10,000 pictures of MNIST, ten minutes
#
# Needs scikit-learn.

# %%
import argparse
import sys
import time
from pathlib import Path

import numpy as np

import scratchvae as sv

TABLES = {"breast cancer": "load_breast_cancer", "wine": "load_wine"}
METHODS = ("log_likelihood", "elbo", "reconstruction")


# %% [markdown]
# In the tables one class is normal: benign tumours, and one of three wines. Among the digits, each class in turn is the
# anomaly, and the other nine are normal; the AUC is the mean over the classes.


# %%
def problems(name):
    """Yield triples: normal rows to train with, test rows, and which of these are anomalies."""
    if name in TABLES:
        from sklearn import datasets

        rows, classes = getattr(datasets, TABLES[name])(return_X_y=True)
        normal = 1
        order = np.random.default_rng(0).permutation(np.flatnonzero(classes == normal))
        held_out = order[: len(order) // 3]
        test = np.concatenate([held_out, np.flatnonzero(classes != normal)])
        yield rows[order[len(order) // 3 :]], rows[test], classes[test] != normal
        return
    data = sv.datasets.load(name)
    images, labels = data.train.images[:10_000], data.train.labels[:10_000]
    tests, test_labels = data.test.images[:2000], data.test.labels[:2000]
    for digit in range(10):
        yield images[labels != digit], tests, test_labels == digit


# %%
def anomaly_scores(train, test, components, epochs):
    """The scores of the test rows, by name."""
    from sklearn.decomposition import PCA
    from sklearn.ensemble import IsolationForest

    detector = sv.VAEOutlierDetector(components, max_iter=epochs).fit(train)
    scores = {f"VAE, {method.replace('_', '-')}": detector.vae_.anomaly_score(test, method) for method in METHODS}
    mean, deviation = train.mean(axis=0), detector.vae_.schema.scale.factor
    scaled, scaled_test = (train - mean) / deviation, (test - mean) / deviation
    pca = PCA(min(components, *scaled.shape)).fit(scaled)
    errors = scaled_test - pca.inverse_transform(pca.transform(scaled_test))
    scores["principal components, error"] = (errors**2).sum(axis=1)
    scores["principal components, log-likelihood"] = -pca.score_samples(scaled_test)
    scores["isolation forest"] = -IsolationForest(random_state=0).fit(train).score_samples(test)
    return scores


# %% [markdown]
# The picture: the test digits with the smallest and the largest scores, when the nines are the anomalies. Some of the
# large scores belong to other digits: those that are written in an unusual way.


# %%
def draw(test, scores, out):
    order, side = np.argsort(scores), round(test.shape[1] ** 0.5)
    rows, names = test[[*order[:32], *order[-32:]]], ["least anomalous", "", "most anomalous", ""]
    figure = sv.plotting.plot_images(rows, (side, side), 16, "Test digits by their scores", row_names=names)
    sv.plotting.save_picture(figure, out, show=True)


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Score rows by a VAE of normal rows, beside other detectors.")
    parser.add_argument("--data", nargs="+", default=["breast cancer", "wine", "digits"], metavar="NAME")
    parser.add_argument("--components", type=int, default=8, help="latent dimensions, and principal components")
    parser.add_argument("--quick", action="store_true", help="two epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/anomalies.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    try:
        from sklearn.metrics import roc_auc_score
    except ImportError:
        sys.exit("this demo needs scikit-learn: install it with  pip install scikit-learn")
    for name in args.data:
        start, found = time.perf_counter(), {}
        for train, test, anomalies in problems(name):
            scores = anomaly_scores(train, test, args.components, 2 if args.quick else None)
            for method, values in scores.items():
                found.setdefault(method, []).append(roc_auc_score(anomalies, values))
            if args.quick:
                break
        print(f"{name}: {len(train)} normal rows, {time.perf_counter() - start:.0f} s; AUC in %")
        for method, values in found.items():
            print(f"    {method:38}{100 * np.mean(values):6.1f}")
        if name not in TABLES:
            draw(test, scores["VAE, log-likelihood"], args.out)
            print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
