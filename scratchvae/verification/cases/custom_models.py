"""Checked models with custom parts: parts of the package in other combinations, and user-defined ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.flows import InverseAutoregressive
from scratchvae.layers import (
    ELU,
    GELU,
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    Flatten,
    Gated,
    LayerNorm,
    LeakyReLU,
    Linear,
    Reshape,
    Residual,
    Sequential,
    SiLU,
    SplitChannels,
    Tanh,
    Upsample,
)
from scratchvae.models import IWAE, VAE, ConditionalVAE, SemiSupervisedVAE
from scratchvae.models.draws import Draws
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.probability import Mixed, MixturePrior, MonteCarloKL, VampPrior
from scratchvae.verification.cases.custom_parts import (
    TanhGaussian,
    TwoComponentMixture,
    mixture_log_prob,
    tanh_gaussian_draw,
)
from scratchvae.verification.cases.probability import random_mixed, random_rows
from scratchvae.verification.cases.random_inputs import (
    limit_outputs,
    random_corrupted,
    random_model,
    random_one_hot,
    run_larger_batch,
)
from scratchvae.verification.formulas import Draw, gaussian_draw
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, VerificationCase

UNUSED_SETTINGS = {"hidden": None, "decoder_hidden": None, "activation": "relu"}  # defaults, as custom networks require


def _custom_model(
    rng: np.random.Generator,
    model_class: type[VAE],
    make_parts: Callable[[Any], dict[str, Any]],
    draw: Draw | None = None,
    **settings: Any,
) -> GradientProblem:
    """Make the problem of a random model after replacing its parts with those that `make_parts` returns for it."""
    standard_model, x, _ = random_model(rng, model_class, **settings)
    parts = make_parts(standard_model)
    if "objective" in parts:
        parts["beta"] = 1.0
    model = model_class(**{**standard_model.config, **settings, **parts})
    model.theta[...] += 0.1 * rng.standard_normal(model.theta.size)
    run_larger_batch(rng, model, len(x))
    eps = rng.standard_normal((len(x), model.noise_dim))
    limit_outputs(model, x, eps)
    return model_gradient_problem(
        model,
        x,
        eps,
        random_corrupted(rng, model, x, 0.3) if rng.random() < 0.5 else None,
        float(rng.choice([0.25, 1.0])),
        np.less(rng.random(x.shape), 0.3) if model.config["missing"] else None,
        random_one_hot(rng, len(x), model.classes, unlabelled=model_class is SemiSupervisedVAE)
        if model.classes
        else None,
        draw,
    )


# A Sequential inside a Sequential, a slope other than the default, and a single layer as the decoder.
def _networks(model: VAE) -> dict[str, Any]:
    inputs, latent, outputs = model.input_dim, model.latent_dim, _output_width(model)
    inner = Sequential(Linear(3, 4, "he_normal"), Tanh())
    encoder = Sequential(Linear(inputs, 3), LeakyReLU(0.2), inner, Linear(4, 2 * latent))
    return {"encoder": encoder, "decoder": Linear(latent, outputs), **UNUSED_SETTINGS}


def _conditional_networks(model: ConditionalVAE) -> dict[str, Any]:
    inputs, latent, classes = model.input_dim, model.latent_dim, model.classes
    encoder = ConditionalSequential(ConditionalLinear(inputs, classes, 3), SiLU(), Linear(3, 2 * latent))
    decoder = ConditionalSequential(ConditionalLinear(latent, classes, _output_width(model)))
    return {"encoder": encoder, "decoder": decoder, **UNUSED_SETTINGS}


def _output_width(model: VAE) -> int:
    outputs: int = model.likelihood.outputs(model.input_dim)
    return outputs


def _several_draws(model: VAE) -> dict[str, Any]:
    return {"objective": ImportanceWeighted(2 + model.input_dim % 3)}


def _mixture_prior(model: VAE) -> dict[str, Any]:
    return {"prior": TwoComponentMixture(model.latent_dim)}


def _posterior_and_prior(model: VAE) -> dict[str, Any]:
    return {"posterior": TanhGaussian(), **_mixture_prior(model)}


def _vamp_prior(model: VAE) -> dict[str, Any]:
    rng = np.random.default_rng(model.theta.size)  # pseudo-inputs are positive, as the logarithm of counts needs
    return {"prior": VampPrior(1 + rng.random((1 + model.latent_dim, model.input_dim)))}


def _flow(model: VAE) -> dict[str, Any]:
    hidden = [(3,), (4, 5), ()][model.input_dim % 3]
    context = [None, 0, 2][model.latent_dim % 3]
    return {"posterior": InverseAutoregressive(model.latent_dim, 1 + model.latent_dim % 3, hidden, context)}


def _mixture_prior_draw(oracle: Oracle, params: dict[str, Any], h: Any, eps: Any) -> tuple[Any, Any, Any]:
    z, log_q, _ = gaussian_draw(oracle, params, h, eps)
    return z, log_q, mixture_log_prob(oracle, params["prior.a"], z)


def _checked_model(
    name: str,
    covers: tuple[type, ...],
    make_parts: Callable[[Any], dict[str, Any]],
    draw: Draw | None = None,
    **settings: Any,
) -> VerificationCase:
    return VerificationCase(name, covers, lambda rng: _custom_model(rng, covers[0], make_parts, draw, **settings))


def _convolutional(name: str, model_class: type[VAE], **settings: Any) -> VerificationCase:
    def draw(rng: np.random.Generator) -> GradientProblem:
        height, width, channels = 4 + int(rng.integers(4)), 4 + int(rng.integers(4)), 1 + int(rng.integers(2))
        picture = (height, width, channels) if channels > 1 else (height, width)
        activation = [ELU(0.5), "tanh", GELU][int(rng.integers(3))]
        more = {"architecture": "conv", "image_shape": picture, "activation": activation, **settings}
        if model_class is SemiSupervisedVAE:
            # of the log-likelihoods of counts in a picture, float32 does not resolve the small differences of classes
            more["likelihood"] = str(rng.choice([n for n, kind in LIKELIHOODS.items() if not kind.keeps_units]))
        return _custom_model(rng, model_class, lambda model: {}, **more)

    return VerificationCase(name, (model_class,), draw)


# All kinds of layers of pictures, and a residual one.
def _picture_networks(model: VAE) -> dict[str, Any]:
    latent, outputs = model.latent_dim, model.likelihood.outputs_per_dimension
    block = Sequential(Conv2d(4, 4, 3, padding=1), ELU(0.5))
    encoder = Sequential(
        Conv2d(1, 8, 3, 2, 1), Gated(), LayerNorm(4), Residual(block), Flatten(), Linear(16, 2 * latent)
    )
    decoder = Sequential(
        Linear(latent, 8), Tanh(), Reshape(2, 2, 2), Upsample(2), Conv2d(2, outputs, 3, 1, 1), SplitChannels(outputs)
    )
    return {"encoder": encoder, "decoder": decoder, **UNUSED_SETTINGS}


# A model of a table: counts, categories, numbers; some of the values are missing, whole groups of categories.
def _table(rng: np.random.Generator, model_class: type[VAE], missing: bool, **settings: Any) -> GradientProblem:
    mixed, whole = random_mixed(rng)
    hidden = [int(width) for width in rng.integers(1, 7, int(rng.integers(3)))]
    settings |= {"importance_samples": 2} if model_class is IWAE else {}
    settings |= {"latent_dim": 2, "hidden": hidden, "activation": "tanh", "dtype": "float64"}
    model = model_class(likelihood=mixed, missing=missing, **settings)
    model.theta[...] += 0.1 * rng.standard_normal(model.theta.size)
    rows = 1 + int(rng.integers(6))
    x, supports = random_rows(rng, rows, whole) + whole, mixed.supports(model.input_dim)
    absent = np.less(rng.random(x.shape), 0.3)
    for group in (support for support in supports if support.one_hot):
        x[:, group.start : group.stop] = np.eye(group.stop - group.start)[
            rng.integers(group.stop - group.start, size=rows)
        ]
        absent[:, group.start : group.stop] = absent[:, group.start : group.start + 1]
    return model_gradient_problem(
        model, x, rng.standard_normal((rows, model.noise_dim)), missing=absent if missing else None
    )


CUSTOM_MODELS = (
    VerificationCase("VAE, table", (VAE, Mixed), lambda rng: _table(rng, VAE, False)),
    VerificationCase("VAE, table, missing data", (VAE, Mixed), lambda rng: _table(rng, VAE, True)),
    VerificationCase("IWAE, table, missing data", (IWAE, Mixed), lambda rng: _table(rng, IWAE, True)),
    VerificationCase(
        "ConditionalVAE, table", (ConditionalVAE, Mixed), lambda rng: _table(rng, ConditionalVAE, False, classes=3)
    ),
    _convolutional("VAE, convolutions", VAE),
    _convolutional("VAE, convolutions, missing data", VAE, missing=True),
    _convolutional("IWAE, convolutions", IWAE),
    _convolutional("ConditionalVAE, convolutions", ConditionalVAE, classes=3),
    _convolutional("SemiSupervisedVAE, convolutions", SemiSupervisedVAE, classes=3, alpha=0.7),
    _checked_model("VAE, networks of pictures", (VAE,), _picture_networks, image_shape=(4, 4)),
    _checked_model("VAE, custom networks", (VAE,), _networks),
    _checked_model("VAE, custom networks, missing data", (VAE,), _networks, missing=True),
    _checked_model("VAE, custom ELBO", (VAE, ELBO), lambda model: {"objective": ELBO(model.config["beta"])}),
    _checked_model("VAE, custom prior", (VAE, MonteCarloKL), _mixture_prior, _mixture_prior_draw),
    _checked_model("VAE, custom posterior and prior", (VAE, MonteCarloKL), _posterior_and_prior, tanh_gaussian_draw),
    _checked_model(
        "VAE, custom posterior, several draws",
        (VAE, MonteCarloKL, Draws),
        lambda model: {**_posterior_and_prior(model), **_several_draws(model)},
        tanh_gaussian_draw,
    ),
    _checked_model(
        "VAE, mixture prior", (VAE, MixturePrior), lambda model: {"prior": MixturePrior(3, model.latent_dim)}
    ),
    _checked_model("VAE, VampPrior", (VAE, VampPrior), _vamp_prior),
    _checked_model("VAE, VampPrior, missing data", (VAE, VampPrior), _vamp_prior, missing=True),
    _checked_model(
        "VAE, VampPrior, several draws", (VAE,), lambda model: {**_vamp_prior(model), **_several_draws(model)}
    ),
    _checked_model("VAE, inverse autoregressive flow", (VAE, InverseAutoregressive), _flow),
    _checked_model(
        "VAE, flow and mixture, several draws",
        (VAE, InverseAutoregressive, MixturePrior),
        lambda model: {**_flow(model), **_several_draws(model), "prior": MixturePrior(2, model.latent_dim)},
    ),
    _checked_model(
        "ConditionalVAE, flow and mixture",
        (ConditionalVAE, InverseAutoregressive),
        lambda model: {**_flow(model), "prior": MixturePrior(2, model.latent_dim)},
        classes=3,
    ),
    _checked_model("ConditionalVAE, custom networks", (ConditionalVAE,), _conditional_networks, classes=3),
    _checked_model(
        "SemiSupervisedVAE, custom prior",
        (SemiSupervisedVAE,),
        _mixture_prior,
        _mixture_prior_draw,
        classes=3,
        alpha=0.7,
    ),
)
