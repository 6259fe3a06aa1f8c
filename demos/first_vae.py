# %% [markdown]
# # A first VAE, by hand
# A variational autoencoder (Kingma and Welling 2013) with two latent dimensions, for handwritten digits of 8×8 pixels.
# This demo assembles it from layers: forward, backward, a check of one gradient, then training.
# `scratchvae/models/vae.py` does the same for any sizes, in memory that is allocated once.
#
#     python demos/first_vae.py                  four seconds; writes runs/first-vae.png

# %%
import argparse
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.layers import Linear, ReLU
from scratchvae.optim import Adam
from scratchvae.plotting import plot_codes, plot_images, save_picture
from scratchvae.plotting.figures import blank_figure
from scratchvae.probability import Bernoulli, GaussianKL, Reparameterize, SplitHalves

data = sv.datasets.load("digits")
images = data.train.images.astype(np.float64)

# %% [markdown]
# **The model.** A digit x is generated from a code z ~ N(0, I): a *decoder* computes logits t from z, one per pixel,
# and the pixel is on with probability sigmoid(t). Training the decoder needs the z of each x, which is unknown. An
# *encoder* approximates it by a distribution, q(z | x) = N(μ, σ² I); a network computes μ and log σ² from x.

# %%
encoder = [Linear(64, 256, "he_normal", seed=0), ReLU(), Linear(256, 4, seed=1)]  # 4 numbers: two μ, two log σ²
decoder = [Linear(2, 256, "he_normal", seed=2), ReLU(), Linear(256, 64, seed=3)]
split, reparameterize, kl, likelihood = SplitHalves(), Reparameterize(), GaussianKL(), Bernoulli()


# %% [markdown]
# **Forward.** The evidence lower bound of a row, in nats, is
#
#     ELBO = E_q[log p(x | z)] − KL(q(z | x) ‖ p(z))   ≤   log p(x)
#
# The first term rewards good reconstructions; the second keeps the codes of all x together close to N(0, I). The
# expectation is estimated with a single draw. So that a gradient can pass through the draw, it is written as a function
# of μ and σ: z = μ + σ ε, where ε ~ N(0, I) is an argument. The loss is the negative mean over the rows.


# %%
def forward_all(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def compute_loss(x, eps):
    mu, logvar = split.forward(forward_all(encoder, x))
    z = reparameterize.forward(mu, logvar, eps)
    logits = forward_all(decoder, z)
    elbo = likelihood.forward(logits, x) - kl.forward(mu, logvar)
    return -elbo.mean()


# %% [markdown]
# **Backward** applies the same steps in reverse order. Each module takes ∂L/∂output, stores `dv` for ∂L/∂v, and returns
# ∂L/∂input. μ and log σ² affect the loss twice, through z and through the KL, so two gradients are added.


# %%
def backward_all(layers, dy):
    for layer in reversed(layers):
        dy = layer.backward(dy)
    return dy


def compute_gradients(rows):
    dlogits = likelihood.backward(np.full(rows, -1 / rows))
    dz = backward_all(decoder, dlogits)
    dmu, dlogvar = reparameterize.backward(dz)
    dmu_of_kl, dlogvar_of_kl = kl.backward(np.full(rows, 1 / rows))
    dmu += dmu_of_kl
    dlogvar += dlogvar_of_kl
    backward_all(encoder, split.backward(dmu, dlogvar))


# %% [markdown]
# **Check one gradient.** Change one weight w of the first layer, whose gradient passes through every module, by ±h:
# (L(w + h) − L(w − h)) / 2h differs from ∂L/∂w by O(h²). The noise is the same both times.

# %%
x, eps = images[:50], np.random.default_rng(0).standard_normal((50, 2))
compute_loss(x, eps)
compute_gradients(len(x))

W, i, h = encoder[0].W, (20, 3), 1e-5
w = W[i]
losses = []
for W[i] in (w + h, w - h):
    losses.append(compute_loss(x, eps))
W[i] = w
by_differences, by_hand = (losses[0] - losses[1]) / (2 * h), encoder[0].dW[i]
print(f"∂L/∂w by differences {by_differences:.9f}, by hand {by_hand:.9f}")

# %% [markdown]
# **Training** repeats: a batch, noise, forward, backward, and a step of Adam for each array of weights.


# %%
def train(epochs, batch=100, lr=3e-3):
    rng = np.random.default_rng(0)
    arrays = [(layer, name) for layer in (encoder[0], encoder[2], decoder[0], decoder[2]) for name in ("W", "b")]
    optimizers = [Adam(lr) for _ in arrays]
    for optimizer, (layer, name) in zip(optimizers, arrays, strict=True):
        optimizer.bind(np, getattr(layer, name).reshape(-1))
    for epoch in range(1, epochs + 1):
        losses = []
        for indices in np.split(rng.permutation(len(images)), len(images) // batch):
            losses.append(compute_loss(images[indices], rng.standard_normal((batch, 2))))
            compute_gradients(batch)
            for optimizer, (layer, name) in zip(optimizers, arrays, strict=True):
                optimizer.step(getattr(layer, "d" + name).reshape(-1))
        if epoch == 1 or epoch % 20 == 0 or epoch == epochs:
            print(f"epoch {epoch:3}  loss {np.mean(losses):.2f} nats an image")
    return np.mean(losses)


# %% [markdown]
# **The result.** Left: the posterior means of test digits, coloured by class. The VAE had no labels, but the classes
# are separate. Right: the latent plane, decoded on a grid: new digits that blend into their neighbours.


# %%
def draw():
    codes, _ = split.forward(forward_all(encoder, data.test.images.astype(np.float64)))
    side = np.linspace(-2.5, 2.5, 15)
    plane = np.array([(across, up) for up in side[::-1] for across in side])
    decoded = likelihood.mean(forward_all(decoder, plane), out=np.empty((len(plane), 64)))
    figure = blank_figure(10, 4.8)
    left, right = figure.subplots(1, 2)
    plot_codes(codes, data.test.labels, ax=left)
    left.set_aspect("equal", adjustable="box")
    left.set(xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), title="Codes of test digits")
    plot_images(decoded, (8, 8), len(side), "The latent plane, decoded, from −2.5 to 2.5", ax=right)
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train a VAE assembled by hand, on 8×8 digits.")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="two epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/first-vae.png"), metavar="FILE", help="the picture")
    args = parser.parse_args(arguments)
    train(2 if args.quick else args.epochs)
    test = data.test.images.astype(np.float64)
    elbo = -compute_loss(test, np.random.default_rng(1).standard_normal((len(test), 2)))
    print(f"test ELBO {elbo:.2f} nats an image")
    save_picture(draw(), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
