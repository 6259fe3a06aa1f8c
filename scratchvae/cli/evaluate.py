"""scratchvae evaluate."""

from __future__ import annotations

import argparse
from math import isfinite, isnan, nan
from typing import Any

import numpy as np

from scratchvae.cli.arguments import (
    JSON,
    Commands,
    add_command,
    class_names,
    describe_score,
    plus_minus,
    print_json,
    read_model,
    read_rows,
    rows_options,
    seed_option,
)
from scratchvae.cli.labels import labels_of
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option, refuse
from scratchvae.cli.tables import schema_of
from scratchvae.errors import ConfigError, RangeError
from scratchvae.evaluation import LogLikelihood, active_units, classification, log_likelihood
from scratchvae.evaluation.active_units import MIN_ACTIVE_VARIANCE
from scratchvae.models import VAE, SemiSupervisedVAE
from scratchvae.models.labels import UNLABELLED
from scratchvae.objectives import ImportanceWeighted
from scratchvae.training import score
from scratchvae.training.callbacks.progress import objective_name

ENOUGH = 30  # the median effective sample size from which on the bias is estimated


def add_commands(commands: Commands) -> None:
    """Add `evaluate`."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        "compute the ELBO, the KL, the active units and the log-likelihood of data",
        "scratchvae evaluate runs/digits --part test --json",
    )
    binarize = Option(
        "binarize",
        "binarisation of grey pixels (default: as in training)",
        choices=("none", "dynamic"),
        common=True,
        details="dynamic draws each pixel once as 1 with the probability of its grey value, else as 0",
    )
    samples = Option(
        "samples",
        "also estimate log p(x) from this many draws of z per row, such as 5000",
        int,
        metavar="K",
        common=True,
        details="takes about K times as long as the rest, for a semi-supervised model times the number of classes",
    )
    parser.add_options(
        (*rows_options("test"), binarize, samples, seed_option("the draws of z and the binarisation"), JSON)
    )


def run(args: argparse.Namespace) -> int:
    """Print the objective and the use of the latent space."""
    model = read_model(args)
    if schema_of(model) is not None:
        refuse(args, "on a table of several kinds of columns, which has no pixels: leave it out", "binarize")
    if hasattr(args, "samples") and not isinstance(model, VAE):
        raise ConfigError("--samples needs a density, which an autoencoder has not: leave --samples out")
    rows = read_rows(args, model, lazy=True)
    images = model.check_data(rows.images, args.data, lazy=True)
    setting = getattr(args, "binarize", model.metadata.get("binarize"))
    binarize = None if setting == "none" else setting
    labels = labels_of(model, rows, args.data)
    with np.errstate(over="ignore", invalid="ignore"):  # a result that is not finite is null in JSON, else an error
        result = score(model, images, seed=args.seed, binarize=binarize, labels=labels)
        units = active_units(model, images, labels) if isinstance(model, VAE) else None
        density = None
        if hasattr(args, "samples"):
            density = log_likelihood(model, images, args.samples, args.seed, labels, binarize)
    classes = None
    if isinstance(model, SemiSupervisedVAE) and rows.labels is not None:
        labelled = rows.labels != UNLABELLED
        classes = classification(model, images[labelled], rows.labels[labelled]) if labelled.any() else None
    if args.json:
        active = units.active if units and result.rows > 1 else None  # the mean of a single row does not vary
        latent = {"active": active, "kl_per_dimension": units.kl.tolist()} if units else {}
        accuracy = {} if classes is None else {"accuracy": classes.accuracy, "confusion": classes.confusion.tolist()}
        if classes is not None:
            accuracy |= {"labelled_rows": classes.rows, "classes": list(class_names(model))}
        estimate = {} if density is None else {"log_likelihood": _summary(density, args.samples)}
        print_json({**result._asdict(), "binarize": binarize, **latent, **estimate, **accuracy})
        return 0
    if not all(map(isfinite, (result.value, result.reconstruction, result.kl))):
        raise RangeError(
            f"{args.model} gives no finite {objective_name(model)} of {args.data}: its weights or the data are too "
            "large; train with a smaller --lr or scaled data"
        )
    print(f"{args.data}: {count_of(result.rows, 'row')} ({args.part}), binarize: {binarize or 'none'}")
    one_draw = units is not None and not isinstance(model.objective, ImportanceWeighted)
    print(f"  {describe_score(model, result)}{', one draw of z per row' if one_draw else ''}")
    if density is not None:
        summary = _summary(density, args.samples)
        size, bias = summary["median_effective_sample_size"], summary["bias"]
        below = (
            f"too few, with an effective sample size of {size:.1f}" if isnan(bias) else f"at least {bias:.2g} too low"
        )
        print(
            f"  log-likelihood {density.value:.2f}{plus_minus(density.standard_error)} nats per row "
            f"({count_of(args.samples, 'draw')} of z per row: {below})"
        )
    if units and result.rows > 1:  # the mean of a single row does not vary
        print(
            f"  active units {units.active} of {model.latent_dim} (posterior mean with a variance above "
            f"{MIN_ACTIVE_VARIANCE} over the rows)"
        )
    if units:
        print(
            f"  KL of each latent dimension, sorted: {' '.join(f'{kl:.2f}' for kl in sorted(units.kl, reverse=True))}"
        )
    if classes is not None:
        print(
            f"  accuracy {100 * classes.accuracy:.2f}{plus_minus(100 * classes.standard_error)} %, cross-entropy "
            f"{classes.log_loss:.3f} nats per row{_of_labelled(classes.rows, len(images))}"
        )
    return 0


def _summary(density: LogLikelihood, samples: int) -> dict[str, Any]:
    """The estimate, its errors and its bias as JSON values.

    log p̂ is too low by half its variance over draws of z, or more. The bias is NaN if the median effective sample size
    is below `ENOUGH`.
    """
    size = float(np.median(density.effective_sample_size))
    return {
        "value": density.value,
        "standard_error": density.standard_error,
        "monte_carlo_error": float(np.sqrt((density.monte_carlo_error**2).sum())) / len(density.rows),
        "bias": 0.5 * float((density.monte_carlo_error**2).mean()) if size >= ENOUGH else nan,
        "median_effective_sample_size": size,
        "samples": samples,
    }


def _of_labelled(labelled: int, rows: int) -> str:
    return "" if labelled == rows else f", on the {count_of(labelled, 'row')} with a label"
