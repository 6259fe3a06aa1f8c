# %% [markdown]
# # Classes from a few labels
# Labels are expensive, and data is cheap. A VAE learns from rows without labels, and there are three ways to use that
# for a classifier (Kingma, Rezende, Mohamed and Welling 2014):
#
# **M1** learns codes z ~ q(z | x) without labels. Then a classifier, here a support vector machine, is trained on the
# codes of the labelled rows: several draws of q(z | x) for each. Its kernel is chosen by cross-validation on these rows
# alone.
#
# **M2** includes the class y in the model, p(x | y, z) p(y) p(z), with a classifier q(y | x). For rows with a label,
# the bound is that of log p(x, y); for the others, y is summed out:
#
#     log p(x, y) ≥ E[log p(x | y, z)] + log p(y) − KL(q(z | x, y) ‖ p(z)) = −L(x, y)
#     log p(x)    ≥ Σ_y q(y | x) (−L(x, y)) + H(q(y | x)) = −U(x)
#
# For labelled rows α log q(y | x) is added, because −L(x, y) does not depend on q(y | x).
#
# **M1+M2** is M2 on the codes of M1, drawn anew from q(z | x) at each step, with a Gaussian p(z | y, z′).
#
#     python demos/semi_supervised.py                                  8×8 digits, 50 labels: half a minute
#     python demos/semi_supervised.py --data mnist --labels 100        the long run of guides/recorded-figures.md
#
# M1's classifier needs scikit-learn.

# %%
import argparse
import copy
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.evaluation import classification
from scratchvae.plotting import plot_images, save_picture

WAYS = ("labels", "m1", "m2", "m1+m2")
GREY = {"likelihood": "gaussian_learned", "sigma": 0.2}
COARSE = {"likelihood": "gaussian_learned", "activation": "relu", "scale": "none"}
PIXELS = {"activation": "relu", "beta": 4.0, "alpha": 5.0}
CODES = {
    "likelihood": "gaussian_heteroscedastic",
    "scale": "none",
}  # alpha is 0.1 over the share of labelled rows, as in the paper
DIGITS = {
    "held_out": 0,
    "m1": {"latent": 10, "hidden": [256], "epochs": 60, "batch": 50, "lr": 1e-3, "settings": GREY},
    "m2": {"latent": 10, "hidden": [128], "epochs": 60, "batch": 50, "lr": 3e-3, "share": 0.2, "settings": COARSE},
    "m1+m2": {"latent": 5, "hidden": [64], "epochs": 60, "batch": 50, "lr": 3e-3, "share": 0.2, "settings": CODES},
}
MNIST = {
    "held_out": 10_000,
    "m1": {"latent": 50, "hidden": [500, 500], "epochs": 150, "batch": 200, "lr": 1e-3, "settings": {}},
    "m2": {"latent": 50, "hidden": [300], "epochs": 14, "batch": 200, "lr": 3e-3, "share": 0.2, "settings": PIXELS},
    "m1+m2": {"latent": 10, "hidden": [300], "epochs": 150, "batch": 100, "lr": 3e-3, "share": 0.1, "settings": CODES},
}
ACTIVE_STD = 0.1  # a latent dimension is used if its mean varies by more than that
DRAWS = 5


# %% [markdown]
# Equally many labels of each class are kept; all others become −1. With MNIST, 10,000 training rows are held out to
# choose the settings, as in the paper; the test rows are used once, at the end.


# %%
def hide_labels(labels, count, rng):
    classes = labels.max() + 1
    by_class = [rng.permutation(np.flatnonzero(labels == k))[: count // classes] for k in range(classes)]
    rows = np.concatenate(by_class)
    result = np.full(len(labels), -1)
    result[rows] = labels[rows]
    return result


def build(kind, x, recipe, seed, **arguments):
    settings = {"activation": "softplus", **recipe["settings"], **arguments}
    return kind(x.shape[1], recipe["latent"], tuple(recipe["hidden"]), seed=seed, **settings)


def m1(images, recipe, seed, file):
    if file and file.exists():
        return sv.load(file)
    vae = build(sv.VAE, images, recipe, seed)
    steps = recipe["epochs"] * -(-len(images) // recipe["batch"])
    trainer = sv.Trainer(vae, lr=sv.optim.Cosine(recipe["lr"], steps), batch_size=recipe["batch"], seed=seed)
    trainer.fit(images, recipe["epochs"])
    if file:
        sv.save(vae, file)
    return vae


# %% [markdown]
# M2, on pixels or on codes. A fixed share of each batch is labelled rows, so they are used more often than the others.
# On pixels, z must not contain too much information at first: otherwise it explains a digit without y, and rows without
# a label do not train y. Therefore β = 4 on MNIST; on the small digits σ is learned, beginning at 1, so that errors
# have a low cost until the classes are found.


# %%
def m2(x, labels, recipe, seed, input_std=None, held_out=None):
    model = build(sv.SemiSupervisedVAE, x, recipe, seed, classes=labels.max() + 1)
    rows = (labels < 0).sum() / (1 - recipe["share"])
    steps = recipe["epochs"] * int(-(-rows // recipe["batch"]))
    trainer = sv.Trainer(model, lr=sv.optim.Cosine(recipe["lr"], steps), batch_size=recipe["batch"], seed=seed)
    for epoch in range(1, recipe["epochs"] + 1):
        history = trainer.fit(x, 1, labels=labels, labelled_share=recipe["share"], input_std=input_std)
        if held_out is not None:
            error = 100 * classification(model, *held_out).error
            seconds = sum(history.seconds)
            progress = f"epoch {epoch}: bound {-history.loss[-1]:.2f}, {seconds:.0f} s"
            print(f"  {progress}, {error:.2f} % of the held-out rows misclassified", flush=True)
    return model


# %% [markdown]
# The classifier of M1 uses the latent dimensions whose mean varies; the others have no information about x.


# %%
def support_vectors(mu, sigma, labels, rng):
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import SVC

    def fit(rows, C, gamma):
        drawn = [mu[rows], *(mu[rows] + sigma[rows] * rng.standard_normal(mu[rows].shape) for _ in range(DRAWS))]
        return SVC(C=C, gamma=gamma).fit(np.concatenate(drawn), np.tile(labels[rows], DRAWS + 1))

    folds = list(StratifiedKFold(min(5, np.bincount(labels).min()), shuffle=True, random_state=0).split(mu, labels))
    grid = [(C, gamma) for C in (0.5, 1, 3, 10) for gamma in (0.02, 0.05, 0.1, 0.2)]
    scores = [np.mean([fit(train, *pair).score(mu[test], labels[test]) for train, test in folds]) for pair in grid]
    best = grid[int(np.argmax(scores))]
    print(f"  C = {best[0]}, γ = {best[1]}: {100 * max(scores):.1f} % correct in cross-validation on the labelled rows")
    return fit(np.arange(len(labels)), *best)


# %%
def codes(vae, images, used=None):
    mu, logvar = vae.encode(images)
    used = mu[:1000].std(axis=0) > ACTIVE_STD if used is None else used
    return np.ascontiguousarray(mu[:, used]), np.exp(logvar[:, used] / 2), used


def draw_class_swaps(images, swapped, data, classes):
    """Draw images (N, D), and beside each its style in all classes, swapped (N, classes, D)."""
    rows = np.concatenate([images[:, None], swapped], axis=1).reshape(-1, images.shape[1])
    names, title = ["original", *map(str, range(classes))], "Test images on the left; the style of each in every class"
    return plot_images(rows, data.image_shape, classes + 1, title, column_names=names)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Learn to classify from few labels: M1, M2 and M1+M2.")
    parser.add_argument("--data", choices=["digits", "mnist", "fashion-mnist"], default="digits")
    parser.add_argument("--labels", type=int, default=50, help="the number of training labels")
    parser.add_argument("--only", choices=WAYS, nargs="+", default=WAYS)
    parser.add_argument("--epochs", type=int, help="replaces the number of epochs of every training")
    parser.add_argument("--m1", type=Path, help="save M1 to this file, or load it if the file exists")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/semi-supervised.png"))
    args = parser.parse_args(arguments)
    recipe = copy.deepcopy(DIGITS if args.data == "digits" else MNIST)
    for way in ("m1", "m2", "m1+m2"):
        recipe[way]["epochs"] = 2 if args.quick else args.epochs or recipe[way]["epochs"]

    data = sv.datasets.load(args.data)
    count = len(data.train.images) - recipe["held_out"]
    x, all_labels = data.train.images[:count], data.train.labels[:count].astype(int)
    held_out = (data.train.images[count:], data.train.labels[count:]) if recipe["held_out"] else None
    test = data.test.images, data.test.labels
    labels = hide_labels(all_labels, args.labels, np.random.default_rng(args.seed))
    known = labels >= 0
    print(
        f"{data.name}: {known.sum()} labels, {(~known).sum()} rows without, {len(test[0])} to test on, seed {args.seed}"
    )
    errors, figure = {}, None

    def report(way, error, start):
        errors[way] = error
        print(
            f"{way:8} {100 * error:6.2f} % of the test rows misclassified, {time.perf_counter() - start:.0f} s",
            flush=True,
        )

    if "labels" in args.only:
        start = time.perf_counter()
        alone = sv.SemiSupervisedVAE(x.shape[1], 2, (128,), classes=all_labels.max() + 1, alpha=1.0, seed=args.seed)
        sv.Trainer(alone, batch_size=32, seed=args.seed).fit(x[known], 2 if args.quick else 100, labels=labels[known])
        report("labels", classification(alone, *test).error, start)

    if "m2" in args.only:
        start = time.perf_counter()
        model = m2(x, labels, recipe["m2"], args.seed, held_out=held_out)
        report("m2", classification(model, *test).error, start)
        figure = draw_class_swaps(test[0][:10], model.swap_class(test[0][:10]), data, model.classes)

    if {"m1", "m1+m2"} & set(args.only):
        start = time.perf_counter()
        vae = m1(x, recipe["m1"], args.seed, args.m1)
        mu, sigma, used = codes(vae, x)
        mu_test = codes(vae, test[0], used)[0]
        print(f"  M1 uses {used.sum()} of {vae.latent_dim} codes, {time.perf_counter() - start:.0f} s")
        if "m1" in args.only and find_spec("sklearn"):
            classifier = support_vectors(mu[known], sigma[known], labels[known], np.random.default_rng(args.seed))
            report("m1", 1 - classifier.score(mu_test, test[1]), start)
        elif "m1" in args.only:
            print("m1       skipped: its classifier needs scikit-learn; pip install scikit-learn")

    if "m1+m2" in args.only:
        start = time.perf_counter()
        held_out_codes = (codes(vae, held_out[0], used)[0], held_out[1]) if held_out else None
        model = m2(mu, labels, recipe["m1+m2"], args.seed, sigma, held_out_codes)
        report("m1+m2", classification(model, mu_test, test[1]).error, start)

        styles = model.swap_class(mu_test[:10])
        z = np.zeros((*styles.shape[:2], vae.latent_dim), styles.dtype)
        z[:, :, used] = styles
        swapped = vae.decode(z.reshape(-1, vae.latent_dim)).reshape(*styles.shape[:2], -1)
        figure = draw_class_swaps(test[0][:10], swapped, data, model.classes)

    if figure is not None:
        save_picture(figure, args.out, show=True)
        print(f"wrote {args.out}")
    return errors


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
