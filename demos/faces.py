# %% [markdown]
# # Faces, with a Gaussian likelihood
# Grey pixels are not binary. Here x given z is Gaussian around the output of the decoder, with one σ for all pixels
# that is learned with the weights:
#
#     log p(x | z) = −½ Σ_d (x_d − μ_d(z))² / σ² − D (log σ + ½ log 2π)
#
# σ converges to the root mean squared error, which balances reconstruction and KL automatically. The ELBO bounds the
# logarithm of a *density*, so it depends on the unit of x. Pixels here are divided by 255 and are in [0, 1]. The
# density of y = 255 x is p(y) = p(x) / 255^D: in units of 0 to 255 every ELBO is lower by D log 255, and σ is 255 times
# as large. The differences between models of one data set stay the same; values of different data sets, or of a
# Bernoulli, cannot be compared.
#
# - Frey faces: 1965 frames of a film of one face, 28×20. Two latent dimensions, whose plane can be drawn, and 20, each
#   with 200 hidden units and tanh, as in "Auto-Encoding Variational Bayes" (Kingma and Welling 2013), where the decoder
#   computes σ as well.
# - Olivetti: 400 pictures of 40 persons, 32×32 or 64×64. Mirror images double the 320 training pictures to 640. At
#   32×32 σ begins large: errors have a low cost at first, so the code encodes the largest differences between faces and
#   fills the prior, and samples look like faces; details follow as σ decreases.
#
# The long runs of guides/recorded-figures.md, with real data in $SCRATCHVAE_DATA:
#
#     python demos/faces.py --data frey-faces --backend native
#     python demos/faces.py --data olivetti-32 --backend native
#
# Without `--data`: Frey faces, or, if they are not found, the 8×8 digits of the package.

# %%
import argparse
import sys
import time
from math import log
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.errors import DataError
from scratchvae.evaluation import active_units
from scratchvae.plotting.figures import blank_figure
from scratchvae.plotting.images import mosaic
from scratchvae.plotting.latent import prior_grid

AEVB = {"latents": (2, 20), "hidden": (200,), "activation": "tanh", "sigma": 0.12, "batch": 100}
OLIVETTI = {"latents": (24,), "hidden": (256,), "activation": "tanh", "batch": 32, "epochs": 400}
RECIPES = {
    "frey-faces": {**AEVB, "lr": 1e-3, "epochs": 160},
    "olivetti-32": {**OLIVETTI, "sigma": 0.7, "lr": 2e-3},
    "olivetti": {**OLIVETTI, "sigma": 0.09, "lr": 5e-4, "epochs": 150},
    "digits": {**AEVB, "lr": 2e-3, "epochs": 100},
}
ROWS, TITLE, DPI = 11, 28, 100  # rows of pictures; the height of a title in pixels; pixels per inch


# %%
def train(data, latent, hidden, activation, sigma, lr, batch, epochs, backend, seed):
    images = data.train.images
    if data.name.startswith("olivetti"):
        mirrored = images.reshape(-1, *data.image_shape)[:, :, ::-1]
        images = np.concatenate([images, mirrored.reshape(images.shape)])
    settings = {"likelihood": "gaussian_learned", "sigma": sigma, "image_shape": data.image_shape}
    vae = sv.VAE(images.shape[1], latent, hidden, activation, **settings, seed=seed, backend=backend)
    rate = sv.optim.Cosine(lr, epochs * -(-len(images) // batch))
    sv.Trainer(vae, lr=rate, batch_size=batch, seed=seed).fit(images, epochs)
    return vae


# %% [markdown]
# **Numbers.** The standard error of the mean assumes independent test pictures. Frames of a film are not independent:
# the last 365, used for testing, show grimaces that are not in the first 1600.


# %%
def print_results(vae, data, seconds, seed):
    training, score = (sv.score(vae, part.images, seed=seed) for part in (data.train, data.test))
    units, sigma = active_units(vae, data.test.images), float(np.exp(vae.params["likelihood.logvar"][0] / 2))
    D, shift = vae.input_dim, vae.input_dim * log(255)
    print(f"{vae}, trained in {seconds:.0f} s")
    print(
        f"  ELBO, pixels in [0, 1]     {score.value:9.1f} ± {score.standard_error:.1f} nats, {score.rows} test pictures"
    )
    print(f"  with pixels in 0 to 255    {score.value - shift:9.1f}, less by {D} log 255 = {shift:.1f}")
    print(f"  log p(x|z), KL             {score.reconstruction:9.1f}, {score.kl:.1f}; {units.active} active dimensions")
    print(f"  ELBO of training pictures  {training.value:9.1f} ± {training.standard_error:.1f}")
    print(f"  σ                          {sigma:9.4f}, or {255 * sigma:.1f} of 255 grey values", flush=True)


# %% [markdown]
# **Pictures**, always the mean of p(x | z), without pixel noise. With two latent dimensions, the plane, at even
# quantiles of the prior; with more: test pictures and their reconstructions; decoded draws from N(0, I); straight lines
# from the code of one test picture to that of another.


# %%
def plane(vae, across, down):
    return {"The plane of two latent dimensions": vae.decode(prior_grid(across, down))}


def gallery(vae, images, across, seed):
    shown = images[np.linspace(0, len(images) - 1, 2 * across).astype(int)]
    pairs = np.linspace(0, len(images) - 1, 6).astype(int).reshape(2, 3).T
    reconstructed = vae.reconstruct(shown)
    paths = [[images[a], *vae.interpolate(images[a], images[b], across - 2), images[b]] for a, b in pairs]
    rows = [images[part] for part in (slice(across), slice(across, None)) for images in (shown, reconstructed)]
    return {
        "Test pictures, and below each its reconstruction": np.concatenate(rows),
        f"Draws from N(0, I) in {vae.latent_dim} dimensions, decoded": vae.sample(4 * across, seed),
        "Paths between the test pictures at both ends": np.concatenate(paths),
    }


def draw(models, data, seed):
    shape, across = data.image_shape, 9 if data.name == "frey-faces" else 8
    scale = max(1, 64 // max(shape))  # screen pixels for each pixel
    columns = []
    for vae in models:
        panels = plane(vae, across, ROWS + 1) if vae.latent_dim == 2 else gallery(vae, data.test.images, across, seed)
        columns.append(
            {title: mosaic(rows, shape, across).repeat(scale, 0).repeat(scale, 1) for title, rows in panels.items()}
        )
    total_height = max(sum(len(panel) + TITLE for panel in column.values()) for column in columns)
    widths = [next(iter(column.values())).shape[1] + TITLE for column in columns]
    figure = blank_figure(sum(widths) / DPI, total_height / DPI)
    figure.set_layout_engine("none")
    for k, column in enumerate(columns):
        left, top = sum(widths[:k]), total_height
        for title, panel in column.items():
            height, width = panel.shape
            top -= TITLE + height
            bounds = left / sum(widths), top / total_height, width / sum(widths), height / total_height
            axes = figure.add_axes(bounds)
            axes.imshow(panel, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
            axes.set_axis_off()
            axes.set_title(title, fontsize=10)
    return figure


# %%
def load(name, folder):
    if name:
        return sv.datasets.load(name, folder)
    try:
        return sv.datasets.load("frey-faces", folder)
    except DataError as error:
        print(f"{error}. Using 8×8 digits instead.")
        return sv.datasets.load("digits")


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train VAEs of faces with a Gaussian likelihood and a learned σ.")
    parser.add_argument("--data", choices=RECIPES, help="default: Frey faces, or digits if they are not found")
    parser.add_argument("--data-dir", help="its folder; default: $SCRATCHVAE_DATA, or the cache")
    parser.add_argument("--latent", type=int, nargs="+", metavar="Z")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--backend", choices=["numpy", "native", "cupy", "auto"], default="numpy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/faces.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    try:
        data = load(args.data, args.data_dir)
    except DataError as error:
        sys.exit(str(error))
    recipe = dict(RECIPES[data.name])
    latents, default_epochs = recipe.pop("latents"), recipe.pop("epochs")
    epochs, models = 2 if args.quick else args.epochs or default_epochs, []
    print(f"{data.name}, {recipe}, {epochs} epochs, seed {args.seed}")
    for latent in args.latent or latents:
        start = time.perf_counter()
        models.append(train(data, latent, **recipe, epochs=epochs, backend=args.backend, seed=args.seed))
        print_results(models[-1], data, time.perf_counter() - start, args.seed)
    sv.plotting.save_picture(draw(models, data, args.seed), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
