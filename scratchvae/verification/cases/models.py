"""Checked models: random architectures with random options that change the loss, at fixed noise."""

from __future__ import annotations

from typing import Any

from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, SemiSupervisedVAE
from scratchvae.models.draws import Draws
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.objectives import ImportanceWeighted
from scratchvae.probability import GaussianDrawKL
from scratchvae.verification.cases.options import (
    ELBO_LOSS,
    FREE_BITS,
    ONE_DRAW,
    SEVERAL_DRAWS,
    draw_options,
    options_problem,
)
from scratchvae.verification.problem import VerificationCase


def _checked_model(
    name: str, model: type, *, likelihood: str | None = None, also_covers: tuple[type, ...] = (), **fixed: Any
) -> VerificationCase:
    """Return the case of a model class with some options fixed; the others are drawn among all that exist."""
    return VerificationCase(
        name,
        (model, *also_covers),
        lambda rng: options_problem(rng, draw_options(rng, model_class=model, **fixed), likelihood),
    )


MODELS = (
    *(
        _checked_model("VAE" if name == "bernoulli" else f"VAE-{name}", VAE, likelihood=name, objective=ELBO_LOSS)
        for name in LIKELIHOODS
    ),
    _checked_model("VAE, free bits", VAE, objective=FREE_BITS),
    _checked_model("VAE, KL of one draw", VAE, objective=ONE_DRAW, also_covers=(GaussianDrawKL,)),
    _checked_model("VAE, several draws", VAE, objective=SEVERAL_DRAWS, also_covers=(ImportanceWeighted, Draws)),
    _checked_model("VAE, denoising", VAE, corrupted=True),
    _checked_model("VAE, missing data", VAE, missing=True),
    _checked_model("Autoencoder", Autoencoder),
    _checked_model("Autoencoder, denoising", Autoencoder, corrupted=True),
    _checked_model("IWAE", IWAE, missing=False),
    _checked_model("IWAE, missing data", IWAE, missing=True),
    _checked_model("ConditionalVAE", ConditionalVAE),
    _checked_model("ConditionalVAE, several draws", ConditionalVAE, objective=SEVERAL_DRAWS, also_covers=(Draws,)),
    _checked_model("SemiSupervisedVAE", SemiSupervisedVAE),
)
