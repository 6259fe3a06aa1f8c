"""scratchvae sample, reconstruct."""

from __future__ import annotations

import argparse
from pathlib import Path

from scratchvae import plotting
from scratchvae.cli.arguments import (
    MODEL,
    Commands,
    add_command,
    read_model,
    read_rows,
    read_vae,
    rows_options,
    seed_option,
)
from scratchvae.cli.labels import LABEL, label_of, labels_of
from scratchvae.cli.options import Option
from scratchvae.cli.outputs import draw_rows_of, output_option, output_path, write_rows
from scratchvae.cli.tables import schema_of
from scratchvae.models.imputation import VALUES
from scratchvae.plotting.figures import PICTURE_SUFFIXES
from scratchvae.validation import check_int

DRAWN = 36  # rows in a picture of reconstructions


def add_commands(commands: Commands) -> None:
    """Add `sample` and `reconstruct`."""
    sample = add_command(
        commands,
        "sample",
        run_sample,
        "draw new images from a trained VAE",
        "scratchvae sample runs/digits --count 100 --out samples.png",
    )
    count = Option("count", "number of images, or rows", int, 64, metavar="N", common=True)
    values = Option(
        "values",
        "drawn from p(x|z), or its mean (default: mean; drawn for a table of several kinds of columns)",
        choices=VALUES,
        common=True,
    )
    seed = seed_option("the draws of z and x")
    sample.add_options((*MODEL, count, values, seed, LABEL, output_option("samples")))

    reconstruct = add_command(
        commands,
        "reconstruct",
        run_reconstruct,
        "encode images and decode them again",
        "scratchvae reconstruct runs/digits --count 24 --out reconstructions.png",
    )
    count = Option(
        "count",
        f"number of rows, from the first (default: {DRAWN} in a picture, all in a file of numbers)",
        int,
        metavar="N",
        common=True,
    )
    reconstruct.add_options((*rows_options("test"), count, output_option("reconstructions")))


def run_sample(args: argparse.Namespace) -> int:
    """Decode draws from the prior."""
    vae = read_vae(args)
    out = output_path(args, vae, "samples")
    values = getattr(args, "values", "mean" if schema_of(vae) is None else "drawn")
    images = vae.sample(args.count, args.seed, label_of(args, vae), values)
    columns = max(1, min(args.count, round(args.count**0.5)))
    labels = [args.label] * args.count if hasattr(args, "label") else None

    title = "Samples: decoded draws from the prior"

    def draw() -> plotting.figures.Figure:
        value_range = vae.metadata.get("value_range", plotting.UNIT_RANGE)
        return plotting.plot_images(images, vae.image_shape, columns, title, value_range=value_range)

    write_rows(images, out, vae, lambda: draw_rows_of(vae, {"samples": images}, title, draw), labels)
    return 0


def run_reconstruct(args: argparse.Namespace) -> int:
    """Encode and decode the first rows."""
    model = read_model(args)
    out = output_path(args, model, "reconstructions")
    rows = read_rows(args, model)
    if hasattr(args, "count") or Path(out).suffix in PICTURE_SUFFIXES:
        rows = rows.first(check_int("count", getattr(args, "count", DRAWN)))
    originals = rows.images
    images = model.reconstruct(originals, labels_of(model, rows, args.data))
    sets, title = {"original": originals, "reconstruction": images}, "Originals and reconstructions of the first rows"

    def draw() -> plotting.figures.Figure:
        return plotting.plot_rows(sets, model.image_shape, title=title)

    write_rows(images, out, model, lambda: draw_rows_of(model, sets, title, draw), rows.label_texts())
    return 0
