"""Every combination of a model with the options that change its loss, and random problems of each."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, ClassVar, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, Model, SemiSupervisedVAE
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.verification.cases.probability import random_free_bits
from scratchvae.verification.cases.random_inputs import (
    random_corrupted,
    random_hidden,
    random_model,
    random_one_hot,
    run_larger_batch,
)
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.problem import GradientProblem

MODELS: tuple[type[Model], ...] = (VAE, IWAE, Autoencoder, ConditionalVAE, SemiSupervisedVAE)
ELBO_LOSS, FREE_BITS, ONE_DRAW, SEVERAL_DRAWS = "", "free bits", "KL of one draw", "several draws"
OBJECTIVES = (ELBO_LOSS, FREE_BITS, ONE_DRAW, SEVERAL_DRAWS)
PART_OF_ENTRIES = 0.3  # that are missing, or set to 0 in the corrupted rows


class OneDraw(ELBO):
    """An ELBO with the KL estimated from the draw, although its closed form is known."""

    exact_kl: ClassVar[bool] = False


class Options(NamedTuple):
    """A model and the options that change its loss.

    objective  "" for the usual one
    kl_weight  True: the KL has another weight than 1, as during a warm-up
    """

    model_class: type[Model]
    objective: str = ELBO_LOSS
    missing: bool = False
    corrupted: bool = False
    kl_weight: bool = False

    def __str__(self) -> str:
        flags = (name for name in ("missing", "corrupted", "kl_weight") if getattr(self, name))
        return ", ".join([self.model_class.__name__, *filter(None, [self.objective]), *flags])


@cache
def all_options() -> tuple[Options, ...]:
    """Return every combination that exists: the one whose model can be made, and whose options change its loss."""
    flags = (False, True)
    combinations = map(Options._make, product(MODELS, OBJECTIVES, flags, flags, flags))
    return tuple(options for options in combinations if _exists(options))


def _exists(options: Options) -> bool:
    if options.model_class is Autoencoder and (options.kl_weight or options.objective):
        return False  # it has no KL
    try:
        options.model_class(2, 1, (1,), scale="none", **_settings(options, 0.1, 1.0, 2))
    except ConfigError:
        return False
    return True


def _settings(options: Options, free_bits: float, beta: float, draws: int) -> dict[str, Any]:
    """Return the arguments of a model for these options."""
    settings: dict[str, Any] = {"missing": True} if options.missing else {}
    if options.objective == FREE_BITS:
        settings["free_bits"] = free_bits
    elif options.objective == ONE_DRAW:
        settings["objective"] = OneDraw(beta)
    elif options.objective == SEVERAL_DRAWS:
        settings["objective"] = ImportanceWeighted(draws)
    return settings


def draw_options(rng: np.random.Generator, **fixed: Any) -> Options:
    """Draw one of the combinations with these options."""
    choices = [options for options in all_options() if all(getattr(options, k) == v for k, v in fixed.items())]
    return choices[int(rng.integers(len(choices)))]


def options_problem(rng: np.random.Generator, options: Options, likelihood: str | None = None) -> GradientProblem:
    """Make the problem of a random model with these options; the likelihood is drawn if it is None."""
    model_class, hidden = options.model_class, random_hidden(rng)
    labelled = issubclass(model_class, ConditionalVAE | SemiSupervisedVAE)
    settings: dict[str, Any] = {"classes": 2 + int(rng.integers(3))} if labelled else {}
    if model_class is SemiSupervisedVAE:
        settings["alpha"] = 0.7
    if model_class is IWAE:
        settings["importance_samples"] = 1 + int(rng.integers(4))
    beta, draws = float(rng.choice([1.0, 0.5, 4.0])), 2 + int(rng.integers(3))
    settings |= _settings(options, 0.0, beta, draws)
    model, x, eps = random_model(rng, model_class, likelihood, hidden, **settings)
    targets = random_one_hot(rng, len(x), model.classes, model_class is SemiSupervisedVAE) if labelled else None
    corrupted = random_corrupted(rng, model, x, PART_OF_ENTRIES) if options.corrupted else None
    missing = np.less(rng.random(x.shape), rng.choice([0.3, 0.1, 1.0])) if options.missing else None
    if options.objective == FREE_BITS:
        model = _with_free_bits(rng, model, x, eps, corrupted, missing, targets)
    kl_weight = float(rng.choice([0.25, 0.0])) if options.kl_weight else 1.0
    return model_gradient_problem(model, x, eps, corrupted, kl_weight, missing, targets)


# λ must keep a distance from the mean KL of each dimension, which a forward pass yields.
def _with_free_bits(
    rng: np.random.Generator,
    model: Any,
    x: Array,
    eps: Array,
    corrupted: Array | None,
    missing: Array | None,
    targets: Array | None,
) -> Any:
    def incomplete(rows: Array | None) -> Array | None:
        return rows if rows is None or missing is None else np.where(missing, np.nan, rows)

    labels = {} if targets is None else {"targets": targets}
    model.forward(incomplete(x), eps, corrupted=incomplete(corrupted), **labels)
    free_bits = random_free_bits(model.kl.per_dimension.mean(axis=0), rng)
    with_free_bits = type(model)(**{**model.config, "free_bits": free_bits})
    with_free_bits.theta[...] = model.theta
    run_larger_batch(rng, with_free_bits, len(x))
    return with_free_bits
