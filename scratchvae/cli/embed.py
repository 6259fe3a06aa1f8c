"""scratchvae embed."""

from __future__ import annotations

import argparse

from scratchvae.backend import to_numpy
from scratchvae.cli.arguments import Commands, add_command, read_model, read_rows, rows_options
from scratchvae.cli.labels import labels_of
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option
from scratchvae.cli.outputs import ARRAY_SUFFIXES, check_output_path, write_array


def add_commands(commands: Commands) -> None:
    """Add `embed`."""
    parser = add_command(
        commands,
        "embed",
        run,
        "encode each row of data as its code, the mean of q(z|x)",
        "scratchvae embed runs/digits mydata.npy --out codes.csv",
    )
    out = Option(
        "out",
        "a .npy file, or a .csv file with a header row, and with the names of files and the labels, if there are any",
        default="embedding.npy",
        metavar="FILE",
        common=True,
    )
    parser.add_options((*rows_options("all"), out))


def run(args: argparse.Namespace) -> int:
    """Write the codes, one row for each row of the data, in the same order."""
    check_output_path(args.out, ARRAY_SUFFIXES)
    model = read_model(args)
    rows = read_rows(args, model, lazy=True)
    codes = to_numpy(model.embed(rows.images, labels_of(model, rows, args.data)))
    write_array(codes, args.out, [f"z{k}" for k in range(codes.shape[1])], rows.label_texts(), rows.files)
    print(f"wrote {args.out}: {count_of(codes.shape[0], 'row')} of {count_of(codes.shape[1], 'number')}")
    return 0
