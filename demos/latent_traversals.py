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
from scratchvae.plotting.figures import blank_figure
from scratchvae.plotting.mosaic import mosaic

RECIPES = {"digits": (10, 100, None), "mnist": (20, 20, "dynamic")}  # latent size, epochs, binarize
BATCH, DRAWS, STEPS = 128, 20_000, 11
ANALOGIES = ((8, 3, 5), (6, 5, 3), (9, 4, 7), (7, 1, 4), (0, 6, 5))  # a − b, added to some of b and of another class


# %%
def train(name, epochs, seed):
    data, (latent, default_epochs, binarize) = sv.datasets.load(name), RECIPES[name]
    images, epochs = data.train.images, epochs or default_epochs
    vae = sv.VAE(images.shape[1], latent, image_shape=data.image_shape, seed=seed)
    lr = sv.optim.Cosine(1e-3, epochs * -(-len(images) // BATCH))
    sv.Trainer(vae, lr=lr, batch_size=BATCH, seed=seed, binarize=binarize).fit(images, epochs)
    return vae, data


# %% [markdown]
# **Why an arc?** A draw from N(0, I) in Z dimensions has E|z|² = Z, and |z| varies little about √Z: nearly all draws
# are in a shell. Two of them are nearly orthogonal, so the midpoint of the straight line has E|½(a + b)|² = Z/2. It is
# well inside the shell, where draws are rare. The table shows how rare: the mean length of the midpoint of two draws,
# and the share of draws that are shorter. The same for the posterior means of images, which are shorter than draws.


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


# %%
def draw(vae, data):
    images, labels = data.test
    firsts = [np.flatnonzero(labels == label) for label in range(10)]
    order = np.argsort(-active_units(vae, images).kl)[:10]
    figure = blank_figure(14.5, 5)
    figure.get_layout_engine().set(wspace=0.06)
    left, middle, right = figure.subplots(1, 3)

    traversals = np.concatenate([vae.traverse(None, int(k), np.linspace(-3, 3, STEPS)) for k in order])
    show(left, traversals, data.image_shape, STEPS, "along one dimension, from −3 to 3, by KL")

    pairs = [(firsts[k][0], firsts[(k + 5) % 10][0]) for k in range(5)]
    paths = [vae.interpolate(images[i], images[j], STEPS, kind) for i, j in pairs for kind in PATHS]
    show(middle, np.concatenate(paths), data.image_shape, STEPS, "on the straight line; below, on the arc")

    rows = []
    for a, b, other in ANALOGIES:
        c = images[[*firsts[b][:5], *firsts[other][: STEPS - 5]]]
        rows += [vae.reconstruct(c), vae.analogy(images[labels == a], images[labels == b], c)]
    differences = ", ".join(f"{a} − {b}" for a, b, _ in ANALOGIES)
    show(right, np.concatenate(rows), data.image_shape, STEPS, f"C; below, C + {differences}")
    return figure


def show(axes, frames, shape, columns, title):
    axes.imshow(mosaic(frames, shape, columns), cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)


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
    sv.plotting.save_picture(draw(vae, data), args.out)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
