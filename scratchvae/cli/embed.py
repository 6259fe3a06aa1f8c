"""scratchvae embed."""

from __future__ import annotations

import argparse

from scratchvae.backend import to_numpy
from scratchvae.cli.arguments import Commands, add_command, add_model_and_data, read_model, read_rows
from scratchvae.cli.labels import told_labels
from scratchvae.cli.outputs import ARRAY_SUFFIXES, check_out, write_array


def add_commands(commands: Commands) -> None:
    """Add `embed`."""
    parser = add_command(
        commands,
        "embed",
        run,
        "turn each row of data into its code, the posterior mean",
        "scratchvae embed runs/digits mydata.npy --out codes.csv",
    )
    add_model_and_data(parser, "all")
    parser.add_argument(
        "--out",
        default="embedding.npy",
        metavar="FILE",
        help="ends in .npy, or in .csv for a table with a label column if there are labels",
    )


def run(args: argparse.Namespace) -> int:
    """Write the codes, one row for each row of the data, in its order."""
    check_out(args.out, ARRAY_SUFFIXES)
    model = read_model(args)
    rows = read_rows(args, model)
    with told_labels(model, rows, args.data):
        codes = to_numpy(model.embed(rows.images))
    write_array(codes, args.out, [f"z{k}" for k in range(codes.shape[1])], rows.labels)
    print(f"wrote {args.out}: {codes.shape[0]} rows of {codes.shape[1]} numbers")
    return 0
