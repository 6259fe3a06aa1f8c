# %% [markdown]
# # Imputation
# A VAE is a model of whole rows, p(x) = ∫ p(x | z) p(z) dz. So it defines the distribution of the missing part x_m of a
# row, given the observed part x_o:
#
# $$p(x_m \mid x_o) = \int p(x_m \mid z)\, p(z \mid x_o)\, dz$$
#
# Given z, the entries of a row are independent, so x_m depends on x_o through z alone. The encoder only approximates
# p(z | x_o), and was trained on whole rows. Three methods correct this. **Metropolis-within-Gibbs** (Mattei and
# Frellsen 2018) draws x_m and z alternately; the encoder proposes z, and the proposal is accepted with the
# Metropolis-Hastings probability. **Pseudo-Gibbs** (Rezende, Mohamed and Wierstra 2014) always accepts it. **Importance
# sampling** draws many z from the encoder, and weights each by p(x_o | z) p(z) / q(z | x_o).
#
#     python demos/imputation.py                    the shipped digits
#     python demos/imputation.py --data mnist       MNIST, two models of 20 epochs
#     python demos/imputation.py --data tables      five tables with half of the numbers missing

# %%
import argparse
import time
import warnings
from math import sqrt
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.evaluation import imputation_error
from scratchvae.plotting import plot_rows, save_picture
from scratchvae.plotting.colors import BLUE
from scratchvae.plotting.figures import blank_figure
from scratchvae.training import Corruption

TABLES = ("concrete", "red-wine", "white-wine", "banknote", "yeast")


# %% [markdown]
# ## Half of a picture
# The lower half of test pictures is hidden. The mean E[x_m | x_o] has the least squared error; draws show the
# possibilities. The baseline, which ignores x_o, is the mean picture.
#
# The first model is an ordinary VAE, trained on whole pictures; any other part could be hidden as well. The second is
# trained for the task: in each batch, half of the rows reach the encoder without their lower half, and the decoder
# reconstructs the whole. Its encoder then gives the answer directly.


# %%
class LowerHalf(Corruption):
    """Set the lower half of a picture to 0, in a share `level` of the rows."""

    def draw(self, x, rng, noisy, buffer, support):
        noisy[...] = x
        hidden = rng.random(len(x)) < self.level
        noisy[hidden, x.shape[1] // 2 :] = 0.0


def train(data, epochs, backend, corrupt=None):
    images = data.train.images
    large = len(images) > 5000
    vae = sv.VAE(images.shape[1], 32 if large else 10, image_shape=data.image_shape, backend=backend)
    schedule = sv.optim.Cosine(2e-3 if large else 1e-3, epochs * -(-len(images) // 128))
    sv.Trainer(vae, lr=schedule, corrupt=corrupt).fit(images, epochs, progress=True)
    return vae


def pictures(name, epochs, count, samples, backend, out):
    data = sv.datasets.load(name)
    images = data.test.images[:count]
    observed = np.ones(images.shape, bool)
    observed[:, images.shape[1] // 2 :] = False
    mean = np.broadcast_to(data.train.images.mean(axis=0), images.shape)
    baseline = imputation_error(images, mean, observed)
    print(f"{name}: the lower half of {len(images)} test pictures missing; mean squared error of the hidden pixels")
    print(f"  {'the mean picture':<46}  {baseline.value:.4f} ± {baseline.standard_error:.4f}")
    ordinary, trained = train(data, epochs, backend), train(data, epochs, backend, LowerHalf(0.5))
    for vae, title, methods in (
        (ordinary, "an ordinary VAE", ("importance", "pseudo-gibbs", "metropolis")),
        (trained, "a VAE trained on halves", ("encoder",)),
    ):
        for method in methods:
            start = time.perf_counter()
            error = imputation_error(images, vae.impute(images, observed, method, samples=samples), observed)
            relative = f"{error.value / baseline.value:.0%} of that, {time.perf_counter() - start:.0f} s"
            print(f"  {f'{title}, {method!r}':<46}  {error.value:.4f} ± {error.standard_error:.4f}  {relative}")
    draw(data, ordinary, trained, samples, out)


# %% [markdown]
# One picture of each digit: whole, with missing pixels, and imputed by both models, with the mean and with draws of z.


# %%
def draw(data, ordinary, trained, samples, out):
    firsts = np.unique(data.test.labels, return_index=True)[1]
    whole = data.test.images[firsts]
    incomplete = whole.copy()
    incomplete[:, whole.shape[1] // 2 :] = np.nan
    rows = {"whole": whole, "observed": incomplete}
    for vae, method in ((ordinary, "metropolis"), (trained, "encoder")):
        rows[f"{method}, mean"] = vae.impute(incomplete, method=method, samples=samples)
        draws = vae.impute(incomplete, method=method, draws=3, samples=samples, values="mean")
        rows |= {f"{method}, draw {k}": picture for k, picture in enumerate(draws, start=1)}
    title = "The lower half, imputed from the upper"
    save_picture(plot_rows(rows, data.image_shape, len(firsts), title), out, show=True)
    print(f"wrote {out}")


# %% [markdown]
# ## Half of a table
# Half of all numbers of a standardized table are missing, completely at random, so no row is complete. The model learns
# from the observed numbers. With `missing=True` the encoder receives 0 instead of NaN, and the likelihood is that of
# x_o; `IWAE` trains the bound of 20 draws of z per row. Both together are the MIWAE of Mattei and Frellsen 2019. It is
# compared with the mean of each column, and with scikit-learn's IterativeImputer, which regresses each column on all
# others in turn.
#
# The network, the learning rate and the number of steps were chosen by the error on a held-out tenth of the observed
# numbers of the table concrete, with another seed (100). They are the same for every table.


# %%
def learn(x, seed, steps):
    vae = sv.IWAE(x.shape[1], 10, (128, 128), "tanh", "gaussian_learned", sigma=0.7, missing=True, seed=seed)
    steps_per_epoch = -(-len(x) // 64)
    epochs = -(-steps // steps_per_epoch)
    sv.Trainer(vae, lr=sv.optim.Cosine(3e-3, epochs * steps_per_epoch), batch_size=64, seed=seed).fit(x, epochs)
    return vae


def by_regression(x):
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged after 100 rounds
        return IterativeImputer(max_iter=100, random_state=0).fit_transform(x)


def table(whole, seeds, steps, samples):
    whole = (whole - whole.mean(axis=0)) / np.maximum(whole.std(axis=0), 1e-6)
    errors = {"column mean": [], "MIWAE": [], "IterativeImputer": []}
    for seed in range(seeds):
        observed = np.random.default_rng(seed).random(whole.shape) >= 0.5
        incomplete = np.where(observed, whole, np.nan)
        mean, std = np.nanmean(incomplete, axis=0), np.maximum(np.nanstd(incomplete, axis=0), 1e-6)
        x = (incomplete - mean) / std
        imputed = {
            "column mean": np.broadcast_to(mean, whole.shape),
            "MIWAE": learn(x, seed, steps).impute(x, method="importance", samples=samples) * std + mean,
        }
        try:
            imputed["IterativeImputer"] = by_regression(incomplete)
        except ImportError:
            print("not compared with IterativeImputer: pip install scikit-learn")
        for method, values in imputed.items():
            errors[method].append(imputation_error(whole, values, observed).value)
    return {method: values for method, values in errors.items() if values}


def tables(rows, seeds, steps, samples, out):
    print("mean squared error of the missing numbers, ± standard error over seeds")
    print(
        f"{'':<12}"
        + "".join(f"{method:>18}" for method in ("column mean", "MIWAE", "IterativeImputer"))
        + f"{'per seed':>10}"
    )
    results = {}
    for name, whole in rows.items():
        start = time.perf_counter()
        errors = table(whole, seeds, steps, samples)
        results[name] = {
            method: (np.mean(values), np.std(values, ddof=1) / sqrt(seeds)) for method, values in errors.items()
        }
        cells = "".join(f"{f'{mean:.3f} ± {error:.3f}':>18}" for mean, error in results[name].values())
        print(f"{name:<12}{cells}{(time.perf_counter() - start) / seeds:>8.0f} s", flush=True)
    chart(results, out)


# %%
def chart(results, out):
    figure = blank_figure(7, 3)
    axes = figure.add_subplot()
    for k, method in enumerate(("column mean", "IterativeImputer", "MIWAE")):
        bars = [errors.get(method, (np.nan, np.nan)) for errors in results.values()]
        positions = np.arange(len(results)) + 0.27 * (k - 1)
        means, standard_errors = zip(*bars, strict=True)
        axes.bar(positions, means, 0.25, yerr=standard_errors, color=("0.75", "0.5", BLUE)[k], label=method)
    axes.set_xticks(range(len(results)), list(results))
    axes.set_ylabel("mean squared error")
    axes.set_title("Half of the table missing, completely at random", fontsize=11)
    axes.legend(frameon=False, ncols=3, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    axes.spines[["top", "right"]].set_visible(False)
    save_picture(figure, out, show=True)
    print(f"wrote {out}")


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(
        description="Impute halves of pictures, and tables with half of the numbers missing."
    )
    parser.add_argument("--data", choices=["digits", "mnist", "tables"], default="digits")
    parser.add_argument("--epochs", type=int, help="50 for digits, 20 for mnist")
    parser.add_argument("--count", type=int, default=200, help="test pictures to impute")
    parser.add_argument("--samples", type=int, default=1000, help="draws of z per row")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of the missing numbers of a table")
    parser.add_argument("--steps", type=int, default=4000, help="training steps on a table")
    parser.add_argument("--backend", default="numpy", help="backend of the models of pictures")
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a quick test")
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
