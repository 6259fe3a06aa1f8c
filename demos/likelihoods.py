# %% [markdown]
# # The effect of the likelihood on blur
# The decoder computes the parameters of p(x | z), and −log p(x | z) is the cost of an error. To second order, an error
# δ of the mean costs δ²/2v nats, where v is the variance of the likelihood at this mean:
#
# | likelihood | v at the mean m |
# |---|---|
# | Bernoulli | m (1 − m), that is ¼ at ½ and m near 0 |
# | continuous Bernoulli | 1/12 at ½, m² near 0 |
# | Gaussian | σ²: 1 by default; learned, the mean squared error; heteroscedastic, one for each pixel |
#
# The cost of the KL is the same under each. So with a small v, z carries more information about x: reconstructions are
# sharper, and the KL is larger. All of these likelihoods treat the pixels as independent given z, so anything that z
# does not determine is averaged, and an average of sharp pictures is blurred. The same network, data, seed and number
# of steps, once for each:
#
#     python demos/likelihoods.py                      8×8 digits, half a minute
#     python demos/likelihoods.py --data mnist         six minutes

# %%
import argparse
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.evaluation import active_units
from scratchvae.plotting.figures import blank_figure

EPOCHS = {"digits": 200, "mnist": 5, "fashion-mnist": 5}
BATCH = 128
LIKELIHOODS = {
    "Bernoulli": {"likelihood": "bernoulli"},
    "continuous Bernoulli": {"likelihood": "continuous_bernoulli"},
    "Gaussian, σ = 1": {"likelihood": "gaussian", "sigma": 1.0},
    "Gaussian, σ = 0.1": {"likelihood": "gaussian", "sigma": 0.1},
    "Gaussian, σ learned": {"likelihood": "gaussian_learned", "sigma": 0.3},
    "Gaussian, σ(z)": {"likelihood": "gaussian_heteroscedastic"},
}
SHOWN = 10


# %%
def train(settings, data, latent, epochs, seed):
    images = data.train.images
    vae = sv.VAE(images.shape[1], latent, image_shape=data.image_shape, seed=seed, **settings)
    steps = epochs * -(-len(images) // BATCH)
    sv.Trainer(vae, lr=sv.optim.Cosine(1e-3, steps), batch_size=BATCH, seed=seed).fit(images, epochs)
    return vae


# %% [markdown]
# **Sharpness** is the mean difference between neighbouring pixels, relative to that of real images: 1 is as sharp as
# these. Noise counts like edges, so look at the pictures too.
#
# log p(x | z) is printed too, but is no ranking: that of the Bernoulli is not a density of grey values, and the
# densities of the others are unbounded where pixels never change.


# %%
def variation(images, shape):
    pictures = images.reshape(-1, *shape).clip(0.0, 1.0)
    return sum(np.abs(np.diff(pictures, axis=axis)).mean() for axis in (1, 2))


def measure(vae, data, seed):
    x, shape = data.test.images, data.image_shape
    terms, units, reconstructed = vae.elbo(x, seed=seed), active_units(vae, x), vae.reconstruct(x)
    logvar = vae.params.get("likelihood.logvar")
    sigma = vae.config["sigma"] if logvar is None else float(np.exp(logvar[0] / 2))
    return (
        f"{terms.reconstruction.mean():.1f}",
        f"{terms.kl.mean():.1f}",
        f"{units.active}",
        f"{np.sqrt(np.mean((reconstructed - x) ** 2)):.3f}",
        f"{variation(reconstructed, shape) / variation(x, shape):.2f}",
        f"{variation(vae.sample(len(x), seed), shape) / variation(x, shape):.2f}",
        "–" if sigma is None else f"{sigma:.3f}",
    )


def print_table(results):
    names = ("log p(x|z)", "KL", "active", "RMSE", "sharp", "samples", "σ")
    print(f"{'':22}" + "".join(f"{name:>12}" for name in names))
    for likelihood, numbers in results.items():
        print(f"{likelihood:22}" + "".join(f"{number:>12}" for number in numbers))


# %% [markdown]
# **Pictures**: test images, and below them their reconstructions by the model of each likelihood; beside them, decoded
# draws from N(0, I).


# %%
def draw(models, data, seed):
    originals = data.test.images[:SHOWN]
    rows = {"test images": (originals, None)}
    for name, vae in models.items():
        rows[name] = vae.reconstruct(originals), vae.sample(SHOWN, seed)
    figure = blank_figure(11.0, 0.58 * len(rows))
    panels = figure.subplots(len(rows), 2)
    for (name, row), axes in zip(rows.items(), panels, strict=True):
        for panel, images in zip(axes, row, strict=True):
            if images is None:
                panel.set_axis_off()
            else:
                sv.plotting.plot_images(images, data.image_shape, SHOWN, value_range=(0, 1), ax=panel)
        axes[0].text(-0.02, 0.5, name, transform=axes[0].transAxes, ha="right", va="center", fontsize=9)
    panels[0, 0].set_title("reconstructions", fontsize=10)
    panels[0, 1].set_title("draws from N(0, I), decoded", fontsize=10)
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train one VAE under each likelihood, and compare how sharp they are.")
    parser.add_argument("--data", choices=EPOCHS, default="digits")
    parser.add_argument("--latent", type=int, default=10, metavar="Z")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/likelihoods.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    data = sv.datasets.load(args.data)
    epochs = 2 if args.quick else args.epochs or EPOCHS[args.data]
    models = {name: train(settings, data, args.latent, epochs, args.seed) for name, settings in LIKELIHOODS.items()}
    print(f"{args.data}, {args.latent} latent dimensions, {epochs} epochs, seed {args.seed}")
    print_table({name: measure(vae, data, args.seed) for name, vae in models.items()})
    sv.plotting.save_picture(draw(models, data, args.seed), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
