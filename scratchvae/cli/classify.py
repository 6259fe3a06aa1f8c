"""scratchvae classify."""

from __future__ import annotations

import argparse

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.cli.arguments import Commands, add_command, class_names, read_model, read_rows, rows_options
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option
from scratchvae.cli.outputs import ARRAY_SUFFIXES, check_output_path, write_array
from scratchvae.errors import ConfigError
from scratchvae.models import SemiSupervisedVAE


def add_commands(commands: Commands) -> None:
    """Add `classify`."""
    parser = add_command(
        commands,
        "classify",
        run,
        "predict the class of each row with a semi-supervised model",
        "scratchvae classify runs/digits mydata.npy --out classes.csv",
    )
    out = Option(
        "out",
        "a .csv file for the probabilities and the most probable class as the label, or a .npy file for the "
        "probabilities",
        default="classes.csv",
        metavar="FILE",
        common=True,
    )
    parser.add_options((*rows_options("test"), out))


def run(args: argparse.Namespace) -> int:
    """Write q(y | x), one row for each row of the data, in the same order."""
    check_output_path(args.out, ARRAY_SUFFIXES)
    model = read_model(args)
    if not isinstance(model, SemiSupervisedVAE):
        raise ConfigError(
            f"{args.model} is a {type(model).__name__}, which has no classifier: train one with --model semi-supervised"
        )
    rows = read_rows(args, model)
    probabilities = to_numpy(model.predict_proba(rows.images))
    classes, names = probabilities.argmax(axis=1), class_names(model)
    prefix = "p" if model.schema.classes is None else "p_"
    columns = [f"{prefix}{name}" for name in names]
    write_array(probabilities, args.out, columns, [names[k] for k in classes], rows.files)
    counts = np.bincount(classes, minlength=model.classes)
    print(f"wrote {args.out}: {count_of(len(classes), 'row')}")
    print(f"rows per class: {', '.join(f'{k}: {count}' for k, count in zip(names, counts, strict=True))}")
    return 0
