# %% [markdown]
# # One gradient's way
# One digit goes forward through a VAE to the loss, and the gradient of the loss comes back the same way. The picture
# has the real numbers at each step, forward in blue and backward in orange. The VAE has two latent dimensions, so that
# all numbers of its middle can be shown.
#
#     python demos/one_gradient.py                  three seconds; writes runs/one-gradient.png

# %%
import argparse
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.plotting import plot_images, save_picture
from scratchvae.plotting.colors import BLUE, VERMILION
from scratchvae.plotting.figures import blank_figure
from scratchvae.probability import Bernoulli, GaussianKL, Reparameterize, SplitHalves

# %% [markdown]
# **Forward**, part by part. For a single row, the loss is L = −ELBO = −log p(x | z) + KL.
#
# **Backward**, in reverse order; dv is short for ∂L/∂v. It begins with dL = 1, so that dlog p = −1 and dKL = 1. μ and
# log σ² reach L in two ways: the gradients through z and through the KL are added.


# %%
def trace(vae, x, eps):
    """Every number on the way of one row x (1, D) with noise eps (1, Z), by name; dv is the gradient for v."""
    split, reparameterize, kl, likelihood = SplitHalves(), Reparameterize(), GaussianKL(), Bernoulli()
    mu, logvar = split.forward(vae.encoder.forward(x))
    z = reparameterize.forward(mu, logvar, eps)
    t = vae.decoder.forward(z)
    way = {"x": x, "mu": mu, "logvar": logvar, "eps": eps, "z": z, "t": t}
    way["kl"], way["log_p"] = kl.forward(mu, logvar), likelihood.forward(t, x)
    way["mean"] = likelihood.mean(t, out=np.empty_like(t))

    way["dt"] = likelihood.backward(np.array([-1.0]))
    way["dz"] = vae.decoder.backward(way["dt"].copy())
    way["dmu_z"], way["dlogvar_z"] = reparameterize.backward(way["dz"])
    way["dmu_kl"], way["dlogvar_kl"] = kl.backward(np.array([1.0]))
    way["dmu"], way["dlogvar"] = way["dmu_z"] + way["dmu_kl"], way["dlogvar_z"] + way["dlogvar_kl"]
    vae.encoder.backward(split.backward(way["dmu"], way["dlogvar"]))
    way["dW"] = vae.encoder.layers[0].dW
    return {name: np.array(value) for name, value in way.items()}


# %% [markdown]
# **A check** of what arrives at μ and log σ²: change each by ±h, and compute the loss anew with the same ε.
# (L(v + h) − L(v − h)) / 2h differs from dv by O(h²).


# %%
def by_differences(vae, way, name, h=1e-5):
    """The gradient of the loss with respect to mu or logvar (1, Z), by central differences."""
    gradient = np.empty_like(way[name])
    for k in range(gradient.size):
        losses = []
        for step in (h, -h):
            moved = {"mu": way["mu"].copy(), "logvar": way["logvar"].copy()}
            moved[name][0, k] += step
            z = Reparameterize().forward(moved["mu"], moved["logvar"], way["eps"])
            log_p = Bernoulli().forward(vae.decoder.forward(z).copy(), way["x"])
            losses.append(float((GaussianKL().forward(moved["mu"], moved["logvar"]) - log_p)[0]))
        gradient[0, k] = (losses[0] - losses[1]) / (2 * h)
    return gradient


# %%
WIDTH, HEIGHT, UPPER, LOWER = 11.3, 6.0, 4.2, 1.75  # inches: the figure, and the middle of the two rows
X, Q, Z, P, L = 0.8, 3.6, 6.55, 8.8, 10.6  # the middle of each column
TABLE = (2.2, 3.6, 4.8)  # its columns: names on the left, then numbers around the middle


def text_of(numbers):
    return f"({', '.join(f'{number:.2f}' for number in np.ravel(numbers))})".replace("-", "−")


def draw(way):
    figure = blank_figure(WIDTH, HEIGHT)
    figure.set_layout_engine("none")
    figure.set_dpi(160)
    page = figure.add_axes((0, 0, 1, 1))
    page.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    page.set_axis_off()

    def write(x, y, text, color="black", size=10.5, align="center"):
        page.text(x, y, text, ha=align, va="center", color=color, fontsize=size, linespacing=1.5)

    def arrow(color, *corners, label="", above=0.2):
        """An arrow through corners (x, y), with a label in the middle of its longest part."""
        xs, ys = np.array(corners).T
        page.plot(xs[:-1], ys[:-1], color=color, lw=1.6)
        style = {"arrowstyle": "-|>", "color": color, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
        page.annotate("", corners[-1], corners[-2], arrowprops=style)
        k = np.argmax(np.abs(np.diff(xs)))
        write((xs[k] + xs[k + 1]) / 2, ys[k] + above, label, color, 10)

    def picture(x, y, pixels, title, color="black", limit=None):
        axes = figure.add_axes(((x - 0.6) / WIDTH, (y - 0.6) / HEIGHT, 1.2 / WIDTH, 1.2 / HEIGHT))
        if limit is None:
            plot_images(pixels, (8, 8), 1, value_range=(0, 1), ax=axes)
        else:
            axes.imshow(pixels.reshape(8, 8), cmap="PuOr_r", vmin=-limit, vmax=limit)
            axes.set(xticks=[], yticks=[])
        write(x, y + 0.78, title, color)

    write(WIDTH / 2, HEIGHT - 0.2, "One digit on its way to the loss, and the gradient on its way back", size=13)
    log_p, kl = float(way["log_p"][0]), float(way["kl"][0])
    picture(X, UPPER, way["x"], "x")
    write(Q, UPPER, f"μ = {text_of(way['mu'])}\nlog σ² = {text_of(way['logvar'])}", BLUE)
    write(Z, UPPER, f"ε = {text_of(way['eps'])}\nz = {text_of(way['z'])}", BLUE)
    picture(P, UPPER, way["mean"], "s(t), the mean of p(x | z)")
    write(L, UPPER, f"log p = {log_p:.2f}\nKL = {kl:.2f}\nL = {kl - log_p:.2f}".replace("-", "−"), BLUE)
    arrow(BLUE, (X + 0.65, UPPER), (Q - 1.0, UPPER), label="encoder")
    arrow(BLUE, (Q + 1.0, UPPER), (Z - 0.85, UPPER), label="μ + σ ε")
    arrow(BLUE, (Z + 0.85, UPPER), (P - 0.65, UPPER), label="decoder")
    arrow(BLUE, (P + 0.65, UPPER), (L - 0.65, UPPER))
    corners = (Q, UPPER + 0.35), (Q, UPPER + 1.1), (L, UPPER + 1.1), (L, UPPER + 0.45)
    arrow(BLUE, *corners, label="KL = ½ Σ (μ² + σ² − 1 − log σ²)")

    write(L, LOWER, "dL = 1\ndlog p = −1\ndKL = 1", VERMILION)
    limit = np.abs(way["dt"]).max()
    picture(P, LOWER, way["dt"], f"dt = s(t) − x, up to ±{limit:.2f}", VERMILION, limit)
    write(P, LOWER - 0.78, "violet is negative, orange positive", VERMILION, 9)
    write(Z, LOWER, f"dz = {text_of(way['dz'])}", VERMILION)
    lines = (("", "dμ", "dlog σ²"), *(
        (name, text_of(way["dmu" + of]), text_of(way["dlogvar" + of]))
        for name, of in (("through z", "_z"), ("through KL", "_kl"), ("sum", ""))
    ))  # fmt: skip
    for k, line in enumerate(lines):
        for x, cell, align in zip(TABLE, line, ("left", "center", "center"), strict=True):
            write(x, LOWER + 0.36 - 0.24 * k, cell, VERMILION, 10, align)
    page.plot((TABLE[0], TABLE[2] + 0.6), 2 * [LOWER - 0.24], color=VERMILION, lw=0.8)
    unit = np.argmax(np.linalg.norm(way["dW"], axis=0))
    limit = np.abs(way["dW"][:, unit]).max()
    picture(X, LOWER, way["dW"][:, unit], f"dW, up to ±{limit:.2f}", VERMILION, limit)
    write(X, LOWER - 0.85, "of a unit of the\nfirst layer", VERMILION, 9)
    arrow(VERMILION, (L - 0.65, LOWER), (P + 0.65, LOWER))
    arrow(VERMILION, (P - 0.65, LOWER), (Z + 0.9, LOWER), label="decoder")
    arrow(VERMILION, (Z - 0.9, LOWER), (TABLE[2] + 0.62, LOWER))
    write(Z, LOWER + 0.5, "∂z/∂μ = 1\n∂z/∂log σ² = ½ σ ε", VERMILION, 10)
    arrow(VERMILION, (TABLE[0] - 0.05, LOWER), (X + 0.65, LOWER), label="encoder")
    corners = (L, LOWER - 0.45), (L, LOWER - 1.1), (Q, LOWER - 1.1), (Q, LOWER - 0.55)
    arrow(VERMILION, *corners, label="∂KL/∂μ = μ,   ∂KL/∂log σ² = ½ (σ² − 1)", above=-0.2)
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Follow one digit and its gradient through a VAE.")
    parser.add_argument("--row", type=int, default=4, help="the test digit")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/one-gradient.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    data = sv.datasets.load("digits")
    if not 0 <= args.row < len(data.test.images):
        parser.error(f"--row {args.row}: expected a test digit, 0 to {len(data.test.images) - 1}")
    vae = sv.VAE(64, 2, hidden=(256,), image_shape=(8, 8), dtype="float64", seed=args.seed)
    sv.Trainer(vae, seed=args.seed).fit(data.train.images, 2 if args.quick else args.epochs)
    x = data.test.images[[args.row]].astype(np.float64)
    way = trace(vae, x, np.random.default_rng(args.seed + 1).standard_normal((1, 2)))
    print(f"{'gradient':12}{'by hand':>24}{'by differences':>24}")
    for name in ("mu", "logvar"):
        print(f"d{name:11}{text_of(way['d' + name]):>24}{text_of(by_differences(vae, way, name)):>24}")
    save_picture(draw(way), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
