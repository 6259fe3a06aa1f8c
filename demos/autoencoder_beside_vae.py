# %% [markdown]
# # Autoencoder and VAE compared
# The same network, data, seed and number of steps, twice. The autoencoder (Rumelhart, Hinton and Williams 1986)
# maximizes the reconstruction alone: log p(x | z) with z = f(x). The VAE draws z from q(z | x) = N(μ, σ² I) and
# subtracts KL(q(z | x) ‖ N(0, I)). The KL yields a latent space without gaps, with a known distribution to sample from.
# Pictures and numbers of both models follow.
#
#     python demos/autoencoder_beside_vae.py                    8×8 digits, half a minute
#     python demos/autoencoder_beside_vae.py --data mnist       ten minutes

# %%
import argparse
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.plotting.colors import class_style
from scratchvae.plotting.figures import blank_figure

EPOCHS = {"digits": 300, "mnist": 20, "fashion-mnist": 20}
BATCH = 128
DRAWS, PATHS, STEPS = 2000, 200, 24


# %%
def train(kind, data, latent, epochs, seed):
    images = data.train.images
    model = kind(images.shape[1], latent, image_shape=data.image_shape, seed=seed)
    steps = epochs * -(-len(images) // BATCH)
    sv.Trainer(model, lr=sv.optim.Cosine(1e-3, steps), batch_size=BATCH, seed=seed).fit(images, epochs)
    return model


# %% [markdown]
# **The distribution of the codes.** The code of a row is its z; for the VAE, a draw from its posterior, as in training.
# Three numbers measure how far all codes together are from N(0, I):
#
# - the KL of the Gaussian with their mean m and covariance S, ½ (tr S + m·m − Z − log det S), in nats;
# - the share of draws from N(0, I) *in a gap*: farther from the nearest code than 95 % of draws are from the nearest of
#   equally many other draws;
# - the reverse, the share of codes *out of reach*: farther from the nearest of many draws than 95 % of draws are.
#
# If the codes were draws from N(0, I), both shares would be 5 %.


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
    """Distances (N, count) from each row to the nearest rows of `among`, and their indices (N, count)."""
    squared_norms = (among**2).sum(axis=1)
    results = []
    for start in range(0, len(rows), 250):
        chunk = rows[start : start + 250]
        squared = squared_norms - 2 * chunk @ among.T  # squared distances, up to |row|²
        indices = np.argpartition(squared, count, axis=1)[:, :count]
        squared = np.take_along_axis(squared, indices, axis=1) + (chunk**2).sum(axis=1)[:, None]
        results.append((np.sqrt(np.maximum(squared, 0)), indices))
    return tuple(np.concatenate(arrays) for arrays in zip(*results, strict=True))


def share_beyond(distances, reference):
    return (distances > np.quantile(reference, 0.95)).mean()


# %% [markdown]
# **Decoded samples.** Draws from N(0, I) are decoded and, to be fair to the autoencoder, draws from the Gaussian that
# best fits its codes. A good sample is close to some training image, its ten nearest training images have one class,
# and all classes occur: exp of the entropy of the class shares is 10 if ten classes are equally frequent. One number
# alone is not enough: a blurred average of several images is close to all of them, but their classes differ.
#
# **Between codes.** On the straight line from code to code, the largest step as a share of the path (each of 23 equal
# steps would be 1/23); and the distance of the midpoint from the training images, relative to that of the ends.


# %%
def quality(decoded, data):
    distances, indices = nearest(decoded, data.train.images, 10)
    classes = np.unique(data.train.labels)
    votes = (data.train.labels[indices][:, :, None] == classes).mean(axis=1)
    shares = votes.mean(axis=0)
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum()
    return {"distance": distances.min(axis=1).mean(), "agreement": votes.max(axis=1).mean(), "classes": np.exp(entropy)}


def smoothness(model, data, rng):
    pairs = rng.integers(len(data.test.images), size=(PATHS, 2))
    paths = np.stack([model.interpolate(*data.test.images[pair], steps=STEPS) for pair in pairs if pair[0] != pair[1]])
    steps = np.linalg.norm(np.diff(paths, axis=1), axis=2)
    samples = paths[:, [0, STEPS // 2, -1]].reshape(-1, paths.shape[2])
    distances = nearest(samples, data.train.images)[0].reshape(-1, 3)
    return {
        "largest step": (steps.max(axis=1) / steps.sum(axis=1)).mean(),
        "halfway": (distances[:, 1] / distances[:, [0, 2]].mean(axis=1)).mean(),
    }


def measure(model, data, seed):
    rng = np.random.default_rng(seed)
    train, test = (codes_of(model, part.images, seed + k) for k, part in enumerate((data.train, data.test)))
    count = len(train)
    prior, others, many = (rng.standard_normal((n, model.latent_dim), np.float32) for n in (DRAWS, DRAWS, count))
    reference = nearest(others, many)[0]
    fitted = rng.multivariate_normal(train.mean(axis=0), np.cov(train.T), DRAWS).astype(np.float32)
    test = test[rng.permutation(len(test))[:DRAWS]]
    x = data.test.images
    return {
        "reconstruction": -model.terms(x, np.zeros((len(x), model.noise_dim))).reconstruction.mean(),
        "KL of fit": kl_of_fit(train),
        "in a gap": share_beyond(nearest(prior, train)[0], reference),
        "out of reach": share_beyond(nearest(test, many)[0], reference),
        "from N(0, I)": quality(model.decode(prior), data),
        "from the fit": quality(model.decode(fitted), data),
        **smoothness(model, data, rng),
    }


# %%
LINES = (
    ("−log p(x | code) of test images, nats", lambda result: f"{result['reconstruction']:.2f}"),
    ("KL(Gaussian that fits the codes ‖ N(0, I)), nats", lambda result: f"{result['KL of fit']:.2f}"),
    ("draws from N(0, I) in a gap (ideal: 5 %)", lambda result: f"{result['in a gap']:.0%}"),
    ("codes out of reach of draws (ideal: 5 %)", lambda result: f"{result['out of reach']:.0%}"),
    *(
        (
            f"draws from {source}, decoded: {what}",
            lambda result, source=source, key=key, form=form: form.format(result[f"from {source}"][key]),
        )
        for source in ("N(0, I)", "the fit")
        for what, key, form in (
            ("distance to training images", "distance", "{:.2f}"),
            ("agreement of the ten nearest", "agreement", "{:.0%}"),
            ("classes", "classes", "{:.1f}"),
        )
    ),
    ("largest step between two images (4 % if even)", lambda result: f"{result['largest step']:.0%}"),
    ("distance to training images, midpoint over ends", lambda result: f"{result['halfway']:.2f}"),
)


def print_table(results):
    print(f"{'':58}" + "".join(f"{name:>18}" for name in results))
    for title, text in LINES:
        print(f"{title:58}" + "".join(f"{text(result):>18}" for result in results.values()))


# %% [markdown]
# **Pictures**, for each model: the codes of test images along their first two principal components, with circles that
# contain 39, 86 and 99 % of any two-dimensional projection of N(0, I); decoded draws from N(0, I); the decoded plane
# from −3 to 3, or, with more than two dimensions, reconstructions of test images; paths from image to image.


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
        paths = [model.interpolate(firsts[k], firsts[(k + 3) % 10], 10) for k in range(10)]
        grids["paths between test images"] = np.concatenate(paths), 10
        for axes, (title, (grid, columns)) in zip(rest, grids.items(), strict=True):
            sv.plotting.plot_images(grid, data.image_shape, columns, title, ax=axes)
    return figure


def draw_codes(axes, codes, labels):
    if codes.shape[1] > 2:
        codes = codes @ np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)[2][:2].T
    for label in range(10):
        axes.scatter(*codes[labels == label].T, s=6, alpha=0.7, linewidths=0, **class_style(label))
    angle = np.linspace(0, 2 * np.pi, 100)
    for radius in (1, 2, 3):
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="black", linewidth=1)
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(False)


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train an autoencoder and a VAE of one network, and compare them.")
    parser.add_argument("--data", choices=EPOCHS, default="digits")
    parser.add_argument("--latent", type=int, nargs="+", default=[2, 10], metavar="Z", help="latent sizes, at least 2")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two epochs, for a quick test")
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
    print_table({name: measure(model, data, args.seed) for name, model in models.items()})
    sv.plotting.save_picture(draw(models, data, args.seed), args.out, show=True)
    print(f"wrote {args.out}")


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
