"""scratchvae evaluate."""

from __future__ import annotations

import argparse

import numpy as np

from scratchvae.cli.arguments import (
    JSON,
    Commands,
    add_command,
    describe_score,
    print_json,
    read_model,
    read_rows,
    rows_options,
    seed_option,
)
from scratchvae.cli.labels import labels_of
from scratchvae.cli.options import add_options
from scratchvae.evaluation import active_units, classification
from scratchvae.evaluation.active_units import ACTIVE_ABOVE
from scratchvae.models import VAE, SemiSupervisedVAE
from scratchvae.objectives import ImportanceWeighted
from scratchvae.training import score


def add_commands(commands: Commands) -> None:
    """Add `evaluate`."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        "measure a trained model on data",
        "scratchvae evaluate runs/digits --part test --json",
    )
    add_options(parser, rows_options("test"))
    parser.add_argument(
        "--binarize",
        choices=["dynamic", "none"],
        default=argparse.SUPPRESS,
        help="draw each pixel once, or take grey values as they are; without it, as in training",
    )
    add_options(parser, (seed_option("the noise and the binarisation"), JSON))


def run(args: argparse.Namespace) -> int:
    """Print the objective and the use of the latent space."""
    model = read_model(args)
    rows = read_rows(args, model)
    images = rows.images
    asked = getattr(args, "binarize", model.metadata.get("binarize"))
    binarize = None if asked == "none" else asked
    labels = labels_of(model, rows, args.data)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is shown as it is
        result = score(model, images, seed=args.seed, binarize=binarize, labels=labels)
        use = active_units(model, images, labels) if isinstance(model, VAE) else None
    figures = None
    if isinstance(model, SemiSupervisedVAE) and rows.labels is not None:
        figures = classification(model, images, rows.labels)
    if args.json:
        latent = {"active": use.active, "kl_per_dimension": use.kl.tolist()} if use else {}
        classes = {} if figures is None else {"accuracy": figures.accuracy, "confusion": figures.confusion.tolist()}
        print_json({**result._asdict(), "binarize": binarize, **latent, **classes})
        return 0
    print(f"{args.data}: {result.rows} rows ({args.part}), binarize: {binarize or 'none'}")
    one = use is not None and not isinstance(model.objective, ImportanceWeighted)
    print(f"  {describe_score(model, result)}{', one draw of z each' if one else ''}")
    if use:
        print(
            f"  active units {use.active} of {model.latent_dim} (mean varies by more than {ACTIVE_ABOVE} over the rows)"
        )
        print("  KL by unit:", end=" ")
        print(" ".join(f"{kl:.2f}" for kl in sorted(use.kl, reverse=True)))
    if figures is not None:
        print(
            f"  classified right {100 * figures.accuracy:.2f} ± {100 * figures.standard_error:.2f} %, cross-entropy "
            f"{figures.log_loss:.3f} nats a row"
        )
    return 0
