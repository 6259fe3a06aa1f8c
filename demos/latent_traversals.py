# %% [markdown]
# # Latent traversals
# A trained VAE decodes any code, so paths between codes become sequences of pictures. Three kinds of path:
#
# - along one dimension, from −3 to 3, all others at 0, the mean of the prior (a latent traversal, Higgins et al. 2017).
#   Dimensions with the highest KL come first; those with a KL of 0 change nothing;
# - from the code of one image to that of another, on a straight line or on an arc (Shoemake 1985, White 2016);
# - by the difference of two codes, added to other digits: that of an 8 and a 3, for example (Larsen et al. 2016).
#
#     python demos/latent_traversals.py                  8×8 digits, five seconds
#     python demos/latent_traversals.py --data mnist     three minutes
#
# The commands `scratchvae traverse`, `interpolate` and `analogy` do the same with any model.

# %%
import argparse
from math import sqrt
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.evaluation import active_units
from scratchvae.models.latent_space import PATHS
from scratchvae.plotting import plot_analogy, plot_images, plot_traversal, save_picture
from scratchvae.plotting.figures import blank_figure

# latent size, epochs, binarize, likelihood; that of the digits is one of grey values, which makes them sharper
RECIPES = {"digits": (10, 100, None, "continuous_bernoulli"), "mnist": (20, 20, "dynamic", "bernoulli")}
BATCH, DRAWS, STEPS = 128, 20_000, 11
ANALOGIES = ((8, 3), (6, 5), (9, 4), (7, 1), (0, 6), (9, 7))  # a − b, added to some of b


# %%
def train(name, epochs, seed):
    data, (latent, default_epochs, binarize, likelihood) = sv.datasets.load(name), RECIPES[name]
    images, epochs = data.train.images, epochs or default_epochs
    vae = sv.VAE(images.shape[1], latent, likelihood=likelihood, image_shape=data.image_shape, seed=seed)
    lr = sv.optim.Cosine(1e-3, epochs * -(-len(images) // BATCH))
    sv.Trainer(vae, lr=lr, batch_size=BATCH, seed=seed, binarize=binarize).fit(images, epochs)
    return vae, data


# %% [markdown]
# **Why an arc?** A draw from N(0, I) in Z dimensions has E|z|² = Z, and |z| varies little about √Z: nearly all draws
# are in a shell. Two of them are nearly orthogonal, so the midpoint of the straight line has E|½(a + b)|² = Z/2. It is
# well inside the shell, where draws are rare. The table shows how rare: the mean length of the midpoint of two draws,
# and the share of draws that are shorter. The same for the posterior means of images. Those of the 8×8 digits are
# longer than draws: this likelihood tells the pixels so well that the KL does not hold the codes to the prior.


# %%
def lengths_halfway(codes, rng):
    """The lengths of the midpoints between pairs of codes, by kind of path."""
    a, b = (codes[rng.integers(len(codes), size=DRAWS // 10)] for _ in range(2))
    half = np.array([[0.5]])
    pairs = [(u, v) for u, v in zip(a, b, strict=True) if not np.array_equal(u, v)]
    return {kind: np.array([np.linalg.norm(path(u, v, half)) for u, v in pairs]) for kind, path in PATHS.items()}


def print_table(vae, data, seed):
    rng = np.random.default_rng(seed)
    prior = rng.standard_normal((DRAWS, vae.latent_dim))
    prior_lengths = np.sort(np.linalg.norm(prior, axis=1))
    print(f"{'midpoint of two':24}{'path':>10}{'mean length / √Z':>20}{'draws that are shorter':>26}")
    for title, codes in (("draws from N(0, I)", prior), ("codes of test images", vae.embed(data.test.images))):
        for kind, lengths in lengths_halfway(codes.astype(np.float64), rng).items():
            shorter = np.searchsorted(prior_lengths, lengths).mean() / DRAWS
            print(f"{title:24}{kind:>10}{lengths.mean() / sqrt(vae.latent_dim):20.2f}{shorter:26.1%}")


# %% [markdown]
# **Three pictures.** What each dimension does; paths between digits, on the line and on the arc; and differences of
# classes. For these, the mean code of a class is that of all its test digits; each result stands above its C.


# %%
def draw_paths(vae, data, labels):
    firsts = [np.argmax(labels == label) for label in range(10)]
    pairs = [(data.test.images[firsts[k]], data.test.images[firsts[(k + 5) % 10]]) for k in range(5)]
    rows = [[a, *vae.interpolate(a, b, STEPS, kind), b] for a, b in pairs for kind in PATHS]
    names, ends = ["line", "arc"] * len(pairs), ["original", *[""] * STEPS, "original"]
    title = "Between two digits, on the straight line and on the arc"
    return plot_images(np.concatenate(rows), data.image_shape, STEPS + 2, title, row_names=names, column_names=ends)


def draw_analogies(vae, data, labels):
    images = data.test.images
    figure = blank_figure(9, 4.3)
    for axes, (a, b) in zip(figure.subplots(3, 2).flat, ANALOGIES, strict=True):
        of_a, of_b = (images[labels == label] for label in (a, b))
        plot_analogy(vae, of_a, of_b, of_b[:6], (str(a), str(b)), ax=axes)
        axes.set_title(f"above: C + {a} − {b};  below: C, some of the {b}s", fontsize=10)
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Decode paths through the latent space of a VAE.")
    parser.add_argument("--data", choices=RECIPES, default="digits")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/latent-traversals.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    vae, data = train(args.data, 2 if args.quick else args.epochs, args.seed)
    print_table(vae, data, args.seed)
    labels, order = data.test.labels, np.argsort(-active_units(vae, data.test.images).kl)[:10]
    for name, figure in (
        ("", plot_traversal(vae, data=data, dimensions=order, steps=STEPS)),
        ("-paths", draw_paths(vae, data, labels)),
        ("-analogies", draw_analogies(vae, data, labels)),
    ):
        path = args.out.with_name(f"{args.out.stem}{name}{args.out.suffix}")
        save_picture(figure, path, show=True)
        print(f"wrote {path}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
