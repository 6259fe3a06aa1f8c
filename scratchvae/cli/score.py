"""scratchvae score."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from scratchvae.cli.arguments import Commands, add_command, read_model, read_rows, rows_options, seed_option
from scratchvae.cli.labels import labels_of
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option, refuse
from scratchvae.cli.outputs import ARRAY_SUFFIXES, check_output_path, write_array
from scratchvae.errors import ConfigError
from scratchvae.models import Autoencoder
from scratchvae.models.scores import ANOMALY_METHODS

SAMPLES = 64
LISTED = 5  # rows that the command prints


def add_commands(commands: Commands) -> None:
    """Add `score`."""
    parser = add_command(
        commands,
        "score",
        run,
        "score how unusual each row is, to find anomalies",
        "scratchvae score runs/digits mydata.npy --out scores.csv",
    )
    parser.add_options(
        (
            *rows_options("all"),
            Option(
                "method",
                "the score of a row (default: log_likelihood; reconstruction for an autoencoder)",
                choices=ANOMALY_METHODS,
                common=True,
                details="log_likelihood: -log p(x), from importance-weighted draws of z; elbo: the negative ELBO; "
                "reconstruction: -log p(x|z) at the code of the row. In nats: the higher, the more unusual",
            ),
            Option("samples", f"draws of z per row (default: {SAMPLES})", int, metavar="S", common=True),
            seed_option("the draws"),
            Option(
                "out",
                "a .npy file, or a .csv file with a header row, and with the names of files and the labels, if there "
                "are any",
                default="scores.csv",
                metavar="FILE",
                common=True,
            ),
        )
    )


def run(args: argparse.Namespace) -> int:
    """Write the anomaly score of each row of the data, in the same order, and print the highest."""
    check_output_path(args.out, ARRAY_SUFFIXES)
    model = read_model(args)
    rows = read_rows(args, model, lazy=True)
    labels = labels_of(model, rows, args.data)
    method = getattr(args, "method", "reconstruction" if isinstance(model, Autoencoder) else "log_likelihood")
    if method == "reconstruction":
        refuse(args, "for the score by reconstruction: leave it out", "samples")
    if isinstance(model, Autoencoder):
        if method != "reconstruction":
            raise ConfigError(f"--method {method} needs a density, which an autoencoder has not: leave --method out")
        scores = model.anomaly_score(rows.images, labels)
    else:
        samples = getattr(args, "samples", SAMPLES)
        scores = model.anomaly_score(rows.images, method, samples, args.seed, labels)
    written = scores.round(6)[:, None] if Path(args.out).suffix == ".csv" else scores
    write_array(written, args.out, ["anomaly_score"], rows.label_texts(), rows.files)
    highest = np.argsort(-scores, kind="stable")[:LISTED]
    listed = (f"{rows.files[i] if rows.files else f'row {i + 1}'} ({scores[i]:.4g})" for i in highest)
    print(f"wrote {args.out}: {count_of(len(scores), 'row')}, median {np.median(scores):.4g} nats")
    print(f"most unusual{'' if rows.files else ', rows counted from 1'}: {', '.join(listed)}")
    return 0
