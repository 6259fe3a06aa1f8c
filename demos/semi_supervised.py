# %% [markdown]
# # Classes from a few labels
# Labels are dear and data is cheap. A VAE learns from rows without a label, and there are three ways to let that help a
# classifier (Kingma, Rezende, Mohamed and Welling 2014):
#
# **M1** learns codes z ~ q(z | x) without any label; a classifier, here a support vector machine, then learns on the
# codes of the labelled rows. Its kernel is chosen by cross-validation on those rows alone, and it sees each of them
# several times, drawn anew from its q(z | x).
#
# **M2** has the class y in the model, p(x | y, z) p(y) p(z), and a classifier q(y | x) beside it. Where y is known, the
# bound is that of log p(x, y); where it is not, y is summed out:
#
#     log p(x, y) ≥ E[log p(x | y, z)] + log p(y) − KL(q(z | x, y) ‖ p(z)) = −L(x, y)
#     log p(x)    ≥ Σ_y q(y | x) (−L(x, y)) + H(q(y | x)) = −U(x)
#
# and α log q(y | x) is added for labelled rows, from which alone q(y | x) would learn nothing otherwise.
#
# **M1+M2** is M2 on the codes of M1, drawn anew from q(z | x) at each step, with a Gaussian p(z | y, z′).
#
#     python demos/semi_supervised.py                                  8×8 digits, 50 labels: half a minute
#     python demos/semi_supervised.py --data mnist --labels 100        the long run of demos/README.md
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
from scratchvae.plotting import draw_images, save_picture

WAYS = ("labels", "m1", "m2", "m1+m2")
GREY, COARSE = (
    {"likelihood": "gaussian_learned", "sigma": 0.2},
    {"likelihood": "gaussian_learned", "activation": "relu"},
)
PIXELS = {"activation": "relu", "beta": 4.0, "alpha": 5.0}
CODES = {
    "likelihood": "gaussian_heteroscedastic"
}  # with an alpha of 0.1 over the share of labelled rows, as in the paper
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
SPREAD_OF_A_USED_CODE = 0.1
DRAWS = 5


# %% [markdown]
# As many labels of each class are kept; of all other rows the label becomes −1. Of MNIST, 10,000 training rows are set
# aside, as in the paper, to look at while choosing how to train; the test rows are looked at once, at the end.


# %%
def hide(labels, kept, rng):
    classes = labels.max() + 1
    few = [rng.permutation(np.flatnonzero(labels == k))[: kept // classes] for k in range(classes)]
    given = np.full(len(labels), -1)
    given[np.concatenate(few)] = labels[np.concatenate(few)]
    return given


def make(kind, x, recipe, seed, **more):
    settings = {"activation": "softplus", **recipe["settings"], **more}
    return kind(x.shape[1], recipe["latent"], tuple(recipe["hidden"]), seed=seed, **settings)


def m1(images, recipe, seed, file):
    if file and file.exists():
        return sv.load(file)
    vae = make(sv.VAE, images, recipe, seed)
    steps = recipe["epochs"] * -(-len(images) // recipe["batch"])
    trainer = sv.Trainer(vae, lr=sv.optim.Cosine(recipe["lr"], steps), batch_size=recipe["batch"], seed=seed)
    trainer.fit(images, recipe["epochs"])
    if file:
        sv.save(vae, file)
    return vae


# %% [markdown]
# M2, of pixels or of codes. A share of each batch is labelled rows, which so come by more often than the others. Of
# pixels z must not know too much at first: it can explain a digit so well that y has nothing to add, and then rows
# without a label say nothing of y. On MNIST the KL weighs β = 4 therefore; on the small digits σ is learnt from 1 on,
# which makes errors cheap until the classes are found.


# %%
def m2(x, labels, recipe, seed, spread=None, watch=None):
    model = make(sv.SemiSupervisedVAE, x, recipe, seed, classes=labels.max() + 1)
    rows = (labels < 0).sum() / (1 - recipe["share"])
    steps = recipe["epochs"] * int(-(-rows // recipe["batch"]))
    trainer = sv.Trainer(model, lr=sv.optim.Cosine(recipe["lr"], steps), batch_size=recipe["batch"], seed=seed)
    for epoch in range(1, recipe["epochs"] + 1):
        history = trainer.fit(x, 1, labels=labels, labelled_share=recipe["share"], input_std=spread)
        if watch is not None:
            error = 100 * classification(model, *watch).error
            seconds = sum(history.seconds)
            done = f"epoch {epoch}: bound {-history.loss[-1]:.2f}, {seconds:.0f} s"
            print(f"  {done}, {error:.2f} % wrong of those held out", flush=True)
    return model


# %% [markdown]
# The classifier on codes: of those of M1 whose mean varies; the others say nothing of x.


# %%
def support_vectors(mu, sigma, labels, rng):
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import SVC

    def fit(rows, C, gamma):
        drawn = [mu[rows], *(mu[rows] + sigma[rows] * rng.standard_normal(mu[rows].shape) for _ in range(DRAWS))]
        return SVC(C=C, gamma=gamma).fit(np.concatenate(drawn), np.tile(labels[rows], DRAWS + 1))

    folds = list(StratifiedKFold(min(5, np.bincount(labels).min()), shuffle=True, random_state=0).split(mu, labels))
    grid = [(C, gamma) for C in (0.5, 1, 3, 10) for gamma in (0.02, 0.05, 0.1, 0.2)]
    right = [np.mean([fit(train, *pair).score(mu[held], labels[held]) for train, held in folds]) for pair in grid]
    best = grid[int(np.argmax(right))]
    print(f"  C = {best[0]}, γ = {best[1]}: {100 * max(right):.1f} % right in cross-validation on the labelled rows")
    return fit(np.arange(len(labels)), *best)


# %%
def codes(vae, images, used=None):
    mu, logvar = vae.encode(images)
    used = mu[:1000].std(axis=0) > SPREAD_OF_A_USED_CODE if used is None else used
    return np.ascontiguousarray(mu[:, used]), np.exp(logvar[:, used] / 2), used


def draw_class_swaps(model, decode, data, rows):
    """The first test rows, and the style of each in all classes."""
    shown, styles = rows
    band = np.concatenate([shown[:, None], decode(styles)], axis=1)
    title = "A test image, and its style in each class"
    return draw_images(band.reshape(-1, band.shape[-1]), data.image_shape, model.classes + 1, title)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Learn to classify from few labels: M1, M2 and M1+M2.")
    parser.add_argument("--data", choices=["digits", "mnist", "fashion-mnist"], default="digits")
    parser.add_argument("--labels", type=int, default=50, help="kept of the training rows' labels")
    parser.add_argument("--only", choices=WAYS, nargs="+", default=WAYS)
    parser.add_argument("--epochs", type=int, help="of everything that is trained, in place of the recipe's")
    parser.add_argument("--m1", type=Path, help="a file to keep M1 in, or to take it from if it is there")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few epochs, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/semi-supervised.png"))
    args = parser.parse_args(arguments)
    recipe = copy.deepcopy(DIGITS if args.data == "digits" else MNIST)
    for way in ("m1", "m2", "m1+m2"):
        recipe[way]["epochs"] = 2 if args.quick else args.epochs or recipe[way]["epochs"]

    data = sv.datasets.load(args.data)
    learning = len(data.train.images) - recipe["held_out"]
    x, truth = data.train.images[:learning], data.train.labels[:learning].astype(int)
    held_out = data.train.images[learning:], data.train.labels[learning:]
    test = data.test.images, data.test.labels
    labels = hide(truth, args.labels, np.random.default_rng(args.seed))
    known = labels >= 0
    print(
        f"{data.name}: {known.sum()} labels, {(~known).sum()} rows without, {len(test[0])} to test on, seed {args.seed}"
    )
    wrong, figure = {}, None

    def tell(way, error, start):
        wrong[way] = error
        print(f"{way:8} {100 * error:6.2f} % wrong of the test rows, {time.perf_counter() - start:.0f} s", flush=True)

    if "labels" in args.only:
        start = time.perf_counter()
        alone = sv.SemiSupervisedVAE(x.shape[1], 2, (128,), classes=truth.max() + 1, alpha=1.0, seed=args.seed)
        sv.Trainer(alone, batch_size=32, seed=args.seed).fit(x[known], 2 if args.quick else 100, labels=labels[known])
        tell("labels", classification(alone, *test).error, start)

    if "m2" in args.only:
        start = time.perf_counter()
        watch = held_out if len(held_out[0]) else None
        model = m2(x, labels, recipe["m2"], args.seed, watch=watch)
        tell("m2", classification(model, *test).error, start)
        figure = draw_class_swaps(model, lambda styles: styles, data, (test[0][:10], model.swap_class(test[0][:10])))

    if {"m1", "m1+m2"} & set(args.only):
        start = time.perf_counter()
        vae = m1(x, recipe["m1"], args.seed, args.m1)
        mu, sigma, used = codes(vae, x)
        mu_test = codes(vae, test[0], used)[0]
        print(f"  M1 uses {used.sum()} of {vae.latent_dim} codes, {time.perf_counter() - start:.0f} s")
        if "m1" in args.only and find_spec("sklearn"):
            machine = support_vectors(mu[known], sigma[known], labels[known], np.random.default_rng(args.seed))
            tell("m1", 1 - machine.score(mu_test, test[1]), start)
        elif "m1" in args.only:
            print("m1       left out: its classifier needs scikit-learn; pip install scikit-learn")

    if "m1+m2" in args.only:
        start = time.perf_counter()
        watch = (codes(vae, held_out[0], used)[0], held_out[1]) if len(held_out[0]) else None
        model = m2(mu, labels, recipe["m1+m2"], args.seed, sigma, watch)
        tell("m1+m2", classification(model, mu_test, test[1]).error, start)

        def decode(styles):
            z = np.zeros((styles.shape[0] * styles.shape[1], vae.latent_dim), styles.dtype)
            z[:, used] = styles.reshape(len(z), -1)
            return vae.decode(z).reshape(*styles.shape[:2], -1)

        figure = draw_class_swaps(model, decode, data, (test[0][:10], model.swap_class(mu_test[:10])))

    if figure is not None:
        save_picture(figure, args.out)
        print(f"wrote {args.out}")
    return wrong


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
