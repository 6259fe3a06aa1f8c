"""scratchvae sample, reconstruct, interpolate."""

from __future__ import annotations

import argparse

import numpy as np

from scratchvae import plotting
from scratchvae.backend import to_numpy
from scratchvae.cli.arguments import (
    Commands,
    add_command,
    add_data,
    add_model,
    add_part,
    add_seed,
    read_model,
    read_rows,
    read_vae,
)
from scratchvae.cli.outputs import ARRAY_SUFFIXES, check_out, write_rows
from scratchvae.errors import ConfigError
from scratchvae.plotting.figures import PICTURE_SUFFIXES
from scratchvae.settings import whole

SUFFIXES = PICTURE_SUFFIXES + ARRAY_SUFFIXES


def add_commands(commands: Commands) -> None:
    """Add `sample`, `reconstruct` and `interpolate`."""
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
    _add_out(sample, "samples.png")

    reconstruct = add_command(
        commands,
        "reconstruct",
        run_reconstruct,
        "encode images and decode them again",
        "scratchvae reconstruct runs/digits --count 24 --out reconstructions.png",
    )
    _add_model_and_data(reconstruct)
    reconstruct.add_argument("--count", type=int, default=36, metavar="N", help="how many rows, from the first")
    _add_out(reconstruct, "reconstructions.png")

    interpolate = add_command(
        commands,
        "interpolate",
        run_interpolate,
        "walk from one image to another through latent space",
        "scratchvae interpolate runs/digits --from 3 --to 8 --steps 12 --out interpolation.png",
    )
    _add_model_and_data(interpolate)
    interpolate.add_argument(
        "--from", dest="start", type=int, default=0, metavar="I", help="row of that part to start at"
    )
    interpolate.add_argument("--to", dest="end", type=int, default=1, metavar="J", help="row of that part to end at")
    interpolate.add_argument("--steps", type=int, default=12, metavar="N", help="images, both ends included")
    _add_out(interpolate, "interpolation.png")


def run_sample(args: argparse.Namespace) -> int:
    """Decode draws from the prior."""
    check_out(args.out, SUFFIXES)
    vae = read_vae(args)
    images = vae.sample(args.count, args.seed)
    columns = max(1, min(args.count, round(args.count**0.5)))
    write_rows(images, args.out, lambda: plotting.draw_images(images, vae.image_shape, columns))
    return 0


def run_reconstruct(args: argparse.Namespace) -> int:
    """Decode codes."""
    check_out(args.out, SUFFIXES)
    model = read_model(args)
    originals = read_rows(args, model).images[: whole("--count", args.count)]
    images = model.reconstruct(originals)
    write_rows(images, args.out, lambda: plotting.draw_reconstructions(originals, images, model.image_shape))
    return 0


def run_interpolate(args: argparse.Namespace) -> int:
    """Decode what lies between two codes."""
    check_out(args.out, SUFFIXES)
    model = read_model(args)
    images = read_rows(args, model).images
    for option, row in (("--from", args.start), ("--to", args.end)):
        if not 0 <= row < len(images):
            raise ConfigError(
                f"{option} {row}: the data has rows 0 to {len(images) - 1} in its part {args.part!r}; see --part"
            )
    frames = to_numpy(model.interpolate(images[args.start], images[args.end], args.steps))
    shown = np.concatenate([images[args.start, None], frames, images[args.end, None]])
    write_rows(
        frames,
        args.out,
        lambda: plotting.draw_images(
            shown, model.image_shape, len(shown), "At both ends the originals, between them the walk from code to code"
        ),
    )
    return 0


def _add_model_and_data(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_data(parser, None, "without it, what the model learnt from")
    add_part(parser, "test")


def _add_out(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--out", default=default, metavar="FILE", help=f"ends in {', '.join(SUFFIXES)}")
