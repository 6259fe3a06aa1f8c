"""scratchvae classify."""

from __future__ import annotations

import argparse

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.cli.arguments import Commands, add_command, read_model, read_rows, rows_options
from scratchvae.cli.options import add_options
from scratchvae.cli.outputs import ARRAY_SUFFIXES, check_out, write_array
from scratchvae.errors import ConfigError
from scratchvae.models import SemiSupervisedVAE


def add_commands(commands: Commands) -> None:
    """Add `classify`."""
    parser = add_command(
        commands,
        "classify",
        run,
        "tell the class of each row of data, with a semi-supervised model",
        "scratchvae classify runs/digits mydata.npy --out classes.csv",
    )
    add_options(parser, rows_options("test"))
    parser.add_argument(
        "--out",
        default="classes.csv",
        metavar="FILE",
        help="ends in .csv, for the probability of each class and the likeliest as the label, or in .npy for the "
        "probabilities alone",
    )


def run(args: argparse.Namespace) -> int:
    """Write q(y | x), one row for each row of the data, in its order."""
    check_out(args.out, ARRAY_SUFFIXES)
    model = read_model(args)
    if not isinstance(model, SemiSupervisedVAE):
        raise ConfigError(
            f"{args.model} holds a {type(model).__name__}, which has no classifier: train one with "
            "--model semi-supervised"
        )
    rows = read_rows(args, model)
    probabilities = to_numpy(model.predict_proba(rows.images))
    classes = probabilities.argmax(axis=1)
    write_array(probabilities, args.out, [f"p{k}" for k in range(model.classes)], classes)
    counts = ", ".join(f"{count} of {k}" for k, count in enumerate(np.bincount(classes, minlength=model.classes)))
    print(f"wrote {args.out}: {len(classes)} rows, {counts}")
    return 0
