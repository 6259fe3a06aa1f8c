# %% [markdown]
# # The embedding
# A VAE trained without labels maps each image to its posterior mean μ(x), a deterministic embedding. Two classifiers
# measure how much it says about the class: nearest neighbours, which need similar codes to be close, and a *linear
# probe*, multinomial logistic regression, which needs classes to be linearly separable. They are also trained on the
# pixels, and on as many principal components as there are latent dimensions.
#
# There are hundreds of pixels and tens of latent dimensions. So both are also trained on only ten labels per class,
# where fewer dimensions are an advantage.
#
#     python demos/embedding.py                     8×8 digits, half a minute
#     python demos/embedding.py --data mnist        the long run of guides/recorded-figures.md
#
# Needs scikit-learn.

# %%
import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.plotting.figures import blank_figure

RECIPES = {
    "digits": {"latent": 10, "hidden": [512], "activation": "relu", "epochs": 50, "masking": 0.0},
    "mnist": {"latent": 50, "hidden": [512, 512], "activation": "softplus", "epochs": 30, "masking": 0.5},
}
BATCH, NEIGHBOURS, LABELS_PER_CLASS, DRAWS, DOTS = 128, 5, 10, 10, 2000
PENALTIES = (1, 10, 100)


# %% [markdown]
# The prior pulls all classes into one round cloud: similar images are close, but classes need not be linearly
# separable. On the codes of a plain VAE a linear probe is worse than on the pixels. It is better if half of the pixels
# are hidden from the encoder during training (Vincent et al. 2008; Im et al. 2017), because μ must then encode their
# common structure. The embeddings are computed from whole images.


# %%
def train(data, latent, hidden, activation, beta, epochs, masking, seed):
    images = data.train.images
    vae = sv.VAE(images.shape[1], latent, tuple(hidden), activation, beta=beta, seed=seed)
    lr = sv.optim.Cosine(1e-3, epochs * -(-len(images) // BATCH))
    corrupt = sv.training.Masking(masking) if masking else None
    sv.Trainer(vae, lr=lr, batch_size=BATCH, seed=seed, corrupt=corrupt).fit(images, epochs)
    return vae


# %% [markdown]
# Every representation is centred and divided by one number, its standard deviation over all columns, so that distances
# keep their proportions. A code may have columns with small variance but much information, so the penalty |W|² / 2C of
# the probe is chosen for each representation: the C that is best on a held-out sixth of the training rows. With few
# labels there is no validation set, and C = 1.


# %%
def representations(vae, data):
    from sklearn.decomposition import PCA

    pixels = [part.images for part in (data.train, data.test)]
    pca = PCA(vae.latent_dim, random_state=0).fit(pixels[0])
    pairs = {
        f"pixels ({vae.input_dim})": pixels,
        f"principal components ({vae.latent_dim})": [pca.transform(x) for x in pixels],
        f"posterior mean ({vae.latent_dim})": [sv.to_numpy(vae.embed(x)) for x in pixels],
    }
    return {name: standardize(*pair) for name, pair in pairs.items()}


def standardize(train, test):
    mean, deviation = train.mean(axis=0), (train - train.mean(axis=0)).std()
    return (train - mean) / deviation, (test - mean) / deviation


# %%
def accuracies(train, train_labels, test, test_labels, seed):
    from sklearn.neighbors import KNeighborsClassifier

    neighbours = KNeighborsClassifier(NEIGHBOURS, algorithm="brute")
    validation = np.arange(len(train)) % 6 == 5
    fits = {C: probe(train[~validation], train_labels[~validation], C) for C in PENALTIES}
    scores = {C: fit.score(train[validation], train_labels[validation]) for C, fit in fits.items()}
    best = max(scores, key=scores.get)
    with_all_labels = [
        neighbours.fit(train, train_labels).score(test, test_labels),
        probe(train, train_labels, best).score(test, test_labels),
    ]
    rng, scores = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        by_class = [rng.permutation(np.flatnonzero(train_labels == y))[:LABELS_PER_CLASS] for y in range(10)]
        rows = np.concatenate(by_class)
        classifiers = neighbours.fit(train[rows], train_labels[rows]), probe(train[rows], train_labels[rows], 1)
        scores.append([classifier.score(test, test_labels) for classifier in classifiers])
    return [*with_all_labels, *np.mean(scores, axis=0)], best


def probe(rows, labels, C):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # on hundreds of pixels with a weak penalty, it needs more iterations than that
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=C, max_iter=300).fit(rows, labels)


# %% [markdown]
# The picture: the first two principal components of the pixels, those of the codes, and a map that preserves neighbours
# among the codes (t-SNE, van der Maaten and Hinton 2008). Colours are classes; none of the three used labels.


# %%
def draw(representations, labels, seed):
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    pixels, _, codes = representations.values()
    maps = {
        "pixels: two principal components": PCA(2).fit_transform(pixels),
        "codes: two principal components": PCA(2).fit_transform(codes),
        "codes: t-SNE": TSNE(init="pca", random_state=seed).fit_transform(codes),
    }
    figure = blank_figure(12, 4.2)
    panels = figure.subplots(1, 3)
    for axes, (title, dots) in zip(panels, maps.items(), strict=True):
        sv.plotting.plot_codes(dots, labels, ax=axes)
        axes.set(title=title, xticks=[], yticks=[], xlabel="", ylabel="")
    for axes in panels[:-1]:
        axes.get_legend().remove()
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train a VAE, and classify its posterior means.")
    parser.add_argument("--data", choices=RECIPES, default="digits")
    parser.add_argument("--latent", type=int, default=argparse.SUPPRESS)
    parser.add_argument("--hidden", type=int, nargs="+", default=argparse.SUPPRESS)
    parser.add_argument("--activation", choices=["relu", "tanh", "softplus"], default=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, default=argparse.SUPPRESS)
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/embedding.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    try:
        import sklearn  # noqa: F401
    except ImportError:
        sys.exit("this demo needs scikit-learn: install it with  pip install scikit-learn")
    recipe = RECIPES[args.data]
    options = {name: getattr(args, name) for name in recipe if hasattr(args, name)}
    recipe = {**recipe, **options, **({"epochs": 2} if args.quick else {})}
    data, start = sv.datasets.load(args.data), time.perf_counter()
    vae = train(data, **recipe, beta=args.beta, seed=args.seed)
    print(f"{vae}, beta {args.beta:g}, {recipe['epochs']} epochs of {args.data}, seed {args.seed}")
    print(f"trained in {time.perf_counter() - start:.0f} s; test accuracy in %:")
    print(f"{'':30}{'all labels':>18}{f'{LABELS_PER_CLASS} per class':>20}")
    print(f"{'':30}" + f"{f'{NEIGHBOURS}-NN':>10}{'linear':>10}" * 2 + f"{'C of all':>12}")
    test_rows = {}
    for name, (train_rows, rows) in representations(vae, data).items():
        scores, C = accuracies(train_rows, data.train.labels, rows, data.test.labels, args.seed)
        print(f"{name:30}" + "".join(f"{100 * accuracy:10.2f}" for accuracy in scores) + f"{C:12}", flush=True)
        test_rows[name] = rows[:DOTS]
    sv.plotting.save_picture(draw(test_rows, data.test.labels[:DOTS], args.seed), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
