# %% [markdown]
# # What is missing, from what is there
# A VAE is a model of whole rows, p(x) = ∫ p(x | z) p(z) dz. So it knows what any part x_o of a row says of the rest:
#
# $$p(x_m \mid x_o) = \int p(x_m \mid z)\, p(z \mid x_o)\, dz$$
#
# Given z, entries are independent: what x_o has to say, it says through z. Of p(z | x_o) the encoder is only a guess,
# made for whole rows, and there are three ways to mend that. **Metropolis-within-Gibbs** (Mattei and Frellsen 2018)
# draws x_m and z in turns, and lets the encoder propose z, but takes it only as often as is right. **Pseudo-Gibbs**
# (Rezende, Mohamed and Wierstra 2014) takes it always. **Importance sampling** draws many z from the encoder, and
# weighs each by p(x_o | z) p(z) / q(z | x_o).
#
#     python demos/imputation.py                    the shipped digits
#     python demos/imputation.py --data mnist       MNIST, two models of 20 epochs
#     python demos/imputation.py --data tables      five tables of which half is missing

# %%
import argparse
import time
import warnings
from math import sqrt
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.evaluation import imputation_error
from scratchvae.plotting import draw_rows, save_picture
from scratchvae.plotting.figures import blank_figure
from scratchvae.training import Corruption

TABLES = ("concrete", "red-wine", "white-wine", "banknote", "yeast")


# %% [markdown]
# ## Half of a picture
# The lower half of test pictures is hidden. Of least squared error is the mean E[x_m | x_o]; draws show how many ways
# there are to go on. Whoever knew nothing of x_o would have to answer with the mean picture.
#
# The first model is an ordinary VAE: it never met half a picture, and any other part could be hidden as well. The
# second is trained for the task: each time, half of the rows reach its encoder without their lower half, and the
# decoder is asked for the whole. Then what the encoder says of half a picture is the answer, as it stands.


# %%
class LowerHalf(Corruption):
    """0 in the place of the lower half of a picture, in a share `level` of the rows."""

    def draw(self, x, rng, noisy, room, support):
        noisy[...] = x
        hidden = rng.random(len(x)) < self.level
        noisy[hidden, x.shape[1] // 2 :] = 0.0


def train(data, epochs, backend, corrupt=None):
    images = data.train.images
    many = len(images) > 5000
    vae = sv.VAE(images.shape[1], 32 if many else 10, image_shape=data.image_shape, backend=backend)
    schedule = sv.optim.Cosine(2e-3 if many else 1e-3, epochs * -(-len(images) // 128))
    sv.Trainer(vae, lr=schedule, corrupt=corrupt).fit(images, epochs, progress=True)
    return vae


def pictures(name, epochs, count, samples, backend, out):
    data = sv.datasets.load(name)
    images = data.test.images[:count]
    observed = np.ones(images.shape, bool)
    observed[:, images.shape[1] // 2 :] = False
    mean = np.broadcast_to(data.train.images.mean(axis=0), images.shape)
    base = imputation_error(images, mean, observed)
    print(f"{name}: the lower half of {len(images)} test pictures missing; mean squared error of what was hidden")
    print(f"  {'the mean picture':<46}  {base.value:.4f} ± {base.standard_error:.4f}")
    ordinary, trained = train(data, epochs, backend), train(data, epochs, backend, LowerHalf(0.5))
    for vae, of, methods in (
        (ordinary, "an ordinary VAE", ("importance", "pseudo-gibbs", "metropolis")),
        (trained, "a VAE trained on halves", ("encoder",)),
    ):
        for method in methods:
            start = time.perf_counter()
            error = imputation_error(images, vae.impute(images, observed, method, samples=samples), observed)
            told = f"{error.value / base.value:.0%} of that, {time.perf_counter() - start:.0f} s"
            print(f"  {f'{of}, {method!r}':<46}  {error.value:.4f} ± {error.standard_error:.4f}  {told}")
    draw(data, ordinary, trained, samples, out)


# %% [markdown]
# One picture of each digit: whole, as given, and completed by both models, by the mean and by draws of z.


# %%
def draw(data, ordinary, trained, samples, out):
    firsts = np.unique(data.test.labels, return_index=True)[1]
    whole = data.test.images[firsts]
    given = whole.copy()
    given[:, whole.shape[1] // 2 :] = np.nan
    bands = {"whole": whole, "given": given}
    for vae, method in ((ordinary, "metropolis"), (trained, "encoder")):
        bands[f"{method}, mean"] = vae.impute(given, method=method, samples=samples)
        drawn = vae.impute(given, method=method, draws=3, samples=samples, values="mean")
        bands |= {f"{method}, draw {k}": picture for k, picture in enumerate(drawn, start=1)}
    title = "The lower half, from the upper"
    save_picture(draw_rows(list(bands.values()), data.image_shape, len(firsts), title, list(bands)), out)
    print(f"wrote {out}")


# %% [markdown]
# ## Half of a table
# Half of all numbers of a standardised table are missing, completely at random: there is no whole row to learn from. So
# the model learns from what is there. With `missing=True` the encoder sees 0 in the place of NaN, and the likelihood is
# that of x_o; `IWAE` trains the bound of 20 draws of z a row. Both together are the MIWAE of Mattei and Frellsen 2019.
# Its rivals are the mean of each column, and scikit-learn's IterativeImputer, which regresses each column on all others
# in turn.
#
# Network, rate and steps were chosen by the error on a tenth of the observed numbers that was kept apart, on concrete,
# under another seed (100); they are the same for every table.


# %%
def learn(x, seed, steps):
    vae = sv.IWAE(x.shape[1], 10, (128, 128), "tanh", "gaussian_learned", sigma=0.7, missing=True, seed=seed)
    an_epoch = -(-len(x) // 64)
    epochs = -(-steps // an_epoch)
    sv.Trainer(vae, lr=sv.optim.Cosine(3e-3, epochs * an_epoch), batch_size=64, seed=seed).fit(x, epochs)
    return vae


def by_regression(x):
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it still moves after 100 rounds
        return IterativeImputer(max_iter=100, random_state=0).fit_transform(x)


def table(whole, seeds, steps, samples):
    whole = (whole - whole.mean(axis=0)) / np.maximum(whole.std(axis=0), 1e-6)
    errors = {"column mean": [], "MIWAE": [], "IterativeImputer": []}
    for seed in range(seeds):
        observed = np.random.default_rng(seed).random(whole.shape) >= 0.5
        given = np.where(observed, whole, np.nan)
        mean, spread = np.nanmean(given, axis=0), np.maximum(np.nanstd(given, axis=0), 1e-6)
        x = (given - mean) / spread
        found = {
            "column mean": np.broadcast_to(mean, whole.shape),
            "MIWAE": learn(x, seed, steps).impute(x, method="importance", samples=samples) * spread + mean,
        }
        try:
            found["IterativeImputer"] = by_regression(given)
        except ImportError:
            print("not held against IterativeImputer: pip install scikit-learn")
        for of, guess in found.items():
            errors[of].append(imputation_error(whole, guess, observed).value)
    return {of: told for of, told in errors.items() if told}


def tables(rows, seeds, steps, samples, out):
    print("mean squared error of what is missing, ± standard error over seeds")
    print(f"{'':<12}" + "".join(f"{of:>18}" for of in ("column mean", "MIWAE", "IterativeImputer")) + f"{'a seed':>10}")
    found = {}
    for name, whole in rows.items():
        start = time.perf_counter()
        errors = table(whole, seeds, steps, samples)
        found[name] = {of: (np.mean(e), np.std(e, ddof=1) / sqrt(seeds)) for of, e in errors.items()}
        cells = "".join(f"{f'{mean:.3f} ± {error:.3f}':>18}" for mean, error in found[name].values())
        print(f"{name:<12}{cells}{(time.perf_counter() - start) / seeds:>8.0f} s", flush=True)
    chart(found, out)


# %%
def chart(found, out):
    figure = blank_figure(7, 3)
    axes = figure.add_subplot()
    for k, of in enumerate(("column mean", "IterativeImputer", "MIWAE")):
        bars = [errors.get(of, (np.nan, np.nan)) for errors in found.values()]
        places = np.arange(len(found)) + 0.27 * (k - 1)
        means, spread = zip(*bars, strict=True)
        axes.bar(places, means, 0.25, yerr=spread, color=("0.75", "0.5", "tab:blue")[k], label=of)
    axes.set_xticks(range(len(found)), list(found))
    axes.set_ylabel("mean squared error")
    axes.set_title("Half of the table missing, completely at random", fontsize=11)
    axes.legend(frameon=False, ncols=3, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    axes.spines[["top", "right"]].set_visible(False)
    save_picture(figure, out)
    print(f"wrote {out}")


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Complete halves of pictures, and halves of tables.")
    parser.add_argument("--data", choices=["digits", "mnist", "tables"], default="digits")
    parser.add_argument("--epochs", type=int, help="50 for digits, 20 for mnist")
    parser.add_argument("--count", type=int, default=200, help="test pictures that are completed")
    parser.add_argument("--samples", type=int, default=1000, help="draws of z a row")
    parser.add_argument("--seeds", type=int, default=5, help="of what is missing of a table")
    parser.add_argument("--steps", type=int, default=4000, help="of training on a table")
    parser.add_argument("--backend", default="numpy", help="of the models of pictures")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to try it out")
    parser.add_argument("--out", type=Path, default=Path("runs/imputed.png"))
    args = parser.parse_args(arguments)
    if args.quick:
        whole = sv.datasets.load("digits").test.images[:100, 18:22].astype(np.float64)
        tables({"pixels": whole}, 2, 10, 20, args.out)
        args.epochs, args.count, args.samples = 2, 20, 20
    if args.data == "tables":
        rows = {name: sv.datasets.load(f"uci/{name}").part("all").images for name in TABLES}
        tables(rows, args.seeds, args.steps, args.samples, args.out)
    else:
        epochs = args.epochs or {"digits": 50, "mnist": 20}[args.data]
        pictures(args.data, epochs, args.count, args.samples, args.backend, args.out)


if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)
