# %% [markdown]
# # Disentanglement
# White shapes on black, with five known factors in all combinations: shape, scale, rotation, x and y. The VAE does not
# know the factors. Does one latent dimension encode x, and another y? With β > 1 (Higgins et al. 2017),
#
#     L = −E[log p(x | z)] + β KL(q(z | x) ‖ p(z))
#
# information has a higher cost. So z encodes only what many pixels depend on, in few dimensions; the KL is smallest if
# these are independent of each other. But details are missing. A third model therefore begins with a large β, which
# determines the layout of the code, and ends at 1: as the cost decreases, one factor after another is added (Burgess et
# al. 2018 raise the capacity of the code for the same purpose).
#
# The measure is the *mutual information gap* (Chen et al. 2018). For each factor, it is the difference between the two
# latent dimensions with the most information about it, as a share of its entropy:
#
#     MIG = mean over k of  (I(z_a; v_k) − max over j ≠ a of I(z_j; v_k)) / H(v_k)
#
# L does not contain the factors, and the result depends much on the seed (Locatello et al. 2019). So each model is
# trained with three seeds, and all results are printed.
#
#     python demos/disentanglement.py                  16×16 pixels, 40 seconds

# %%
import argparse
import time
import warnings
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.datasets import draw_factors, factor_grid, render_sprites
from scratchvae.errors import CollapseWarning
from scratchvae.evaluation import mutual_information_gap
from scratchvae.plotting.figures import blank_figure
from scratchvae.plotting.images import mosaic
from scratchvae.rng import fill_random, generator

SIDE, LATENT, HIDDEN, BATCH, RATE = 16, 6, (128, 64), 64, 2e-3
MODELS = {"β = 1": (1, 1), "β = 4": (4, 4), "β from 8 to 1": (8, 1)}  # β at the beginning, and at the end
ANNEALING = 0.7  # the share of updates during which β changes
STEPS = 9


# %%
def train(images, first, last, epochs, backend, seed):
    vae = sv.VAE(images.shape[1], LATENT, HIDDEN, "gelu", beta=last, seed=seed, backend=backend)
    updates = epochs * -(-len(images) // BATCH)

    def kl_weight(t):
        return (first / last) ** max(0.0, 1.0 - t / (ANNEALING * updates))

    lr = sv.optim.Cosine(RATE, updates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # with a large β it may be temporary
        sv.Trainer(vae, lr=lr, batch_size=BATCH, seed=seed, kl_weight=kl_weight).fit(images, epochs)
    return vae


# %% [markdown]
# **Numbers.** Information is estimated on draws from q(z | x) of every picture of the grid. The ELBO, always with β =
# 1, is measured on pictures whose factors are between those of the grid.
#
# The result: with β = 1 every dimension has a little information about x, y and scale. With β = 4 three of them encode
# one factor each, but incompletely. With decreasing β they encode most of it, for a good seed, and the ELBO is as good
# as with β = 1. Shape and rotation change few pixels of such a small picture, and are not encoded.


# %%
def draws(vae, images, seed):
    mu, logvar = vae.encode(images)
    return mu + np.exp(logvar / 2) * fill_random(np.empty_like(mu), generator(seed, "noise").standard_normal)


def print_table(name, vae, result, test, seed, seconds):
    terms = vae.elbo(test, seed=seed)
    elbo, kl = (terms.reconstruction - terms.kl).mean(), terms.kl.mean()
    print(f"{name}, seed {seed}: MIG {result.value:.3f}, ELBO {elbo:.2f} nats, KL {kl:.2f}, trained in {seconds:.0f} s")
    print(f"{'share of entropy':20}" + "".join(f"{f'z{k}':>7}" for k in range(LATENT)) + f"{'gap':>9}")
    for factor, row, entropy, gap in zip(result.names, result.information, result.entropy, result.gaps, strict=True):
        print(f"  {factor:18}" + "".join(f"{share:7.2f}" for share in row / entropy) + f"{gap:9.2f}", flush=True)


# %% [markdown]
# **Pictures**, with a row for each latent dimension: its information about each factor, as a share of the factor's
# entropy; and the decoded traversal from −3 to 3, with the others at 0. Dimensions are sorted by the factor about which
# they have the most information. Each model is drawn with the seed of its largest gap.


# %%
def draw(models):
    figure = blank_figure(8.0, 3.6 * len(models))
    for axes, (name, runs) in zip(figure.subplots(len(models), 1), models.items(), strict=True):
        vae, result = max(runs, key=lambda run: run[1].value)
        shares = (result.information / result.entropy[:, None]).T
        order = np.lexsort((-shares.max(axis=1), shares.argmax(axis=1) + 9 * (shares.max(axis=1) < 0.1)))
        factors, right = len(result.names), len(result.names) + 0.5
        traversals = np.concatenate([vae.traverse(None, int(k), np.linspace(-3, 3, STEPS)) for k in order])
        axes.imshow(shares[order], cmap="Blues", vmin=0, vmax=1, extent=(0, factors, LATENT, 0))
        axes.imshow(
            mosaic(traversals, (SIDE, SIDE), STEPS),
            cmap="gray",
            vmin=0,
            vmax=1,
            extent=(right, right + STEPS, LATENT, 0),
        )
        for row, k in enumerate(order):
            for column, share in enumerate(shares[k]):
                colour = "white" if share > 0.5 else "0.3"
                axes.text(column + 0.5, row + 0.5, f"{share:.2f}", ha="center", va="center", fontsize=8, color=colour)
        axes.set(xlim=(0, right + STEPS), ylim=(LATENT, 0))
        middle = [column + 0.5 for column in range(factors)]
        ends = [right + 0.5, right + STEPS / 2, right + STEPS - 0.5]
        axes.set_xticks([*middle, *ends], [*result.names, "−3", "0", "3"], fontsize=9)
        axes.set_yticks([row + 0.5 for row in range(LATENT)], [f"z{k}" for k in order], fontsize=9)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        gaps = ", ".join(f"{run.value:.2f}" for _, run in runs)
        axes.set_title(f"{name}: mutual information gap {result.value:.2f}, the best of {gaps}", fontsize=11)
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Measure which latent dimension encodes which factor of a picture.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--backend", choices=["numpy", "native"], default="numpy")
    parser.add_argument("--quick", action="store_true", help="one epoch of one seed, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/disentanglement.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    epochs, seeds = (1, args.seeds[:1]) if args.quick else (args.epochs, args.seeds)
    factors, models = factor_grid(), {}
    images, test = (render_sprites(rows, (SIDE, SIDE)) for rows in (factors, draw_factors(2000)))
    print(f"{len(images)} sprites of {SIDE}×{SIDE} pixels, {SIDE * SIDE}-{HIDDEN}-{LATENT}, {epochs} epochs")
    for name, (first, last) in MODELS.items():
        models[name] = []
        for seed in seeds:
            start = time.perf_counter()
            vae = train(images, first, last, epochs, args.backend, seed)
            result = mutual_information_gap(draws(vae, images, seed), factors)
            print_table(name, vae, result, test, seed, time.perf_counter() - start)
            models[name].append((vae, result))
    sv.plotting.save_picture(draw(models), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
