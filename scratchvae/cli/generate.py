"""scratchvae sample, reconstruct."""

from __future__ import annotations

import argparse

from scratchvae import plotting
from scratchvae.cli.arguments import (
    Commands,
    add_command,
    add_model,
    add_model_and_data,
    add_seed,
    read_model,
    read_rows,
    read_vae,
)
from scratchvae.cli.labels import add_label, told_label, told_labels
from scratchvae.cli.outputs import SUFFIXES, add_out, check_out, write_rows
from scratchvae.datasets import Split
from scratchvae.settings import whole


def add_commands(commands: Commands) -> None:
    """Add `sample` and `reconstruct`."""
    sample = add_command(
        commands,
        "sample",
        run_sample,
        "draw new images from a trained VAE",
        "scratchvae sample runs/digits --count 100 --seed 1 --out samples.png",
    )
    add_model(sample)
    sample.add_argument("--count", type=int, default=64, metavar="N", help="how many")
    add_seed(sample, "the draws from the prior")
    add_label(sample)
    add_out(sample, "samples.png")

    reconstruct = add_command(
        commands,
        "reconstruct",
        run_reconstruct,
        "encode images and decode them again",
        "scratchvae reconstruct runs/digits --count 24 --out reconstructions.png",
    )
    add_model_and_data(reconstruct, "test")
    reconstruct.add_argument("--count", type=int, default=36, metavar="N", help="how many rows, from the first")
    add_out(reconstruct, "reconstructions.png")


def run_sample(args: argparse.Namespace) -> int:
    """Decode draws from the prior."""
    check_out(args.out, SUFFIXES)
    vae = read_vae(args)
    with told_label(args, vae):
        images = vae.sample(args.count, args.seed)
    columns = max(1, min(args.count, round(args.count**0.5)))
    span = vae.notes.get("span", plotting.UNIT)
    write_rows(images, args.out, lambda: plotting.draw_images(images, vae.image_shape, columns, span=span))
    return 0


def run_reconstruct(args: argparse.Namespace) -> int:
    """Decode codes."""
    check_out(args.out, SUFFIXES)
    model = read_model(args)
    count = whole("--count", args.count)
    images, labels = read_rows(args, model)
    rows = Split(images[:count], None if labels is None else labels[:count])
    originals = rows.images
    with told_labels(model, rows, args.data):
        images = model.reconstruct(originals)
    write_rows(images, args.out, lambda: plotting.draw_reconstructions(originals, images, model.image_shape))
    return 0
