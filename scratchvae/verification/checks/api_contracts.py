"""What the front door promises, where a wrong answer looks as good as a right one."""

from __future__ import annotations

from math import log

import numpy as np

from scratchvae.models import VAE
from scratchvae.optim import SGD
from scratchvae.training import Trainer, score
from scratchvae.verification.checked_modules.models import random_model
from scratchvae.verification.checks.check import Check, Measurement


# μ is what the first half of the encoder's output says; a sample, μ + σ or a hidden layer has its shape too.
def _embedding(seed: int) -> dict[str, Measurement]:
    vae, x, _ = random_model(np.random.default_rng(seed), VAE)
    mu = vae.encoder.forward(x)[:, : vae.latent_dim].copy()
    first, again = vae.embed(x), vae.embed(x)
    return {
        "is the posterior mean": Measurement(float(np.abs(first - mu).max()), 0.0),
        "twice the same": Measurement(float(np.abs(first - again).max()), 0.0),
    }


# Where the decoder does not look at z and q is the prior, the bound is tight: log p(x) = −D log 2, and KL = 0.
def _likelihood(seed: int) -> dict[str, Measurement]:
    vae = VAE(5, 2, (), dtype="float64")
    vae.theta[...] = 0
    x = np.random.default_rng(seed).random((7, 5)).round()
    exact, (loss, _) = -5 * log(2.0), vae.loss_and_grads(x)
    return {
        "ELBO": Measurement(float(np.abs(vae.elbo(x).value - exact).max()), 1e-14),
        "loss": Measurement(abs(loss + exact), 1e-14),
        "score": Measurement(abs(score(vae, x).value - exact), 1e-14),
    }


# What is told is the mean over rows of what is trained, also where the rows are computed a few at a time; and a history
# has the loss of its epoch: where the decoder does not look at z, that is the same for any noise.
def _told(seed: int) -> dict[str, Measurement]:
    vae = VAE(6, 2, (4,), beta=2.0, seed=seed, dtype="float64")
    x = np.random.default_rng(seed).random((7, 6))
    trained = vae.loss_and_grads(x, seed=seed)[0]
    vae.chunk_rows = 3
    deaf = VAE(6, 2, (), beta=2.0, seed=seed, dtype="float64")
    deaf.params["decoder.0.W"][...] = 0
    deaf.params["decoder.0.b"][...] = 0.5
    history = Trainer(deaf, optimizer=SGD(1e-200), batch_size=3).fit(x, 1)
    past = history.loss[0] / -float(deaf.elbo(x).value.mean())
    told = {"elbo": -float(vae.elbo(x, seed=seed).value.mean()), "score": -score(vae, x, seed=seed).value}
    ratios = {**{name: value / trained for name, value in told.items()}, "history": past}
    return {name: Measurement(abs(ratio - 1), 1e-13) for name, ratio in ratios.items()}


API_CONTRACTS = (
    Check("embedding", "largest difference", _embedding),
    Check("known likelihood", "nats", _likelihood),
    Check("reported and trained loss", "relative difference", _told),
)
