"""Checked models: random architectures at fixed noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scratchvae.models import VAE, Autoencoder
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.verification.cases.probability import random_free_bits
from scratchvae.verification.cases.random_inputs import random_model
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.problem import GradientProblem, VerificationCase


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
