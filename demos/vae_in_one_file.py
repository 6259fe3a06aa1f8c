# %% [markdown]
# # A whole VAE in one file
# Encoder, random draw, decoder, loss, every gradient, Adam and training, with NumPy alone. Read it from top to bottom:
# it is one page, and nothing is left out.
#
#     python demos/vae_in_one_file.py                  a few seconds; ends with new handwritten digits
#
# **The model.** Suppose that each digit x, 64 grey pixels, came about in two steps. First, a code z of ten numbers was
# drawn from p(z) = N(0, I). Then a network, the *decoder*, computed from z the probability that each pixel is on. To
# train a decoder we would need the z behind each x, which nobody knows. So a second network, the *encoder*, looks at x
# and answers which z are plausible: q(z | x) = N(μ, σ² I). Both networks are trained to raise one number, the *evidence
# lower bound*, so called because it is never more than log p(x):
#
#     ELBO = E_q[log p(x | z)] − KL(q(z | x) ‖ p(z))
#
# The first term asks how well x can be redrawn from z. The second, the price of what z tells about x, asks how far q
# is from p(z). It keeps the codes of all digits close together, so that a z drawn from p(z) is likely to decode to a
# digit.

# %%
from pathlib import Path

import numpy as np

DIGITS = Path(globals().get("__file__", "a notebook")).resolve().parents[1] / "scratchvae" / "datasets" / "digits.npz"
D, H, Z = 64, 256, 10  # pixels, hidden units, numbers in a code; B is the number of rows in a batch


def initialize(rng):
    """The arrays W1, b1, … W4, b4. With a variance of 2 / inputs, a layer and its ReLU keep the size of a signal."""
    sizes = ((D, H), (H, 2 * Z), (Z, H), (H, D))
    return [array for i, o in sizes for array in (rng.normal(0, np.sqrt(2 / i), (i, o)), np.zeros(o))]


# %% [markdown]
# **Forward.** "Draw z from N(μ, σ² I)" has no derivative. But μ + σ ε, with ε drawn from N(0, I), is such a draw, and
# at a given ε it is an ordinary function of μ and σ: the *reparameterization trick*. A single draw estimates E_q.
#
# With s(t) = 1 / (1 + e⁻ᵗ), the probability of "on", log s(t) = t − log(1 + eᵗ) and log(1 − s(t)) = −log(1 + eᵗ). So a
# pixel x has  log p = x log s(t) + (1 − x) log(1 − s(t)) = x t − log(1 + eᵗ).
#
# For each number of z,  KL = E_q[log q − log p] = E_q[−log σ − (z − μ)² / 2σ² + z² / 2] = ½ (μ² + σ² − 1 − log σ²),
# because E_q (z − μ)² = σ² and E_q z² = μ² + σ².


# %%
def forward(theta, x, eps):
    """log p(x | z) and KL of each row of x (B, D), with noise eps (B, Z); and what backward will need."""
    W1, b1, W2, b2, W3, b3, W4, b4 = theta
    h = np.maximum(x @ W1 + b1, 0)  # the encoder: a layer with ReLU,
    mu, logvar = np.split(h @ W2 + b2, 2, axis=1)  # and one without, for μ and log σ²
    sigma = np.exp(logvar / 2)
    z = mu + sigma * eps  # the draw
    g = np.maximum(z @ W3 + b3, 0)  # the decoder: the same, from z
    t = g @ W4 + b4  # to a logit t for each pixel
    log_p = np.sum(x * t - np.logaddexp(0, t), axis=1)
    kl = np.sum(mu**2 + sigma**2 - 1 - logvar, axis=1) / 2
    return log_p, kl, (h, mu, sigma, z, g, t)


# %% [markdown]
# **Backward** goes through these lines from the last to the first, by the chain rule. The loss L is the mean of −ELBO
# over the B rows. dv means ∂L/∂v and has the shape of v.
#
#     log p = x t − log(1 + eᵗ)      ∂log p/∂t = x − s(t)                   dt = (s(t) − x) / B
#     t = g W + b                    linear in g, W and b                   dg = dt Wᵀ,   dW = gᵀ dt,   db = Σ dt
#     g = max(a, 0)                  ∂g/∂a = 1 where g > 0, else 0          da = dg [g > 0]
#     z = μ + σ ε, σ = e^(½ log σ²)  ∂z/∂μ = 1,  ∂z/∂log σ² = ½ σ ε         dμ = dz,   dlog σ² = dz ½ σ ε
#     KL = ½ (μ² + σ² − 1 − log σ²)  ∂KL/∂μ = μ,  ∂KL/∂log σ² = ½ (σ² − 1)  dμ += μ / B,   dlog σ² += ½ (σ² − 1) / B
#
# The += is there because μ and log σ² reach the loss in two ways, through z and through the KL. Below,
# da and dc come before the ReLU of the decoder and of the encoder, and dq is dμ and dlog σ² side by side.


# %%
def backward(theta, x, eps, saved):
    """∂L/∂v for each array v of theta."""
    (_, _, W2, _, W3, _, W4, _), (h, mu, sigma, z, g, t), B = theta, saved, len(x)
    dt = (1 / (1 + np.exp(-t)) - x) / B
    da = dt @ W4.T * (g > 0)
    dz = da @ W3.T
    dmu = dz + mu / B
    dlogvar = dz * sigma * eps / 2 + (sigma**2 - 1) / 2 / B
    dq = np.concatenate([dmu, dlogvar], axis=1)
    dc = dq @ W2.T * (h > 0)
    return [x.T @ dc, dc.sum(0), h.T @ dq, dq.sum(0), z.T @ da, da.sum(0), g.T @ dt, dt.sum(0)]


def adam(theta, gradients, m, v, step, lr=1e-3):
    """Kingma and Ba 2015: a step of lr along m, the mean of recent gradients, divided by √v, their usual size."""
    for k, d in enumerate(gradients):
        m[k] = 0.9 * m[k] + 0.1 * d  # m and v began at 0, which the two divisions below make up for
        v[k] = 0.999 * v[k] + 0.001 * d**2
        theta[k] -= lr * (m[k] / (1 - 0.9**step)) / (np.sqrt(v[k] / (1 - 0.999**step)) + 1e-8)


def train(theta, images, rng, epochs=50, batch=100):
    m, v, step = [0] * len(theta), [0] * len(theta), 0
    for epoch in range(1, epochs + 1):
        for rows in np.split(rng.permutation(len(images)), range(batch, len(images), batch)):
            x, eps, step = images[rows], rng.standard_normal((len(rows), Z)), step + 1
            log_p, kl, saved = forward(theta, x, eps)
            adam(theta, backward(theta, x, eps, saved), m, v, step)
        if epoch == 1 or epoch % 10 == 0:
            print(f"epoch {epoch:2}, last batch: log p(x | z) {log_p.mean():7.2f}, KL {kl.mean():5.2f} nats a digit")


# %%
if __name__ == "__main__":
    if not DIGITS.exists():
        raise SystemExit(f"{DIGITS} not found: run this demo where it is in the repository, or change DIGITS")
    images, rng = np.load(DIGITS)["images"] / 16, np.random.default_rng(0)
    theta = initialize(rng)
    train(theta, images[:1500], rng)
    log_p, kl, _ = forward(theta, images[1500:], rng.standard_normal((len(images) - 1500, Z)))
    print(f"test ELBO {np.mean(log_p - kl):.2f} nats a digit; five new digits, decoded from draws of N(0, I):\n")
    t = np.maximum(rng.standard_normal((5, Z)) @ theta[4] + theta[5], 0) @ theta[6] + theta[7]  # the decoder
    for line in np.swapaxes(t.reshape(5, 8, 8), 0, 1):
        print("   ".join("".join(2 * " ░▒▓█"[int(5 / (1 + np.exp(-pixel)))] for pixel in row) for row in line))
