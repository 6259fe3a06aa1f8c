"""Checks of public methods whose wrong results look as plausible as right ones."""

from __future__ import annotations

from math import log

import numpy as np

from scratchvae.models import VAE
from scratchvae.optim import SGD
from scratchvae.training import Trainer, score
from scratchvae.verification.cases.random_inputs import random_model
from scratchvae.verification.checks.check import Check, Measurement


# μ is the first half of the encoder's output. A sample, μ + σ or a hidden layer could have the same shape.
def _embedding(seed: int) -> dict[str, Measurement]:
    vae, x, _ = random_model(np.random.default_rng(seed), VAE)
    mu = vae.encoder.forward(x)[:, : vae.latent_dim].copy()
    first, second = vae.embed(x), vae.embed(x)
    return {
        "equals the posterior mean": Measurement(float(np.abs(first - mu).max()), 0.0),
        "is deterministic": Measurement(float(np.abs(first - second).max()), 0.0),
    }


# If the decoder ignores z and q is the prior, the ELBO equals log p(x) = −D log 2, and KL = 0.
def _known_likelihood(seed: int) -> dict[str, Measurement]:
    vae = VAE(5, 2, (), dtype="float64")
    vae.theta[...] = 0
    x = np.random.default_rng(seed).random((7, 5)).round()
    exact, (loss, _) = -5 * log(2.0), vae.loss_and_grads(x)
    return {
        "ELBO": Measurement(float(np.abs(vae.elbo(x).value - exact).max()), 1e-14),
        "loss": Measurement(abs(loss + exact), 1e-14),
        "score": Measurement(abs(score(vae, x).value - exact), 1e-14),
    }


# The loss that `elbo` and `score` report is the mean over rows of the training loss, also if they process the rows in
# chunks. The history reports the loss of the epoch, which is the same for any noise if the decoder ignores z.
def _reported_loss(seed: int) -> dict[str, Measurement]:
    vae = VAE(6, 2, (4,), beta=2.0, seed=seed, dtype="float64")
    x = np.random.default_rng(seed).random((7, 6))
    trained_loss = vae.loss_and_grads(x, seed=seed)[0]
    vae.chunk_rows = 3
    constant_vae = VAE(6, 2, (), beta=2.0, seed=seed, dtype="float64")
    constant_vae.params["decoder.0.W"][...] = 0
    constant_vae.params["decoder.0.b"][...] = 0.5
    history = Trainer(constant_vae, optimizer=SGD(1e-200), batch_size=3).fit(x, 1)
    history_ratio = history.loss[0] / -float(constant_vae.elbo(x).value.mean())
    losses = {"elbo": -float(vae.elbo(x, seed=seed).value.mean()), "score": -score(vae, x, seed=seed).value}
    ratios = {**{name: loss / trained_loss for name, loss in losses.items()}, "history": history_ratio}
    return {name: Measurement(abs(ratio - 1), 1e-13) for name, ratio in ratios.items()}


API_CONTRACTS = (
    Check("embedding", "largest difference", _embedding),
    Check("known likelihood", "nats", _known_likelihood),
    Check("reported and trained loss", "relative difference", _reported_loss),
)
