"""scratchvae explore."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.cli.arguments import Commands, Rows, add_command, read_model, read_rows, rows_options
from scratchvae.cli.labels import labels_of
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option, refuse
from scratchvae.cli.outputs import check_output_path
from scratchvae.cli.tables import schema_of
from scratchvae.errors import ConfigError
from scratchvae.explorer import FILE, PRECISIONS, write_page

OPTIONS = (
    Option(
        "out", f"file to write, ending in .html (default: {FILE} in the folder of the run)", metavar="FILE", common=True
    ),
    Option(
        "rows",
        "number of rows whose codes are shown, chosen at random; 0 for none (default: up to 2000, of at most 0.7 MB)",
        int,
        metavar="N",
        common=True,
        details="The rows themselves are in the page: with 0 it holds no data",
    ),
    Option("weights", "precision of the weights in the page", choices=PRECISIONS, default="float16", common=True),
    Option("max-mb", "largest size of the page, in MB", float, 20.0, metavar="X", common=True, positive=True),
)


def add_commands(commands: Commands) -> None:
    """Add `explore`."""
    parser = add_command(
        commands,
        "explore",
        run,
        "write a web page on which to move through the latent space",
        "scratchvae explore runs/digits",
    )
    parser.add_options((*rows_options("test"), *OPTIONS))


def run(args: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    folder = Path(args.model) if Path(args.model).is_dir() else Path(args.model).parent
    out: str = getattr(args, "out", str(folder / FILE))
    model = read_model(args)
    check_output_path(out, (".html",))
    name = (folder.resolve() if folder == Path(args.model) else Path(args.model).with_suffix("")).name
    settings: dict[str, Any] = {}
    if getattr(args, "rows", None) == 0:
        refuse(
            args, "with --rows 0, which shows no data: leave it out", "part", "data-dir", "key", "color", "size", "mmap"
        )
        if args.data:
            raise ConfigError(f"DATA {args.data} has no effect with --rows 0, which shows no data: leave it out")
    else:
        settings = _data_arguments(args, model, read_rows(args, model))
    if hasattr(args, "rows"):
        settings["rows"] = args.rows
    page = write_page(
        model, out, title=name, weights=args.weights, max_mb=args.max_mb, table=schema_of(model), **settings
    )
    shown = "no rows"
    if page.rows:
        shown = f"{count_of(page.rows, 'row')} of the {args.part} part of {args.data}"
    print(f"wrote {out}: {page.size / 1e6:.1f} MB, {shown}; open it in a browser")
    return 0


def _data_arguments(args: argparse.Namespace, model: Any, rows: Rows) -> dict[str, Any]:
    """The rows, their classes, and where they are from. A `ConditionalVAE` needs the class of every row."""
    labels_of(model, rows, args.data)
    labels = rows.labels
    if labels is not None and (labels.ndim != 1 or labels.dtype.kind not in "iu"):
        labels = None  # they are no classes
    return {
        "images": np.asarray(rows.images),
        "labels": labels,
        "classes": None if labels is None else rows.names,
        "part": args.part,
    }
