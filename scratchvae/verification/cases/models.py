"""Checked models: random architectures at fixed noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.models import IWAE, VAE, Autoencoder, Model
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS, check_sigma
from scratchvae.verification.cases.probability import random_free_bits
from scratchvae.verification.cases.random_inputs import random_sizes
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.problem import GradientProblem, VerificationCase


def random_model(
    rng: np.random.Generator, model_class: type[Model], likelihood: str | None = None, **settings: Any
) -> tuple[Any, Array, Array]:
    """Return a float64 model of random architecture, rows for it (B, D), and noise (B, noise_dim).

    The likelihood is random unless named.
    """
    batch, width, latent, depth = random_sizes(rng, 4)
    likelihood = likelihood or str(rng.choice(list(LIKELIHOODS)))
    sigma = check_sigma(None, likelihood)
    model = model_class(
        input_dim=width,
        latent_dim=latent,
        hidden=random_sizes(rng, depth % 4),
        activation=str(rng.choice(list(ACTIVATIONS))),
        likelihood=likelihood,
        sigma=sigma and float(rng.choice([0.3, 1.0, 2.0])),
        beta=1.0 if model_class is IWAE or "objective" in settings else float(rng.choice([0.0, 0.5, 1.0, 4.0])),
        seed=int(rng.integers(1000)),
        dtype="float64",
        **settings,
    )
    model.theta[...] += 0.1 * rng.standard_normal(model.theta.size)  # also moves the biases, which start at 0
    run_larger_batch(rng, model, batch)
    return model, rng.random((batch, width)), rng.standard_normal((batch, model.noise_dim))


def run_larger_batch(rng: np.random.Generator, model: Model, rows: int) -> None:
    """Run forward and backward on 2 · rows rows, so that the buffers of the model exceed a batch of `rows`."""
    x = rng.random((2 * rows, model.input_dim))
    model.loss_and_grads(x, labels=rng.integers(model.classes, size=len(x)) if model.classes else None)


def _vae(likelihood: str) -> Callable[[np.random.Generator], GradientProblem]:
    return lambda rng: model_gradient_problem(*random_model(rng, VAE, likelihood))


def _autoencoder(rng: np.random.Generator) -> GradientProblem:
    return model_gradient_problem(*random_model(rng, Autoencoder))


# A forward pass yields the mean KL of each dimension, from which λ must keep a distance.
def _with_free_bits(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, VAE)
    model.forward(x, eps)
    free_bits = random_free_bits(model.kl.per_dimension.mean(axis=0), rng)
    model_with_free_bits = VAE(**{**model.config, "free_bits": free_bits})
    model_with_free_bits.theta[...] = model.theta
    return model_gradient_problem(model_with_free_bits, x, eps, kl_weight=float(rng.choice([0.25, 1.0])))


def _denoising(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, VAE)
    return model_gradient_problem(model, x, eps, np.where(rng.random(x.shape) < 0.3, 0.0, x))


def _denoising_autoencoder(rng: np.random.Generator) -> GradientProblem:
    model, x, eps = random_model(rng, Autoencoder)
    return model_gradient_problem(model, x, eps, np.where(rng.random(x.shape) < 0.3, 0.0, x))


MODELS = (
    VerificationCase("VAE", (VAE,), _vae("bernoulli")),
    *(VerificationCase(f"VAE-{name}", (VAE,), _vae(name)) for name in LIKELIHOODS if name != "bernoulli"),
    VerificationCase("VAE with free bits", (VAE,), _with_free_bits),
    VerificationCase("VAE, denoising", (VAE,), _denoising),
    VerificationCase("Autoencoder", (Autoencoder,), _autoencoder),
    VerificationCase("Autoencoder, denoising", (Autoencoder,), _denoising_autoencoder),
)
