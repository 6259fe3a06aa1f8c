# %% [markdown]
# # Reconstruction against KL
# The two terms of the loss have opposite effects on q(z | x). Information about x in z increases log p(x | z), but also
# the KL. A latent dimension that gains less than it costs is switched off: its posterior becomes the prior. Once the
# decoder ignores z, the gradient does not reactivate it: the posterior has collapsed.
#
# Four ways to change the balance, each on the same network, rows and seed:
#
# | | the loss of a batch |
# |---|---|
# | beta | −log p(x given z) + β KL |
# | warm-up | the same, with a weight w that rises from 0 to 1: w β KL |
# | cycles | w rises repeatedly |
# | free bits | Σ_j max(λ, KL_j) instead of KL = Σ_j KL_j, where KL_j is the batch mean |
#
# The network has three hidden layers in each direction, deep enough for the plain loss to switch off latent dimensions
# that would be useful. With a warm-up, the decoder learns to use them before they have a cost, and the ELBO is better.
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
from scratchvae.plotting.colors import SET_COLORS
from scratchvae.plotting.figures import blank_figure
from scratchvae.training import History, KLCycles, KLWarmUp

BATCH, LATENT = 64, 20


class Run(NamedTuple):
    history: History
    kl: list[float]  # per latent dimension, on the test rows
    line: str


# %% [markdown]
# The runs differ in one argument each. The printed ELBO has β = 1 for all of them: it is a bound of log p(x) whatever
# the training loss, so the runs can be compared.


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


def train(data, hidden, epochs, seed, vae_arguments, kl_weight):
    start = time.perf_counter()
    images = data.train.images
    steps = epochs * -(-len(images) // BATCH)
    vae = sv.VAE(images.shape[1], LATENT, hidden, seed=seed, **vae_arguments)
    rate = sv.optim.Cosine(1e-3, steps)
    trainer = sv.Trainer(vae, lr=rate, batch_size=BATCH, seed=seed, kl_weight=kl_weight)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CollapseWarning)
        history = trainer.fit(images, epochs)
    score, units = sv.score(vae, data.test.images, seed=seed), active_units(vae, data.test.images)
    line = (
        f"{score.reconstruction - score.kl:8.2f}{score.reconstruction:16.2f}{score.kl:8.2f}"
        f"{units.active:10d} of {LATENT}{time.perf_counter() - start:8.1f} s{'  collapsed' * bool(caught)}"
    )
    return Run(history, sorted(units.kl, reverse=True), line)


# %% [markdown]
# The picture. Left: the KL of each latent dimension, in decreasing order; the scale is linear below 0.01 nats, where a
# dimension is unused. Right: the KL during training. With a warm-up it begins high, because it has no cost at first,
# and falls as the weight rises; with cycles this happens four times.


# %%
def draw(runs):
    figure = blank_figure(10.0, 4.2)
    left, right = figure.subplots(1, 2)
    for k, (name, run) in enumerate(runs.items()):
        left.plot(range(1, LATENT + 1), run.kl, label=name, color=SET_COLORS[k], marker="o^sDvX"[k], markersize=4)
        right.plot([epoch.epoch for epoch in run.history.epochs], run.history.kl, color=SET_COLORS[k])
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
    parser.add_argument("--quick", action="store_true", help="a small network for a few epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/balance.png"))
    args = parser.parse_args(arguments)
    hidden, epochs = ([32], 4) if args.quick else (args.hidden, args.epochs)
    data = sv.datasets.load(args.data)
    steps = epochs * -(-len(data.train.images) // BATCH)
    print(f"{data.name}, {epochs} epochs, seed {args.seed}: nats a row on the test rows")
    print(f"{'':16}{'ELBO':>8}{'reconstruction':>16}{'KL':>8}{'active units':>14}{'trained in':>12}")
    runs = {}
    for name, (vae_arguments, kl_weight) in settings(steps).items():
        runs[name] = train(data, hidden, epochs, args.seed, vae_arguments, kl_weight)
        print(f"{name:16}{runs[name].line}", flush=True)
    save_picture(draw(runs), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
