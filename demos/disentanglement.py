# %% [markdown]
# # Which latent number stands for which factor
# White shapes on black, drawn from five factors that are known: shape, scale, rotation, x and y, every combination. A
# VAE is told none of them. Does one latent number come to stand for x, another for y? With β > 1 (Higgins et al. 2017),
#
#     L = −E[log p(x | z)] + β KL(q(z | x) ‖ p(z))
#
# information costs more, so that z tells what many pixels depend on, in as few numbers as will do, and leaves the rest
# out: the KL is cheapest for dimensions that are independent of each other. But details are lost. So a third model
# begins with a large β, while the code is laid out, and ends at 1: as information becomes cheaper, factor after factor
# joins those that have their places (Burgess et al. 2018 raise the capacity of the code to the same end).
#
# How well that went is measured by the *mutual information gap* (Chen et al. 2018): for each factor, by what share of
# its entropy the latent number that tells most of it is ahead of the next,
#
#     MIG = mean over k of  (I(z_a; v_k) − max over j ≠ a of I(z_j; v_k)) / H(v_k)
#
# No factor is named anywhere in L, and how well a model tells them apart depends much on its seed (Locatello et al.
# 2019). So there are three seeds of each, and all are told.
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
from scratchvae.plotting.mosaic import mosaic
from scratchvae.rng import fill_random, generator

SIDE, LATENT, HIDDEN, BATCH, RATE = 16, 6, (128, 64), 64, 2e-3
MODELS = {"β = 1": (1, 1), "β = 4": (4, 4), "β from 8 to 1": (8, 1)}  # the β to begin with, and to end with
UNTIL = 0.7  # of the updates, in which β goes from the one to the other
STEPS = 9


# %%
def train(images, first, last, epochs, backend, seed):
    vae = sv.VAE(images.shape[1], LATENT, HIDDEN, "gelu", beta=last, seed=seed, backend=backend)
    updates = epochs * -(-len(images) // BATCH)

    def kl_weight(t):
        return (first / last) ** max(0.0, 1.0 - t / (UNTIL * updates))

    lr = sv.optim.Cosine(RATE, updates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # at a large β, at first, nothing may be worth its price
        sv.Trainer(vae, lr=lr, batch_size=BATCH, seed=seed, kl_weight=kl_weight).fit(images, epochs)
    return vae


# %% [markdown]
# **In numbers.** Information is counted on draws from q(z | x) of every picture of the grid. The ELBO, with the KL
# counted once whatever it counted in training, is of pictures whose factors were drawn from between those of the grid.
#
# What comes out: with β = 1 every number tells a little of x, y and scale. With β = 4 three of them tell one each, but
# not much of it. With β that falls they tell most of it, if all goes well, and the ELBO is as good as with β = 1. Shape
# and rotation move few pixels of so small a picture, and stay untold.


# %%
def draws(vae, images, seed):
    mu, logvar = vae.encode(images)
    return mu + np.exp(logvar / 2) * fill_random(np.empty_like(mu), generator(seed, "noise").standard_normal)


def tell(name, vae, found, unseen, seed, seconds):
    terms = vae.elbo(unseen, seed=seed)
    elbo, kl = (terms.reconstruction - terms.kl).mean(), terms.kl.mean()
    print(f"{name}, seed {seed}: MIG {found.value:.3f}, ELBO {elbo:.2f} nats, KL {kl:.2f}, trained in {seconds:.0f} s")
    print(f"{'share of entropy':20}" + "".join(f"{f'z{k}':>7}" for k in range(LATENT)) + f"{'gap':>9}")
    for factor, row, entropy, gap in zip(found.names, found.information, found.entropy, found.gaps, strict=True):
        print(f"  {factor:18}" + "".join(f"{share:7.2f}" for share in row / entropy) + f"{gap:9.2f}", flush=True)


# %% [markdown]
# **In pictures**, a row for each latent number: what share of each factor's entropy it tells, and what is decoded as it
# goes from −3 to 3 while the others stay at 0. Numbers come in the order of the factor that they tell most of. Of each
# model the seed with the largest gap is drawn.


# %%
def draw(models):
    figure = blank_figure(8.0, 3.6 * len(models))
    for axes, (name, runs) in zip(figure.subplots(len(models), 1), models.items(), strict=True):
        vae, found = max(runs, key=lambda run: run[1].value)
        shares = (found.information / found.entropy[:, None]).T
        order = np.lexsort((-shares.max(axis=1), shares.argmax(axis=1) + 9 * (shares.max(axis=1) < 0.1)))
        factors, right = len(found.names), len(found.names) + 0.5
        walks = np.concatenate([vae.traverse(None, int(k), np.linspace(-3, 3, STEPS)) for k in order])
        axes.imshow(shares[order], cmap="Blues", vmin=0, vmax=1, extent=(0, factors, LATENT, 0))
        axes.imshow(
            mosaic(walks, (SIDE, SIDE), STEPS), cmap="gray", vmin=0, vmax=1, extent=(right, right + STEPS, LATENT, 0)
        )
        for row, k in enumerate(order):
            for column, share in enumerate(shares[k]):
                colour = "white" if share > 0.5 else "0.3"
                axes.text(column + 0.5, row + 0.5, f"{share:.2f}", ha="center", va="center", fontsize=8, color=colour)
        axes.set(xlim=(0, right + STEPS), ylim=(LATENT, 0))
        middle = [column + 0.5 for column in range(factors)]
        ends = [right + 0.5, right + STEPS / 2, right + STEPS - 0.5]
        axes.set_xticks([*middle, *ends], [*found.names, "−3", "0", "3"], fontsize=9)
        axes.set_yticks([row + 0.5 for row in range(LATENT)], [f"z{k}" for k in order], fontsize=9)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        gaps = ", ".join(f"{of.value:.2f}" for _, of in runs)
        axes.set_title(f"{name}: mutual information gap {found.value:.2f}, the best of {gaps}", fontsize=11)
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Which latent number stands for which factor of a picture of a shape?")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--backend", choices=["numpy", "native"], default="numpy")
    parser.add_argument("--quick", action="store_true", help="one epoch of one seed, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/disentanglement.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    epochs, seeds = (1, args.seeds[:1]) if args.quick else (args.epochs, args.seeds)
    factors, models = factor_grid(), {}
    images, unseen = (render_sprites(of, (SIDE, SIDE)) for of in (factors, draw_factors(2000)))
    print(f"{len(images)} sprites of {SIDE}×{SIDE} pixels, {SIDE * SIDE}-{HIDDEN}-{LATENT}, {epochs} epochs")
    for name, (first, last) in MODELS.items():
        models[name] = []
        for seed in seeds:
            start = time.perf_counter()
            vae = train(images, first, last, epochs, args.backend, seed)
            found = mutual_information_gap(draws(vae, images, seed), factors)
            tell(name, vae, found, unseen, seed, time.perf_counter() - start)
            models[name].append((vae, found))
    sv.plotting.save_picture(draw(models), args.out)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
