# %% [markdown]
# # The autoencoder beside the VAE
# The same network, data, seed and number of steps, twice. The autoencoder (Rumelhart, Hinton and Williams 1986) asks
# for good reconstructions and nothing else: log p(x | z) with z = f(x). The VAE draws z from q(z | x) = N(μ, σ² I) and
# pays KL(q(z | x) ‖ N(0, I)) for what z says of x. What that buys is a latent space without holes, in which one knows
# where to draw: pictures and numbers of both follow.
#
#     python demos/autoencoder_beside_vae.py                    8×8 digits, half a minute
#     python demos/autoencoder_beside_vae.py --data mnist       ten minutes

# %%
import argparse
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.plotting.figures import blank_figure
from scratchvae.plotting.mosaic import mosaic

EPOCHS = {"digits": 300, "mnist": 20, "fashion-mnist": 20}
BATCH = 128
DRAWS, WALKS, STEPS = 2000, 200, 24


# %%
def train(kind, data, latent, epochs, seed):
    images = data.train.images
    model = kind(images.shape[1], latent, image_shape=data.image_shape, seed=seed)
    steps = epochs * -(-len(images) // BATCH)
    sv.Trainer(model, lr=sv.optim.Cosine(1e-3, steps), batch_size=BATCH, seed=seed).fit(images, epochs)
    return model


# %% [markdown]
# **Where the codes lie.** For the VAE a row's code is a draw from its posterior, for that is what the decoder was
# trained on. Three figures say how far all codes together are from N(0, I):
#
# - the KL of the Gaussian with their mean m and covariance S, ½ (tr S + m·m − Z − log det S), in nats;
# - draws from N(0, I) *in a gap*: farther from the nearest code than 95 % of draws are from the nearest of as many
#   draws;
# - the reverse, codes *out of reach*: farther from the nearest of many draws than 95 % of draws are.
#
# Of draws themselves, 5 % would be the one and the other.


# %%
def codes_of(model, images, seed):
    if isinstance(model, sv.Autoencoder):
        return model.encode(images)
    mu, logvar = model.encode(images)
    return mu + np.exp(logvar / 2) * np.random.default_rng(seed).standard_normal(mu.shape, np.float32)


def kl_of_fit(codes):
    m, S = codes.mean(axis=0, dtype=np.float64), np.cov(codes.T)
    return (np.trace(S) + m @ m - len(m) - np.linalg.slogdet(S)[1]) / 2


def nearest(rows, among, count=1):
    """Distances (N, count) from each row to the nearest rows of `among`, and which those are."""
    squares = (among**2).sum(axis=1)
    found = []
    for start in range(0, len(rows), 250):
        few = rows[start : start + 250]
        off = squares - 2 * few @ among.T
        which = np.argpartition(off, count, axis=1)[:, :count]
        off = np.take_along_axis(off, which, axis=1) + (few**2).sum(axis=1)[:, None]
        found.append((np.sqrt(np.maximum(off, 0)), which))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def share_beyond(distances, usual):
    return (distances > np.quantile(usual, 0.95)).mean()


# %% [markdown]
# **What is decoded.** Draws from N(0, I) are decoded, and, to be fair to the autoencoder, draws from the Gaussian that
# fits its codes best too. Good ones are close to some training image, and the ten nearest of these agree on what it is;
# and all classes turn up: exp of the entropy of their shares is 10 where ten are equally frequent. One figure alone
# says little: blur, an average of several images, is close to all of them, but lets the ten disagree.
#
# **What lies between.** On the straight way from code to code, how large is the largest of the steps, where an even way
# has steps of 1/23 of the whole; and how far from the training images does it lead, over how far its ends are?


# %%
def quality(decoded, data):
    distances, which = nearest(decoded, data.train.images, 10)
    classes = np.unique(data.train.labels)
    votes = (data.train.labels[which][:, :, None] == classes).mean(axis=1)
    shares = votes.mean(axis=0)
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum()
    return {"distance": distances.min(axis=1).mean(), "agreement": votes.max(axis=1).mean(), "classes": np.exp(entropy)}


def smoothness(model, data, rng):
    pairs = rng.integers(len(data.test.images), size=(WALKS, 2))
    walks = np.stack([model.interpolate(*data.test.images[pair], steps=STEPS) for pair in pairs if pair[0] != pair[1]])
    steps = np.linalg.norm(np.diff(walks, axis=1), axis=2)
    off = nearest(walks[:, [0, STEPS // 2, -1]].reshape(-1, walks.shape[2]), data.train.images)[0].reshape(-1, 3)
    return {
        "largest step": (steps.max(axis=1) / steps.sum(axis=1)).mean(),
        "halfway": (off[:, 1] / off[:, [0, 2]].mean(axis=1)).mean(),
    }


def measure(model, data, seed):
    rng = np.random.default_rng(seed)
    train, test = (codes_of(model, part.images, seed + k) for k, part in enumerate((data.train, data.test)))
    count = len(train)
    prior, more, many = (rng.standard_normal((n, model.latent_dim), np.float32) for n in (DRAWS, DRAWS, count))
    usual = nearest(more, many)[0]
    fitted = rng.multivariate_normal(train.mean(axis=0), np.cov(train.T), DRAWS).astype(np.float32)
    chosen = test[rng.permutation(len(test))[:DRAWS]]
    x = data.test.images
    return {
        "reconstruction": -model.terms(x, np.zeros((len(x), model.noise_dim))).reconstruction.mean(),
        "KL of fit": kl_of_fit(train),
        "in a gap": share_beyond(nearest(prior, train)[0], usual),
        "out of reach": share_beyond(nearest(chosen, many)[0], usual),
        "from N(0, I)": quality(model.decode(prior), data),
        "from the fit": quality(model.decode(fitted), data),
        **smoothness(model, data, rng),
    }


# %%
LINES = (
    ("−log p(x | code) of test images, nats", lambda found: f"{found['reconstruction']:.2f}"),
    ("KL(Gaussian that fits the codes ‖ N(0, I)), nats", lambda found: f"{found['KL of fit']:.2f}"),
    ("draws from N(0, I) in a gap (5 % is right)", lambda found: f"{found['in a gap']:.0%}"),
    ("codes out of reach of draws (5 % is right)", lambda found: f"{found['out of reach']:.0%}"),
    *(
        (
            f"draws from {of}, decoded: {what}",
            lambda found, of=of, key=key, form=form: form.format(found[f"from {of}"][key]),
        )
        for of in ("N(0, I)", "the fit")
        for what, key, form in (
            ("distance to training images", "distance", "{:.2f}"),
            ("agreement of the ten nearest", "agreement", "{:.0%}"),
            ("classes", "classes", "{:.1f}"),
        )
    ),
    ("largest step on the way between two images (4 % is even)", lambda found: f"{found['largest step']:.0%}"),
    ("distance to the training images halfway, over the ends'", lambda found: f"{found['halfway']:.2f}"),
)


def tell(found):
    print(f"{'':58}" + "".join(f"{name:>18}" for name in found))
    for title, value in LINES:
        print(f"{title:58}" + "".join(f"{value(each):>18}" for each in found.values()))


# %% [markdown]
# **As pictures**, for each model: the codes of test images along the two directions in which they differ most, with the
# circles within which 39, 86 and 99 % of N(0, I) lie, seen from any side; what draws from N(0, I) decode to; what the
# plane decodes to, from −3 to 3, or, where there is none, what test images are turned into; walks from image to image.


# %%
def draw(models, data, seed):
    images, labels = data.test
    figure = blank_figure(13.5, 3.3 * len(models))
    panels = figure.subplots(len(models), 4, squeeze=False)
    firsts = [images[np.argmax(labels == label)] for label in range(10)]
    for (name, model), (left, *rest) in zip(models.items(), panels, strict=True):
        draw_codes(left, codes_of(model, images[:2000], seed), labels[:2000])
        left.set_title(name)
        z = np.random.default_rng(seed).standard_normal((100, model.latent_dim), np.float32)
        grids = {"N(0, I), decoded": (model.decode(z), 10)}
        if model.latent_dim == 2:
            side = np.linspace(-3, 3, 15)
            plane = np.array([(across, up) for up in side[::-1] for across in side], np.float32)
            grids["the plane from −3 to 3, decoded"] = model.decode(plane), 15
        else:
            pairs = np.stack([images[:50], model.reconstruct(images[:50])], axis=1)
            grids["test images, and each reconstructed"] = pairs.reshape(100, -1), 10
        walks = [model.interpolate(firsts[k], firsts[(k + 3) % 10], 10) for k in range(10)]
        grids["walks between test images"] = np.concatenate(walks), 10
        for axes, (title, (grid, columns)) in zip(rest, grids.items(), strict=True):
            axes.imshow(mosaic(grid, data.image_shape, columns), cmap="gray", vmin=0, vmax=1)
            axes.set_axis_off()
            axes.set_title(title)
    return figure


def draw_codes(axes, codes, labels):
    if codes.shape[1] > 2:
        codes = codes @ np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)[2][:2].T
    for label in range(10):
        axes.scatter(*codes[labels == label].T, s=6, color=f"C{label}", alpha=0.7, linewidths=0)
    angle = np.linspace(0, 2 * np.pi, 100)
    for radius in (1, 2, 3):
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="black", linewidth=1)
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(False)


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train an autoencoder and a VAE of one network, and compare them.")
    parser.add_argument("--data", choices=EPOCHS, default="digits")
    parser.add_argument("--latent", type=int, nargs="+", default=[2, 10], metavar="Z", help="each from 2 on")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/autoencoder-beside-vae.png"), metavar="FILE")
    args = parser.parse_args(arguments)
    if min(args.latent) < 2:
        parser.error("--latent: expected 2 or more, for a picture of the codes")
    data = sv.datasets.load(args.data)
    epochs = 2 if args.quick else args.epochs or EPOCHS[args.data]
    models = {}
    for latent in args.latent:
        for name, kind in (("autoencoder", sv.Autoencoder), ("VAE", sv.VAE)):
            models[f"{name}, {latent}-D"] = train(kind, data, latent, epochs, args.seed)
    print(f"{args.data}, {epochs} epochs, seed {args.seed}")
    tell({name: measure(model, data, args.seed) for name, model in models.items()})
    sv.plotting.save_picture(draw(models, data, args.seed), args.out)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # the words after a notebook's name are not ours
