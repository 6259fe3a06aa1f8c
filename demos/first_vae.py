# %% [markdown]
# # A first VAE, by hand
# Handwritten digits of 8×8 pixels, and two numbers for each: that is all a variational autoencoder (Kingma and Welling
# 2013) with a latent plane has to say of them. Here it is put together from its pieces, forward, backward, one gradient
# checked, then trained; `scratchvae/models/vae.py` does the same for any sizes, in memory laid out once.
#
#     python demos/first_vae.py                  four seconds; the picture goes to runs/first-vae.png

# %%
import argparse
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.layers import Linear, ReLU
from scratchvae.optim import Adam
from scratchvae.plotting.figures import blank_figure
from scratchvae.plotting.mosaic import mosaic
from scratchvae.probability import Bernoulli, GaussianKL, Reparameterize, Split

data = sv.datasets.load("digits")
images = data.train.images.astype(np.float64)

# %% [markdown]
# **The model.** A digit x comes from a code z: z ~ N(0, I), and a *decoder* turns z into logits t, one for each pixel,
# which is on with probability σ(t). To learn it one would have to know the z of each x. An *encoder* guesses it, and
# says how sure it is: q(z | x) = N(μ, σ² I), with μ and log σ² from a network that looks at x.

# %%
encoder = [Linear(64, 256, "he_normal", seed=0), ReLU(), Linear(256, 4, seed=1)]  # 4 numbers: two μ, two log σ²
decoder = [Linear(2, 256, "he_normal", seed=2), ReLU(), Linear(256, 64, seed=3)]
split, reparameterize, kl, likelihood = Split(), Reparameterize(), GaussianKL(), Bernoulli()


# %% [markdown]
# **Forward.** The evidence lower bound of a row, in nats, is
#
#     ELBO = E_q[log p(x | z)] − KL(q(z | x) ‖ p(z))   ≤   log p(x)
#
# its first term asks for good reconstructions; its second, that the codes of all x together look like N(0, I). The
# expectation is estimated with a single draw. To have a gradient pass through the draw, it is written as a function of
# μ and σ: z = μ + σ ε, with ε ~ N(0, I) from outside. The loss is the negative mean over the rows.


# %%
def through(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def loss_of(x, eps):
    mu, logvar = split.forward(through(encoder, x))
    z = reparameterize.forward(mu, logvar, eps)
    logits = through(decoder, z)
    elbo = likelihood.forward(logits, x) - kl.forward(mu, logvar)
    return -elbo.mean()


# %% [markdown]
# **Backward** is the same, last line first. Each piece takes ∂L/∂output, writes `dv` for ∂L/∂v, and returns ∂L/∂input.
# μ and log σ² reach the loss twice, by way of z and in the KL, so two gradients are added.


# %%
def back_through(layers, dy):
    for layer in reversed(layers):
        dy = layer.backward(dy)
    return dy


def gradients(rows):
    dlogits = likelihood.backward(np.full(rows, -1 / rows))
    dz = back_through(decoder, dlogits)
    dmu, dlogvar = reparameterize.backward(dz)
    dmu_of_kl, dlogvar_of_kl = kl.backward(np.full(rows, 1 / rows))
    dmu += dmu_of_kl
    dlogvar += dlogvar_of_kl
    back_through(encoder, split.backward(dmu, dlogvar))


# %% [markdown]
# **Is it right?** Nudge one weight of the first layer, whose gradient has passed through every piece, and see how much
# the loss moves: (L(w + h) − L(w − h)) / 2h differs from ∂L/∂w by some h². The noise is the same both times.

# %%
x, eps = images[:50], np.random.default_rng(0).standard_normal((50, 2))
loss_of(x, eps)
gradients(len(x))

W, i, h = encoder[0].W, (20, 3), 1e-5
at = W[i]
sides = []
for W[i] in (at + h, at - h):
    sides.append(loss_of(x, eps))
W[i] = at
by_differences, by_hand = (sides[0] - sides[1]) / (2 * h), encoder[0].dW[i]
print(f"∂L/∂w by differences {by_differences:.9f}, by hand {by_hand:.9f}")

# %% [markdown]
# **Training** repeats: some rows, some noise, forward, backward, and a step of Adam for each array of weights.


# %%
def train(epochs, batch=100, lr=3e-3):
    rng = np.random.default_rng(0)
    arrays = [(each, name) for each in (encoder[0], encoder[2], decoder[0], decoder[2]) for name in ("W", "b")]
    optimizers = [Adam(lr) for _ in arrays]
    for optimizer, (layer, name) in zip(optimizers, arrays, strict=True):
        optimizer.bind(np, getattr(layer, name).reshape(-1))
    for epoch in range(1, epochs + 1):
        losses = []
        for chosen in np.split(rng.permutation(len(images)), len(images) // batch):
            losses.append(loss_of(images[chosen], rng.standard_normal((batch, 2))))
            gradients(batch)
            for optimizer, (layer, name) in zip(optimizers, arrays, strict=True):
                optimizer.step(getattr(layer, "d" + name).reshape(-1))
        if epoch == 1 or epoch % 20 == 0 or epoch == epochs:
            print(f"epoch {epoch:3}  loss {np.mean(losses):.2f} nats an image")
    return np.mean(losses)


# %% [markdown]
# **What was learnt.** At the left, the posterior means of digits never seen, coloured by what they are: nobody told the
# VAE, yet the classes lie apart. At the right, the plane decoded, place by place: new digits, each turning into its
# neighbour.


# %%
def draw():
    codes, _ = split.forward(through(encoder, data.test.images.astype(np.float64)))
    side = np.linspace(-2.5, 2.5, 15)
    plane = np.array([(across, up) for up in side[::-1] for across in side])
    shown = likelihood.mean(through(decoder, plane), out=np.empty((len(plane), 64)))
    figure = blank_figure(10, 4.8)
    left, right = figure.subplots(1, 2)
    for digit in range(10):
        left.scatter(*codes[data.test.labels == digit].T, s=14, color=f"C{digit}", linewidths=0, label=str(digit))
    left.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0)
    left.set(
        aspect="equal", xlabel="z₀", ylabel="z₁", xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), title="Where test digits lie"
    )
    left.spines[["top", "right"]].set_visible(False)
    right.imshow(mosaic(shown, (8, 8), len(side)), cmap="gray", vmin=0, vmax=1)
    right.set_axis_off()
    right.set_title("What the plane decodes to, from −2.5 to 2.5")
    return figure


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train a VAE that is put together by hand, on 8×8 digits.")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="two epochs, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/first-vae.png"), metavar="FILE", help="where to draw it")
    args = parser.parse_args(arguments)
    train(2 if args.quick else args.epochs)
    test = data.test.images.astype(np.float64)
    elbo = -loss_of(test, np.random.default_rng(1).standard_normal((len(test), 2)))
    print(f"test ELBO {elbo:.2f} nats an image")
    sv.plotting.save_picture(draw(), args.out)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
