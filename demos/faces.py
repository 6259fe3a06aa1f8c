# %% [markdown]
# # Faces, with a Gaussian likelihood
# A grey pixel is no coin. Here x given z is Gaussian around what the decoder puts out, with one σ for all pixels that
# is learnt with the rest:
#
#     log p(x | z) = −½ Σ_d (x_d − μ_d(z))² / σ² − D (log σ + ½ log 2π)
#
# σ settles at the root of the mean squared error, so reconstruction and KL balance themselves. The ELBO bounds the
# logarithm of a *density*, and depends on the unit of x. Pixels here are divided by 255 and lie in [0, 1]; the density
# of y = 255 x is p(y) = p(x) / 255^D, so in units of 0 to 255 every figure is lower by D log 255, and σ is 255 times
# as large. Between models of one data set nothing changes; from one data set to another, or to a Bernoulli, no figure
# can be compared.
#
# - Frey faces: 1965 frames of a film of one face, 28×20. Two latent numbers, whose plane can be looked at, and 20,
#   each with 200 hidden units and tanh, as in "Auto-Encoding Variational Bayes" (Kingma and Welling 2013), where the
#   decoder puts out σ as well.
# - Olivetti: 400 pictures of 40 persons, 32×32 or 64×64. A face in a mirror is a face too: the 320 training pictures
#   are 640. At 32×32 σ begins large: while errors are cheap the code is laid out along what tells most faces apart, and
#   fills the prior, so that draws from it look like faces; details come as σ falls.
#
# The long runs of demos/README.md, with real data in $SCRATCHVAE_DATA:
#
#     python demos/faces.py --data frey-faces --backend native
#     python demos/faces.py --data olivetti-32 --backend native
#
# Without `--data`: Frey faces, or, where they are not to be had, 8×8 digits, which are shipped.

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
from scratchvae.plotting.latent import prior_grid
from scratchvae.plotting.mosaic import mosaic

AEVB = {"latents": (2, 20), "hidden": (200,), "activation": "tanh", "sigma": 0.12, "batch": 100}
OLIVETTI = {"latents": (24,), "hidden": (256,), "activation": "tanh", "batch": 32, "epochs": 400}
RECIPES = {
    "frey-faces": {**AEVB, "lr": 1e-3, "epochs": 160},
    "olivetti-32": {**OLIVETTI, "sigma": 0.7, "lr": 2e-3},
    "olivetti": {**OLIVETTI, "sigma": 0.09, "lr": 5e-4, "epochs": 150},
    "digits": {**AEVB, "lr": 2e-3, "epochs": 100},
}
ROWS, TITLE, DPI = 11, 28, 100  # rows of pictures; the height of a title, and an inch, in pixels


# %%
def train(data, latent, hidden, activation, sigma, lr, batch, epochs, backend, seed):
    images = data.train.images
    if data.name.startswith("olivetti"):
        mirrored = images.reshape(-1, *data.image_shape)[:, :, ::-1]
        images = np.concatenate([images, mirrored.reshape(images.shape)])
    of_pixels = {"likelihood": "gaussian_learned", "sigma": sigma, "image_shape": data.image_shape}
    vae = sv.VAE(images.shape[1], latent, hidden, activation, **of_pixels, seed=seed, backend=backend)
    rate = sv.optim.Cosine(lr, epochs * -(-len(images) // batch))
    sv.Trainer(vae, lr=rate, batch_size=batch, seed=seed).fit(images, epochs)
    return vae


# %% [markdown]
# **In numbers.** The standard error is that of the mean over test pictures, were they independent of each other. Frames
# of a film are not: the last 365, for testing, show grimaces that the first 1600 do not have.


# %%
def tell(vae, data, seconds, seed):
    known, score = (sv.score(vae, part.images, seed=seed) for part in (data.train, data.test))
    use, sigma = active_units(vae, data.test.images), float(np.exp(vae.params["likelihood.logvar"][0] / 2))
    D, shift = vae.input_dim, vae.input_dim * log(255)
    print(f"{vae}, trained in {seconds:.0f} s")
    print(
        f"  ELBO, pixels in [0, 1]     {score.value:9.1f} ± {score.standard_error:.1f} nats, {score.rows} test pictures"
    )
    print(f"  with pixels in 0 to 255    {score.value - shift:9.1f}, less by {D} log 255 = {shift:.1f}")
    print(f"  log p(x|z), KL             {score.reconstruction:9.1f}, {score.kl:.1f}; {use.active} active dimensions")
    print(f"  ELBO of training pictures  {known.value:9.1f} ± {known.standard_error:.1f}")
    print(f"  σ                          {sigma:9.4f}, or {255 * sigma:.1f} of 255 grey values", flush=True)


# %% [markdown]
# **In pictures**, always the mean of p(x | z), without the noise of its pixels. Of two latent numbers the plane, in
# even steps of the prior; of more: test pictures and what the model makes of them; draws from N(0, I); the straight
# line from the code of one test picture to that of another.


# %%
def plane(vae, across, down):
    return {"The plane of two latent numbers": vae.decode(prior_grid(across, down))}


def gallery(vae, images, across, seed):
    shown = images[np.linspace(0, len(images) - 1, 2 * across).astype(int)]
    pairs = np.linspace(0, len(images) - 1, 6).astype(int).reshape(2, 3).T
    made, walks = vae.reconstruct(shown), [vae.interpolate(images[a], images[b], across) for a, b in pairs]
    bands = [rows[part] for part in (slice(across), slice(across, None)) for rows in (shown, made)]
    return {
        "Test pictures, and below each its reconstruction": np.concatenate(bands),
        f"Draws from N(0, I) in {vae.latent_dim} dimensions, decoded": vae.sample(4 * across, seed),
        "From one test picture to another": np.concatenate(walks),
    }


def draw(models, data, seed):
    shape, across = data.image_shape, 9 if data.name == "frey-faces" else 8
    scale = max(1, 64 // max(shape))  # screen pixels for each pixel
    columns = []
    for vae in models:
        of = plane(vae, across, ROWS + 1) if vae.latent_dim == 2 else gallery(vae, data.test.images, across, seed)
        columns.append(
            {title: mosaic(rows, shape, across).repeat(scale, 0).repeat(scale, 1) for title, rows in of.items()}
        )
    tall = max(sum(len(panel) + TITLE for panel in column.values()) for column in columns)
    wide = [next(iter(column.values())).shape[1] + TITLE for column in columns]
    figure = blank_figure(sum(wide) / DPI, tall / DPI)
    figure.set_layout_engine("none")
    for k, column in enumerate(columns):
        left, top = sum(wide[:k]), tall
        for title, panel in column.items():
            height, width = panel.shape
            top -= TITLE + height
            place = left / sum(wide), top / tall, width / sum(wide), height / tall
            axes = figure.add_axes(place)
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
        print(f"{error}. Until then, 8×8 digits in their place.")
        return sv.datasets.load("digits")


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train VAEs of faces with a Gaussian likelihood whose σ is learnt.")
    parser.add_argument("--data", choices=RECIPES, help="without it Frey faces, or digits where there are none")
    parser.add_argument("--data-dir", help="where it lies; without it $SCRATCHVAE_DATA, or the cache")
    parser.add_argument("--latent", type=int, nargs="+", metavar="Z")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--backend", choices=["numpy", "native", "cupy", "auto"], default="numpy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/faces.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    try:
        data = load(args.data, args.data_dir)
    except DataError as error:
        sys.exit(str(error))
    recipe = dict(RECIPES[data.name])
    latents, usual = recipe.pop("latents"), recipe.pop("epochs")
    epochs, models = 2 if args.quick else args.epochs or usual, []
    print(f"{data.name}, {recipe}, {epochs} epochs, seed {args.seed}")
    for latent in args.latent or latents:
        start = time.perf_counter()
        models.append(train(data, latent, **recipe, epochs=epochs, backend=args.backend, seed=args.seed))
        tell(models[-1], data, time.perf_counter() - start, args.seed)
    sv.plotting.save_picture(draw(models, data, args.seed), args.out)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
