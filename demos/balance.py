# %% [markdown]
# # Reconstruction against KL
# The loss of a VAE has two terms that pull at q(z | x) from two sides. What log p(x | z) gains by telling rows apart,
# the KL charges for; a latent dimension that gains less than it costs is given up, and its posterior becomes the prior.
# Once the decoder does without z, nothing in the gradient tells it to look again: the posterior has collapsed.
#
# Four ways to move the balance, each on the same network, rows and seed:
#
# | | the loss of a batch |
# |---|---|
# | beta | −log p(x given z) + β KL |
# | warm-up | the same, with a weight w that rises from 0 to 1: w β KL |
# | cycles | w rises again and again |
# | free bits | Σ_j max(λ, KL_j) in place of KL = Σ_j KL_j, where KL_j is the mean of the batch |
#
# The network has three hidden layers each way, deep enough for the plain loss to give up latent dimensions which it
# could use: with a warm-up the decoder has learnt to use them before they cost anything, and the ELBO is better.
#
#     python demos/balance.py --out balance.png

# %%
import argparse
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import scratchvae as sv
from scratchvae.errors import CollapseWarning
from scratchvae.evaluation import active_units
from scratchvae.plotting import save_picture
from scratchvae.plotting.figures import blank_figure
from scratchvae.training import History, KLCycles, KLWarmUp

BATCH, LATENT = 64, 20


class Run(NamedTuple):
    history: History
    kl: list[float]  # of each latent dimension, on the test rows
    line: str


# %% [markdown]
# What differs between the runs is one argument each. The ELBO is told with β = 1 for all of them: it is a bound of
# log p(x) whatever a model was trained by, and so the runs can be compared.


# %%
def settings(steps):
    return {
        "plain": ({}, None),
        "beta 4": ({"beta": 4.0}, None),
        "beta 1/4": ({"beta": 0.25}, None),
        "warm-up": ({}, KLWarmUp(steps // 2)),
        "cycles": ({}, KLCycles(steps, cycles=4)),
        "free bits 0.1": ({"free_bits": 0.1}, None),
    }


def train(data, hidden, epochs, seed, of_vae, kl_weight):
    start = time.perf_counter()
    images = data.train.images
    steps = epochs * -(-len(images) // BATCH)
    vae = sv.VAE(images.shape[1], LATENT, hidden, seed=seed, **of_vae)
    rate = sv.optim.Cosine(1e-3, steps)
    trainer = sv.Trainer(vae, lr=rate, batch_size=BATCH, seed=seed, kl_weight=kl_weight)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CollapseWarning)
        history = trainer.fit(images, epochs)
    score, use = sv.score(vae, data.test.images, seed=seed), active_units(vae, data.test.images)
    line = (
        f"{score.reconstruction - score.kl:8.2f}{score.reconstruction:16.2f}{score.kl:8.2f}"
        f"{use.active:10d} of {LATENT}{time.perf_counter() - start:8.1f} s{'  collapsed' * bool(caught)}"
    )
    return Run(history, sorted(use.kl, reverse=True), line)


# %% [markdown]
# The picture: on the left each latent dimension's KL, largest first, on a scale that is straight below a hundredth of a
# nat, where a dimension says nothing. On the right the KL over training: a warm-up begins high, for at first it costs
# nothing, and comes down as the weight rises; cycles do so four times.


# %%
def draw(runs):
    figure = blank_figure(10.0, 4.2)
    left, right = figure.subplots(1, 2)
    for k, (name, run) in enumerate(runs.items()):
        left.plot(range(1, LATENT + 1), run.kl, label=name, color=f"C{k}", marker=".")
        right.plot([epoch.epoch for epoch in run.history.epochs], run.history.kl, color=f"C{k}")
    left.set_yscale("symlog", linthresh=0.01)
    left.set_ylim(bottom=0.0)
    left.axhline(0.01, color="0.6", linestyle=":")
    left.set_title("KL of each latent dimension, test rows", fontsize=11)
    left.set_xlabel("latent dimensions, largest KL first")
    left.xaxis.get_major_locator().set_params(integer=True)
    right.set_title("KL over training", fontsize=11)
    right.set_xlabel("epoch")
    right.set_ylim(bottom=0.0)
    for axes in (left, right):
        axes.set_ylabel("nats")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside right center")
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train one network with beta, warm-up, cycles and free bits.")
    parser.add_argument("--data", default="digits", help="digits, mnist or fashion-mnist")
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 256, 256])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a small network for a few epochs, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/balance.png"))
    args = parser.parse_args(arguments)
    hidden, epochs = ([32], 4) if args.quick else (args.hidden, args.epochs)
    data = sv.datasets.load(args.data)
    steps = epochs * -(-len(data.train.images) // BATCH)
    print(f"{data.name}, {epochs} epochs, seed {args.seed}: nats a row on the test rows")
    print(f"{'':16}{'ELBO':>8}{'reconstruction':>16}{'KL':>8}{'active units':>14}{'trained in':>12}")
    runs = {}
    for name, (of_vae, kl_weight) in settings(steps).items():
        runs[name] = train(data, hidden, epochs, args.seed, of_vae, kl_weight)
        print(f"{name:16}{runs[name].line}", flush=True)
    save_picture(draw(runs), args.out)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
