"""scratchvae denoise."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from math import isfinite
from typing import Any

from scratchvae import plotting
from scratchvae.backend import Array, to_numpy
from scratchvae.cli.arguments import Commands, add_command, read_model, read_rows, rows_options, seed_option
from scratchvae.cli.labels import labels_of
from scratchvae.cli.options import add_options
from scratchvae.cli.outputs import ARRAY_SUFFIXES, check_out, write_array
from scratchvae.cli.train_options import LEVEL
from scratchvae.datasets import load
from scratchvae.errors import ConfigError
from scratchvae.evaluation import psnr
from scratchvae.models import VAE
from scratchvae.plotting.figures import PICTURE_SUFFIXES
from scratchvae.rng import generator
from scratchvae.training.binarize import Binarizer
from scratchvae.training.corruption import KINDS, corruption

SHOWN = 12  # rows of the picture


def add_commands(commands: Commands) -> None:
    """Add `denoise`."""
    parser = add_command(
        commands,
        "denoise",
        run,
        "put noise into rows and take it away again, or take it away from rows that are noisy already",
        "scratchvae denoise runs/digits --noise masking --level 0.3 --picture denoised.png",
    )
    add_options(parser, rows_options("test"))
    parser.add_argument(
        "--noise",
        choices=["none", *KINDS],
        default=argparse.SUPPRESS,
        help="put this into the rows first; none: they are noisy already. Without it: what the model was trained to "
        "take away, else masking",
    )
    parser.add_argument(
        "--level",
        type=float,
        default=argparse.SUPPRESS,
        metavar="L",
        help=f"standard deviation of gaussian, probability of the others; as in training without it, else {LEVEL}",
    )
    parser.add_argument(
        "--clean", default=argparse.SUPPRESS, metavar="FILE", help="with --noise none: the rows as they should be"
    )
    parser.add_argument(
        "--draws", type=int, default=0, metavar="K", help="average over K draws from the posterior; 0: use its mean"
    )
    add_options(parser, [seed_option("the noise, the binarisation and the draws")])
    parser.add_argument("--out", default="denoised.npy", metavar="FILE", help="every row without its noise")
    parser.add_argument(
        "--picture", default="denoised.png", metavar="FILE", help=f"{SHOWN} rows: clean, noisy and denoised"
    )


def run(args: argparse.Namespace) -> int:
    """Write the denoised rows and a picture; print the PSNR before and after."""
    check_out(args.out, ARRAY_SUFFIXES)
    check_out(args.picture, PICTURE_SUFFIXES, "--picture")
    model = read_model(args)
    split = read_rows(args, model)
    rows = split.images
    clean, noisy, noise = _clean_and_noisy(args, model, rows)
    if args.draws and not isinstance(model, VAE):
        raise ConfigError(f"--draws {args.draws}: {args.model} is an {type(model).__name__}, whose code is not drawn")
    how = (args.draws, args.seed, labels_of(model, split, args.data)) if isinstance(model, VAE) else ()
    denoised = to_numpy(model.denoise(noisy, *how))
    write_array(denoised, args.out, [f"x{k}" for k in range(denoised.shape[1])])
    print(f"{args.data}: {len(noisy)} rows, {noise}")
    if clean is not None:
        low, high = model.support
        peak = high - low if isfinite(high - low) else float(clean.max() - clean.min()) or 1.0
        before, after = psnr(noisy, clean, peak), psnr(denoised, clean, peak)
        print(f"PSNR before {before:.2f} dB, after {after:.2f} dB: {after - before:+.2f} dB")
    print(f"wrote {args.out}: {denoised.shape[0]} rows of {denoised.shape[1]} numbers")
    if find_spec("matplotlib"):
        sets = {"clean": clean, "noisy": noisy, "denoised": denoised}
        shown = {name: part[:SHOWN] for name, part in sets.items() if part is not None}
        columns, title = min(SHOWN, len(noisy)), noise.capitalize()
        value_range = plotting.value_range_of(rows if clean is None else clean)
        figure = plotting.draw_rows(list(shown.values()), model.image_shape, columns, title, list(shown), value_range)
        plotting.save_picture(figure, args.picture)
        print(f"wrote {args.picture}")
    else:
        print("no picture: that needs matplotlib; install it with  pip install 'scratchvae[cli]'")
    return 0


def _clean_and_noisy(args: argparse.Namespace, model: Any, rows: Array) -> tuple[Array | None, Array, str]:
    """The rows without noise, if they are known, the rows with it, and what that noise is."""
    trained = model.metadata.get("corrupt") or {"kind": "masking", "level": LEVEL}
    kind = getattr(args, "noise", trained["kind"])
    if kind == "none":
        if hasattr(args, "level"):
            raise ConfigError("--level does nothing with --noise none: leave it out")
        return _clean(args, rows), rows, "noisy as they are"
    if hasattr(args, "clean"):
        raise ConfigError("--clean needs --noise none: where noise is put in, the rows themselves are the clean ones")
    if model.metadata.get("binarize"):
        rows = Binarizer(generator(args.seed, "pixels"), model.dtype)(rows).copy()
    level = getattr(args, "level", trained["level"] if kind == trained["kind"] else LEVEL)
    noise = corruption(kind, level)
    noise.check(model.support)
    return rows, noise(rows, args.seed, model.support), f"with {kind} noise of level {level:g}"


def _clean(args: argparse.Namespace, noisy: Array) -> Array | None:
    if not hasattr(args, "clean"):
        return None
    clean = load(args.clean).part(args.part).images
    if clean.shape != noisy.shape:
        raise ConfigError(
            f"--clean {args.clean} has shape {clean.shape} in its part {args.part!r}, and {args.data} {noisy.shape}: "
            "expected the same rows, in the same order"
        )
    return clean
