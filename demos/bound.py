# %% [markdown]
# # How good is the bound?
# A VAE is trained by a lower bound of log p(x). With two latent dimensions, the truth can be computed: p(x) is an
# integral over the plane, and a grid of 400 × 400 points gives it to many digits. So every estimate can be compared
# with it: the ELBO, the importance-weighted bounds of K draws, and `log_likelihood` with its standard errors.
#
# The gap between the truth and the ELBO has two causes (Cremer, Li and Duvenaud 2018):
#
#     log p(x) − ELBO = [log p(x) − ELBO of the best q] + [ELBO of the best q − ELBO of the encoder's q]
#                         approximation: no Gaussian          amortisation: one network finds the q
#                         is the true posterior               of all x, and not the best for each
#
# The best q of each row is found by gradient ascent on its μ and log σ², with the decoder fixed.
#
#     python demos/bound.py                      a minute; writes runs/bound.png

# %%
import argparse
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.plotting import save_picture
from scratchvae.plotting.figures import blank_figure
from scratchvae.probability import GaussianKL

HALF_WIDTH, SIDE = 7.0, 400  # of the grid on which p(x) is integrated; beyond it p(z) is below 1e-11
NODES = 12  # of the quadrature of E_q, in each of the two dimensions
DRAWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


# %% [markdown]
# **The model and the rows.** The digits are drawn as 0 or 1 once, with their grey values as probabilities.


# %%
def load():
    data, rng = sv.datasets.load("digits"), np.random.default_rng(0)
    return tuple(
        (rng.random(split.images.shape) < split.images).astype(np.float64) for split in (data.train, data.test)
    )


def train(x, epochs, **settings):
    vae = sv.VAE(x.shape[1], latent_dim=2, hidden=(128,), activation="tanh", dtype="float64", seed=0, **settings)
    sv.Trainer(vae, lr=3e-3, batch_size=50).fit(x, epochs)
    return vae


# %% [markdown]
# **The truth.** log p(x | z) of all rows at all points of the grid is one product: with the logits t(z) of the decoder,
# log p(x | z) = Σ_d x_d t_d − log(1 + exp t_d). Then log p(x) = log Σ_z p(x | z) p(z) (cell)².


# %%
def log_likelihood_at(vae, z, x):
    """log p(x | z) of each point z (G, 2) and each row of x (N, D), (G, N)."""
    logits = np.concatenate([vae.decoder.forward(part).copy() for part in np.array_split(z, max(1, len(z) // 4000))])
    return logits @ x.T - np.logaddexp(0.0, logits).sum(axis=1)[:, None]


def grid():
    """The points of the grid (G, 2), and the side of a cell."""
    side = np.linspace(-HALF_WIDTH, HALF_WIDTH, SIDE)
    return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2), side[1] - side[0]


def log_joint_on_grid(vae, x):
    """log p(x, z) + 2 log (cell) at each point of the grid, (G, N)."""
    z, cell = grid()
    log_prior = -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi)
    return log_likelihood_at(vae, z, x) + log_prior[:, None] + 2 * np.log(cell)


def log_sum_exp(a):
    largest = a.max(axis=0)
    return largest + np.log(np.exp(a - largest).sum(axis=0))


# %% [markdown]
# **The ELBO without noise.** E_q[log p(x | z)] is an integral over two dimensions as well, by Gauss-Hermite quadrature:
# Σ_i w_i f(μ + σ ε_i) with the nodes ε_i and weights w_i of N(0, 1). So nothing here depends on a draw.


# %%
def nodes():
    """Nodes (n, 2) and weights (n,) for expectations under N(0, I) of two dimensions."""
    e, w = np.polynomial.hermite_e.hermegauss(NODES)
    w = w / w.sum()
    return np.stack(np.meshgrid(e, e), axis=-1).reshape(-1, 2), np.outer(w, w).reshape(-1)


def elbo(vae, x, mu, logvar, gradients=False):
    """The ELBO of each row with q = N(μ, σ²), (N,); with `gradients`, also those of its sum for mu and logvar."""
    eps, weights = nodes()
    n, sigma, kl = len(eps), np.exp(logvar / 2), GaussianKL()
    z = (mu[:, None] + sigma[:, None] * eps).reshape(-1, 2)
    log_p = vae.likelihood.forward(vae.decoder.forward(z), np.repeat(x, n, axis=0)).reshape(len(x), n)
    value = log_p @ weights - kl.forward(mu, logvar)
    if not gradients:
        return value
    dz = vae.decoder.backward(vae.likelihood.backward(np.tile(weights, len(x)))).reshape(len(x), n, 2)
    dmu, dlogvar = kl.backward(np.full(len(x), -1.0))
    return value, dmu + dz.sum(axis=1), dlogvar + 0.5 * sigma * (dz * eps).sum(axis=1)


# %% [markdown]
# **The best Gaussian** for each row, from that of the encoder: Adam on 2 × 2 numbers for each row.


# %%
def best_gaussian(vae, x, mu, logvar, steps):
    h = np.concatenate([mu, logvar], axis=1)
    optimizer = sv.optim.Adam(sv.optim.Cosine(0.05, steps))
    optimizer.bind(np, h.reshape(-1))
    for _ in range(steps):
        _, dmu, dlogvar = elbo(vae, x, h[:, :2].copy(), h[:, 2:].copy(), gradients=True)
        optimizer.step(-np.concatenate([dmu, dlogvar], axis=1).reshape(-1))
    return h[:, :2].copy(), h[:, 2:].copy()


# %% [markdown]
# **The bounds of K draws**, log (1/K) Σ_k p(x, z_k)/q(z_k | x) with z_k from the encoder's q: the mean over 20 sets of
# draws. They rise with K to log p(x), because an average of many weights varies less, and the logarithm of an average
# loses less. `sv.evaluation.log_likelihood` estimates the same with 5000 draws, with an error and an effective sample
# size for each row.


# %%
def bounds(vae, x):
    estimate = sv.evaluation.log_likelihood
    return [np.mean([estimate(vae, x, k, seed).value for seed in range(20 if k < 100 else 4)]) for k in DRAWS]


def measure(vae, x, steps):
    truth = log_sum_exp(log_joint_on_grid(vae, x))
    mu, logvar = vae.encode(x)
    best = best_gaussian(vae, x, mu, logvar, steps)
    estimate = sv.evaluation.log_likelihood(vae, x, samples=5000)
    return {
        "truth": truth,
        "elbo": elbo(vae, x, mu, logvar),
        "best": elbo(vae, x, *best),
        "bounds": bounds(vae, x),
        "estimate": estimate,
        "q": (mu, logvar),
        "best q": best,
    }


def report(name, found):
    truth, value, best, estimate = (found[key] for key in ("truth", "elbo", "best", "estimate"))
    error = np.abs(estimate.rows - truth)
    print(f"{name}: log p(x) {truth.mean():.3f} nats by integration, {estimate.value:.3f} from 5000 draws")
    print(f"    worst row of the estimate {error.max():.3f} nats off, {error.mean():.4f} on average")
    print(
        f"    ELBO {value.mean():.3f}: {truth.mean() - value.mean():.3f} below, of which approximation "
        f"{(truth - best).mean():.3f}, amortisation {(best - value).mean():.3f}"
    )
    print("    bound of K draws: " + ", ".join(f"{k}: {b:.3f}" for k, b in zip(DRAWS, found["bounds"], strict=True)))


# %% [markdown]
# **The picture.** Left: the bounds of K draws, and the truth. Middle: the two gaps of each row. Right: the row with the
# largest gap: its true posterior, the encoder's q and the best Gaussian, as ellipses of one and two deviations.


# %%
def draw(found, vae, x):
    figure = blank_figure(12, 4)
    left, middle, right = figure.subplots(1, 3)
    left.semilogx(DRAWS, found["bounds"], "o-", color="#0072b2", label="bound of K draws")
    left.axhline(found["truth"].mean(), color="black", label="log p(x), integrated")
    left.axhline(found["elbo"].mean(), color="#d55e00", linestyle="--", label="ELBO")
    left.set(xlabel="K", ylabel="nats a row", title="The bound rises to log p(x)")
    left.legend(frameon=False, loc="center right")

    approximation, amortisation = found["truth"] - found["best"], found["best"] - found["elbo"]
    order = np.argsort(approximation + amortisation)
    rank = np.arange(len(order))
    middle.fill_between(rank, 0, approximation[order], color="#56b4e9", linewidth=0, label="approximation")
    total = (approximation + amortisation)[order]
    middle.fill_between(rank, approximation[order], total, color="#e69f00", linewidth=0, label="amortisation")
    middle.set(xlabel="test rows, by their gap", ylabel="nats", title="The gap of each row", ylim=(0, None))
    middle.legend(frameon=False, loc="upper left")

    n = order[-1]
    log_joint = log_joint_on_grid(vae, x[n : n + 1])[:, 0]
    side = np.linspace(-HALF_WIDTH, HALF_WIDTH, SIDE)
    right.contourf(side, side, np.exp(log_joint - log_joint.max()).reshape(SIDE, SIDE), levels=12, cmap="Greys")
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for key, color, label in (("q", "#d55e00", "of the encoder"), ("best q", "#0072b2", "the best Gaussian")):
        mu, sigma = found[key][0][n], np.exp(found[key][1][n] / 2)
        for k in (1, 2):
            right.plot(*(mu + k * sigma * circle).T, color=color, label=label if k == 1 else None)
    centre, reach = found["best q"][0][n], 5 * np.exp(found["best q"][1][n] / 2).max()
    right.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] - reach, centre[1] + reach))
    right.set(aspect="equal", xlabel="z₀", ylabel="z₁", title="One row: p(z | x), and q(z | x)")
    right.legend(frameon=False, loc="upper right")
    return figure


# %% [markdown]
# Training by the bound of five draws is no better an encoder for the ELBO, but a better model: the bound is tighter, so
# that the decoder is not bent towards posteriors that are Gaussian.


# %%
def main(arguments=None):
    parser = argparse.ArgumentParser(description="Compare the bounds of log p(x) with the truth, on 8×8 digits.")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=100, help="test rows")
    parser.add_argument("--quick", action="store_true", help="a few rows and epochs, for a quick test")
    parser.add_argument("--out", type=Path, default=Path("runs/bound.png"), metavar="FILE", help="the picture")
    args = parser.parse_args(arguments)
    epochs, rows, steps = (2, 8, 20) if args.quick else (args.epochs, args.rows, 300)
    x, test = load()
    test = test[:rows]
    found = {}
    for name, objective in (("ELBO", sv.objectives.ELBO()), ("5 draws", sv.objectives.DoublyReparameterized(5))):
        vae = train(x, epochs, objective=objective)
        found[name] = measure(vae, test, steps)
        report(f"trained by {name}", found[name])
        if name == "ELBO":
            save_picture(draw(found[name], vae, test), args.out, show=True)
    print(f"wrote {args.out}")
    return found


# %%
if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)  # a notebook's own arguments are not for this parser
