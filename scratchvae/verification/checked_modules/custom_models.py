"""Whole models of parts that were given to them, ours and a user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from scratchvae.layers import ConditionalLinear, ConditionalSequential, LeakyReLU, Linear, Sequential, SiLU, Tanh
from scratchvae.models import VAE, ConditionalVAE, SemiSupervisedVAE
from scratchvae.models.draws import Draws
from scratchvae.models.model import HIDDEN
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.probability import GaussianDrawKL, MonteCarloKL
from scratchvae.verification.checked_modules.custom_parts import (
    TanhGaussian,
    TwoComponentMixture,
    mixture_log_prob,
    tanh_gaussian_draw,
)
from scratchvae.verification.checked_modules.models import random_model, run_larger_batch
from scratchvae.verification.checked_modules.random_inputs import random_one_hot
from scratchvae.verification.formulas import Draw, gaussian_draw
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import CheckedModule, GradientProblem

UNUSED = {"hidden": HIDDEN, "activation": "relu"}  # beside networks of one's own


class OneDraw(ELBO):
    """An ELBO whose KL is estimated by the draw, though its closed form be known."""

    exact_kl: ClassVar[bool] = False


def _composed(
    rng: np.random.Generator,
    kind: type[VAE],
    parts: Callable[[Any], dict[str, Any]],
    draw: Draw | None = None,
    **settings: Any,
) -> GradientProblem:
    """A random model whose parts `parts` replaces, once it has seen the model that it had been."""
    plain, x, _ = random_model(rng, kind, **settings)
    own = parts(plain)
    if "objective" in own:
        own["beta"] = 1.0
    model = kind(**{**plain.config, **own})
    model.theta[...] += 0.1 * rng.standard_normal(model.theta.size)
    run_larger_batch(rng, model, len(x))
    return model_gradient_problem(
        model,
        x,
        rng.standard_normal((len(x), model.noise_dim)),
        np.where(rng.random(x.shape) < 0.3, 0.0, x) if rng.random() < 0.5 else None,
        float(rng.choice([0.25, 1.0])),
        np.less(rng.random(x.shape), 0.3) if model.config["missing"] else None,
        random_one_hot(rng, len(x), model.classes, some=kind is SemiSupervisedVAE) if model.classes else None,
        draw,
    )


# A chain inside a chain, a slope that is not the usual one, and a single layer.
def _networks(model: VAE) -> dict[str, Any]:
    inputs, latent, outputs = model.input_dim, model.latent_dim, _outputs(model)
    inner = Sequential(Linear(3, 4, "he_normal"), Tanh())
    encoder = Sequential(Linear(inputs, 3), LeakyReLU(0.2), inner, Linear(4, 2 * latent))
    return {"encoder": encoder, "decoder": Linear(latent, outputs), **UNUSED}


def _conditional_networks(model: ConditionalVAE) -> dict[str, Any]:
    inputs, latent, classes = model.input_dim, model.latent_dim, model.classes
    encoder = ConditionalSequential(ConditionalLinear(inputs, classes, 3), SiLU(), Linear(3, 2 * latent))
    decoder = ConditionalSequential(ConditionalLinear(latent, classes, _outputs(model)))
    return {"encoder": encoder, "decoder": decoder, **UNUSED}


def _outputs(model: VAE) -> int:
    of_each: int = model.likelihood.outputs_per_dimension
    return of_each * model.input_dim


def _several_draws(model: VAE) -> dict[str, Any]:
    return {"objective": ImportanceWeighted(2 + model.input_dim % 3)}


def _prior(model: VAE) -> dict[str, Any]:
    return {"prior": TwoComponentMixture(model.latent_dim)}


def _posterior_and_prior(model: VAE) -> dict[str, Any]:
    return {"posterior": TanhGaussian(), **_prior(model)}


def _bumpy_draw(oracle: Oracle, params: dict[str, Any], h: Any, eps: Any) -> tuple[Any, Any, Any]:
    z, log_q, _ = gaussian_draw(oracle, params, h, eps)
    return z, log_q, mixture_log_prob(oracle, params["prior.a"], z)


def _subject(
    name: str,
    covers: tuple[type, ...],
    parts: Callable[[Any], dict[str, Any]],
    draw: Draw | None = None,
    **settings: Any,
) -> CheckedModule:
    return CheckedModule(name, covers, lambda rng: _composed(rng, covers[0], parts, draw, **settings))


COMPOSED = (
    _subject("VAE, custom networks", (VAE,), _networks),
    _subject("VAE, custom networks, missing data", (VAE,), _networks, missing=True),
    _subject("VAE, custom ELBO", (VAE, ELBO), lambda model: {"objective": ELBO(model.config["beta"])}),
    _subject("VAE, KL of one draw", (VAE, GaussianDrawKL), lambda model: {"objective": OneDraw(model.config["beta"])}),
    _subject("VAE, several draws", (VAE, ImportanceWeighted, Draws), _several_draws),
    _subject("VAE, several draws, missing data", (VAE, ImportanceWeighted, Draws), _several_draws, missing=True),
    _subject("VAE, custom prior", (VAE, MonteCarloKL), _prior, _bumpy_draw),
    _subject("VAE, custom posterior and prior", (VAE, MonteCarloKL), _posterior_and_prior, tanh_gaussian_draw),
    _subject(
        "VAE, custom posterior, several draws",
        (VAE, MonteCarloKL, Draws),
        lambda model: {**_posterior_and_prior(model), **_several_draws(model)},
        tanh_gaussian_draw,
    ),
    _subject("ConditionalVAE, custom networks", (ConditionalVAE,), _conditional_networks, classes=3),
    _subject("ConditionalVAE, several draws", (ConditionalVAE, Draws), _several_draws, classes=3),
    _subject("SemiSupervisedVAE, custom prior", (SemiSupervisedVAE,), _prior, _bumpy_draw, classes=3, alpha=0.7),
)
