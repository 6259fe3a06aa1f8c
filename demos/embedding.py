# %% [markdown]
# # The embedding
# A VAE that never saw a label turns each image into a few numbers, the posterior mean μ(x): the same ones each time,
# for nothing is drawn. What do they know of what the image shows? Two classifiers ask: the nearest neighbours, which
# need like codes to be close, and a *linear probe*, multinomial logistic regression, which needs classes to lie on
# different sides of planes. The pixels are asked too, and as many principal components as there are latent numbers.
#
# As the pixels are hundreds and the codes tens, both also learn from ten labels a class only, where few numbers count.
#
#     python demos/embedding.py                     8×8 digits, half a minute
#     python demos/embedding.py --data mnist        the long run of demos/README.md
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
BATCH, NEIGHBOURS, FEW, DRAWS, DOTS = 128, 5, 10, 10, 2000
PENALTIES = (1, 10, 100)


# %% [markdown]
# The prior packs all classes into one round cloud, in which like lies beside like, but no plane need part two classes:
# in a plain VAE's codes a linear probe finds less than in the pixels. It finds more where half of the pixels were
# hidden from the encoder as it learnt (Vincent et al. 2008; Im et al. 2017), for μ must then tell what all of them have
# in common. Where it is asked, the image is whole.


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
# keep their proportions. A code has columns that vary little and say much, so how hard the probe is held back, by a
# penalty |W|² / 2C, is chosen for each representation: the C that does best on a sixth of the training rows that was
# held out. From a few labels there is nothing to choose by, and C = 1.


# %%
def representations(vae, data):
    from sklearn.decomposition import PCA

    pixels = [part.images for part in (data.train, data.test)]
    pca = PCA(vae.latent_dim, random_state=0).fit(pixels[0])
    of = {
        f"pixels ({vae.input_dim})": pixels,
        f"principal components ({vae.latent_dim})": [pca.transform(x) for x in pixels],
        f"posterior mean ({vae.latent_dim})": [sv.to_numpy(vae.embed(x)) for x in pixels],
    }
    return {name: scaled(*pair) for name, pair in of.items()}


def scaled(train, test):
    mean, deviation = train.mean(axis=0), (train - train.mean(axis=0)).std()
    return (train - mean) / deviation, (test - mean) / deviation


# %%
def accuracies(train, train_labels, test, test_labels, seed):
    from sklearn.neighbors import KNeighborsClassifier

    neighbours = KNeighborsClassifier(NEIGHBOURS, algorithm="brute")
    held = np.arange(len(train)) % 6 == 5
    fits = {C: probe(train[~held], train_labels[~held], C).score(train[held], train_labels[held]) for C in PENALTIES}
    best = max(fits, key=fits.get)
    found = [
        neighbours.fit(train, train_labels).score(test, test_labels),
        probe(train, train_labels, best).score(test, test_labels),
    ]
    rng, scores = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        few = np.concatenate([rng.permutation(np.flatnonzero(train_labels == y))[:FEW] for y in range(10)])
        classifiers = neighbours.fit(train[few], train_labels[few]), probe(train[few], train_labels[few], 1)
        scores.append([classifier.score(test, test_labels) for classifier in classifiers])
    return [*found, *np.mean(scores, axis=0)], best


def probe(rows, labels, C):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # hundreds of pixels, hardly held back, take ever more steps
        return LogisticRegression(C=C, max_iter=300).fit(rows, labels)


# %% [markdown]
# In the picture: the two directions in which the pixels vary most, the two in which the codes do, and a map that keeps
# neighbours in the space of codes together (t-SNE, van der Maaten and Hinton 2008). Colours are classes, which nothing
# here was told.


# %%
def draw(shown, labels, seed):
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    pixels, _, codes = shown.values()
    maps = {
        "pixels: two principal components": PCA(2).fit_transform(pixels),
        "codes: two principal components": PCA(2).fit_transform(codes),
        "codes: t-SNE": TSNE(init="pca", random_state=seed).fit_transform(codes),
    }
    figure = blank_figure(12, 4.2)
    panels = figure.subplots(1, 3)
    for axes, (title, dots) in zip(panels, maps.items(), strict=True):
        for label in range(10):
            axes.scatter(*dots[labels == label].T, s=8, color=f"C{label}", linewidths=0, label=str(label))
        axes.set(title=title, xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    panels[-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0, markerscale=2)
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train a VAE, and ask what its posterior means know of the classes.")
    parser.add_argument("--data", choices=RECIPES, default="digits")
    parser.add_argument("--latent", type=int, default=argparse.SUPPRESS)
    parser.add_argument("--hidden", type=int, nargs="+", default=argparse.SUPPRESS)
    parser.add_argument("--activation", choices=["relu", "tanh", "softplus"], default=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, default=argparse.SUPPRESS)
    parser.add_argument(
        "--warm-up", type=int, default=argparse.SUPPRESS, help="epochs until the KL has its full weight"
    )
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/embedding.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    try:
        import sklearn  # noqa: F401
    except ImportError:
        sys.exit("this demo asks scikit-learn's classifiers: install it with  pip install scikit-learn")
    recipe = RECIPES[args.data]
    given = {name: getattr(args, name) for name in recipe if hasattr(args, name)}
    recipe = {**recipe, **given, **({"epochs": 2} if args.quick else {})}
    data, start = sv.datasets.load(args.data), time.perf_counter()
    vae = train(data, **recipe, beta=args.beta, seed=args.seed)
    print(f"{vae}, beta {args.beta:g}, {recipe['epochs']} epochs of {args.data}, seed {args.seed}")
    print(f"trained in {time.perf_counter() - start:.0f} s; test accuracy in %:")
    print(f"{'':30}{'all labels':>18}{f'{FEW} a class':>20}")
    print(f"{'':30}" + f"{f'{NEIGHBOURS}-NN':>10}{'linear':>10}" * 2 + f"{'C of all':>12}")
    shown = {}
    for name, (of_train, of_test) in representations(vae, data).items():
        found, C = accuracies(of_train, data.train.labels, of_test, data.test.labels, args.seed)
        print(f"{name:30}" + "".join(f"{100 * accuracy:10.2f}" for accuracy in found) + f"{C:12}", flush=True)
        shown[name] = of_test[:DOTS]
    sv.plotting.save_picture(draw(shown, data.test.labels[:DOTS], args.seed), args.out)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
