# %% [markdown]
# # Dense layers or convolutions
# Two VAEs of nearly the same number of parameters: one of linear layers, which do not know which pixels are neighbours,
# and one of convolutions, which look for the same small patterns everywhere. Pixels are grey values with a continuous
# Bernoulli likelihood, a density on [0, 1] (Loaiza-Ganem and Cunningham 2019).
#
#     python demos/convolutions.py                     Fashion-MNIST, or the 8×8 digits of the package without it
#     python demos/convolutions.py --epochs 20 --backend native
#
# Both are trained with the same rows in the same order, and each test picture is scored by both with the same noise.
# The difference of two ELBOs of one picture varies far less than the ELBOs: its mean has a small standard error.

# %%
import argparse
import time
from math import sqrt
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.errors import DataError
from scratchvae.plotting import plot_rows, plot_samples, save_picture

PICTURES = 12
# widths of the dense layers for about as many parameters as the convolutions have
HIDDEN = {784: (512,), 64: (128,)}
CONVOLUTIONS = {784: (128,), 64: (21,)}


def load(folder):
    try:
        return sv.datasets.load("fashion-mnist", folder)
    except DataError:
        print("Fashion-MNIST was not found: the 8×8 digits instead")
        return sv.datasets.load("digits")


def make(data, architecture, latent, backend, seed):
    pixels = data.train.images.shape[1]
    hidden = HIDDEN if architecture == "mlp" else CONVOLUTIONS
    return sv.VAE(
        latent_dim=latent,
        hidden=hidden[pixels],
        architecture=architecture,
        image_shape=data.image_shape,
        likelihood="continuous_bernoulli",
        backend=backend,
        seed=seed,
    )


# %% [markdown]
# **The comparison.** The ELBO of a density depends on the unit of x; differences between two models do not. Most of a
# difference of densities comes from pixels that are exactly 0: the surer a model is of them, the higher is the density.
# The squared error of the reconstructions tells the rest.


# %%
def compare(models, images, seed):
    """Print the test ELBO of each model, and the mean difference with its standard error."""
    scores = {name: vae.elbo(images, seed=seed) for name, vae in models.items()}
    for name, terms in scores.items():
        values = [float(np.mean(term, dtype=np.float64)) for term in terms]
        error = float(np.mean((models[name].reconstruct(images) - images) ** 2, dtype=np.float64))
        print(f"{name:13} test ELBO {values[0]:9.2f}  reconstruction {values[1]:9.2f}  KL {values[2]:6.2f}", end="")
        print(f"  squared error {error:.4f}")
    difference = (scores["convolutions"].value - scores["dense"].value).astype(np.float64)
    mean, error = difference.mean(), difference.std(ddof=1) / sqrt(len(difference))
    print(f"convolutions − dense: {mean:.2f} ± {error:.2f} nats a picture, {mean / error:.0f} standard errors")
    return mean, error


# %% [markdown]
# **Pictures.** Means of p(x | z) are smooth: noise is not drawn. Look at edges, and at patterns inside a garment.


# %%
def draw(models, data, out, seed):
    images, shape = data.test.images[:PICTURES], data.image_shape
    sets = {"original": images, **{name: vae.reconstruct(images) for name, vae in models.items()}}
    save_picture(plot_rows(sets, shape, PICTURES, "Test pictures and their reconstructions"), out, show=True)
    print(f"wrote {out}")
    for name, vae in models.items():
        path = out.with_name(f"{out.stem}_{name}{out.suffix}")
        figure = plot_samples(vae, 4 * PICTURES, seed, PICTURES)
        figure.axes[0].set_title(f"Samples of the {name} VAE")
        save_picture(figure, path, show=True)
        print(f"wrote {path}")


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Compare dense and convolutional VAEs of the same size.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--latent", type=int, default=20)
    parser.add_argument("--backend", choices=["numpy", "native", "cupy", "auto"], default="numpy")
    parser.add_argument("--data-dir", help="the folder of Fashion-MNIST; default: $SCRATCHVAE_DATA, or the cache")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one epoch on a few pictures, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/convolutions.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    data = load(args.data_dir)
    rows, epochs = (data.train.images[:512], 1) if args.quick else (data.train.images, args.epochs)
    models = {}
    for name, architecture in (("dense", "mlp"), ("convolutions", "conv")):
        vae = models[name] = make(data, architecture, args.latent, args.backend, args.seed)
        start, steps = time.perf_counter(), epochs * -(-len(rows) // 128)
        rate = sv.optim.Cosine(1e-3, steps)
        sv.Trainer(vae, lr=rate, seed=args.seed).fit(rows, epochs, progress=False)
        seconds = time.perf_counter() - start
        print(f"{name:13} {vae.theta.size:,} parameters, {epochs} epochs in {seconds:.0f} s")
    compare(models, data.test.images[:500] if args.quick else data.test.images, args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draw(models, data, args.out, args.seed)


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
