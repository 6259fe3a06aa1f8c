"""scratchvae embed."""

from __future__ import annotations

import argparse

from scratchvae.backend import to_numpy
from scratchvae.cli.arguments import Commands, add_command, read_model, read_rows, rows_options
from scratchvae.cli.labels import labels_of
from scratchvae.cli.options import add_options
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
    add_options(parser, rows_options("all"))
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
    codes = to_numpy(model.embed(rows.images, labels_of(model, rows, args.data)))
    write_array(codes, args.out, [f"z{k}" for k in range(codes.shape[1])], rows.labels)
    print(f"wrote {args.out}: {codes.shape[0]} rows of {codes.shape[1]} numbers")
    return 0
