"""scratchvae denoise."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from math import isfinite
from typing import Any

import numpy as np

from scratchvae import plotting
from scratchvae.backend import Array, to_numpy
from scratchvae.cli.arguments import Commands, add_command, load_data, read_model, read_rows, rows_options, seed_option
from scratchvae.cli.labels import labels_of
from scratchvae.cli.messages import count_of, shorten
from scratchvae.cli.options import Option, refuse
from scratchvae.cli.outputs import (
    ARRAY_SUFFIXES,
    NO_MATPLOTLIB,
    check_output_path,
    column_names,
    draw_rows_of,
    picture_option,
    picture_path,
    redirect_warnings,
    write_array,
)
from scratchvae.cli.tables import schema_of
from scratchvae.cli.train_options import CORRUPTION_LEVEL
from scratchvae.errors import ConfigError, DenoiseWarning
from scratchvae.evaluation import psnr
from scratchvae.models import VAE
from scratchvae.rng import generator
from scratchvae.rows import dense
from scratchvae.training.binarize import Binarizer
from scratchvae.training.corruption import CORRUPTIONS, corruption

DRAWN = 12  # rows of the picture

NOISE = (
    Option(
        "noise",
        "noise to add to the rows first, none for rows that are noisy already (default: as in training, else masking)",
        choices=("none", *CORRUPTIONS),
        common=True,
    ),
    Option(
        "level",
        "standard deviation of gaussian noise, probability per number of the other kinds (default: as in training, "
        f"else {CORRUPTION_LEVEL})",
        type=float,
        metavar="LEVEL",
        positive=True,
        common=True,
    ),
    Option("clean", "the rows without noise, to compare with; needs --noise none", metavar="FILE"),
    Option(
        "draws", "average over K draws of z; 0: use the mean of q(z|x)", type=int, default=0, metavar="K", common=True
    ),
)


def add_commands(commands: Commands) -> None:
    """Add `denoise`."""
    parser = add_command(
        commands,
        "denoise",
        run,
        "remove noise from rows, and measure how well",
        "scratchvae denoise runs/digits --noise masking --picture denoised.png",
    )
    out = Option("out", "the denoised rows, a .npy or .csv file", default="denoised.npy", metavar="FILE", common=True)
    picture = picture_option("denoised.png", f"a picture of {DRAWN} rows: clean, noisy, denoised")
    seed = seed_option("the noise, the binarisation and the draws of z")
    parser.add_options((*rows_options("test"), *NOISE, seed, out, picture))


def run(args: argparse.Namespace) -> int:
    """Write the denoised rows and a picture; print the PSNR before and after."""
    check_output_path(args.out, ARRAY_SUFFIXES)
    model = read_model(args)
    if schema_of(model) is not None:
        raise ConfigError(
            f"{args.model} is of a table of several kinds of columns, which has no noise to remove; scratchvae impute "
            "fills in missing cells"
        )
    picture_file = picture_path(args, model, "denoised.png")
    split = read_rows(args, model, incomplete=True)
    rows = split.images
    clean, noisy, noise = _clean_and_noisy(args, model, rows)
    if args.draws and not isinstance(model, VAE):
        raise ConfigError(
            f"--draws {args.draws}: {args.model} is an {type(model).__name__}, whose code is not random; leave it out"
        )
    settings = (args.draws, args.seed, labels_of(model, split, args.data)) if isinstance(model, VAE) else ()
    with redirect_warnings(lambda _: _warn(args), DenoiseWarning):
        denoised = to_numpy(model.denoise(noisy, *settings))
    figures = [] if clean is None else [_psnr_before_and_after(model, clean, noisy, denoised)]
    write_array(denoised, args.out, column_names(model), split.label_texts())
    print("\n".join([f"{args.data}: {count_of(len(noisy), 'row')}, {noise}", *figures]))
    print(f"wrote {args.out}: {count_of(denoised.shape[0], 'row')} of {count_of(denoised.shape[1], 'number')}")
    if picture_file is None:
        return 0
    if find_spec("matplotlib"):
        all_rows = {"clean": clean, "noisy": noisy, "denoised": denoised}
        drawn = {name: array[:DRAWN] for name, array in all_rows.items() if array is not None}
        columns, title = min(DRAWN, len(noisy)), noise.capitalize()

        def draw() -> plotting.figures.Figure:
            value_range = plotting.value_range_of(rows if clean is None else clean)
            return plotting.plot_rows(drawn, model.image_shape, columns, title, value_range=value_range)

        plotting.save_picture(draw_rows_of(model, drawn, title, draw), picture_file)
        print(f"wrote {picture_file}")
    else:
        print(f"no picture: {NO_MATPLOTLIB}")
    return 0


def _warn(args: argparse.Namespace) -> None:
    message = f"{args.model} was not trained to remove noise, so that this is its reconstruction; train with --corrupt"
    print(shorten(f"scratchvae denoise: warning: {message}", [args.model]), file=sys.stderr, flush=True)


def _clean_and_noisy(args: argparse.Namespace, model: Any, rows: Array) -> tuple[Array | None, Array, str]:
    """The rows without noise, None if they are unknown, the rows with noise, and a description of the noise."""
    trained = model.metadata.get("corrupt") or {"kind": "masking", "level": CORRUPTION_LEVEL}
    kind = getattr(args, "noise", trained["kind"])
    if kind == "none":
        refuse(args, "with --noise none: leave it out", "level")
        return _clean(args, model, rows), rows, "without added noise"
    refuse(args, "with added noise, where the rows themselves are clean: leave it out, or add --noise none", "clean")
    _refuse_missing(args.data, rows, model, args.model)
    scaled = model.scaled(rows)  # in training, too, the noise is that of scaled rows
    if model.metadata.get("binarize"):
        scaled = Binarizer(generator(args.seed, "pixels"), model.dtype, model.config["missing"])(scaled).copy()
    level = getattr(args, "level", trained["level"] if kind == trained["kind"] else CORRUPTION_LEVEL)
    noise = corruption(kind, level)
    noise.check(model.support)
    noisy = noise(scaled, args.seed, model.support)
    description = f"with {kind} noise of level {level:g}"
    return model.in_data_units(scaled), model.in_data_units(noisy), description


def _clean(args: argparse.Namespace, model: Any, noisy: Array) -> Array | None:
    if not hasattr(args, "clean"):
        return None
    clean: Array = dense(load_data({"data": args.clean}, model).part(args.part).images)
    if clean.shape != noisy.shape:
        raise ConfigError(
            f"--clean {args.clean} has shape {clean.shape} in its part {args.part!r}, and {args.data} {noisy.shape}: "
            "expected the same rows, in the same order"
        )
    return clean


def _psnr_before_and_after(model: Any, clean: Array, noisy: Array, denoised: Array) -> str:
    """The figures at the numbers that are known both with and without noise. Raises ConfigError if there is none."""
    known = ~(np.isnan(clean) | np.isnan(noisy))
    if not known.any():
        raise ConfigError("no number is known both with and without noise, so that the noise cannot be measured")
    counted = np.where(known, clean, np.nan)
    low, high = model.in_data_units(np.array([[low] for low in model.support]).repeat(model.input_dim, axis=1))
    values = clean[known]
    peak = float((high - low).max())  # the range of the likelihood or, if that has none, of the data
    peak = peak if isfinite(peak) else float(values.max()) - float(values.min()) or 1.0
    before, after = psnr(noisy, counted, peak), psnr(denoised, counted, peak)
    gain = f": {after - before:+.2f} dB" if isfinite(after - before) else ""  # infinite without an error
    unknown = "" if known.all() else f", of the {count_of(int(known.sum()), 'known number')}"
    return f"PSNR before {before:.2f} dB, after {after:.2f} dB{gain}{unknown}"


def _refuse_missing(name: str, rows: Array, model: Any, model_name: str = "the model") -> None:
    missing = int(np.isnan(rows).any(axis=1).sum())
    if missing and not model.config["missing"]:
        raise ConfigError(
            f"{name} has missing values (NaN) in {count_of(missing, 'row')}, and {model_name} was not trained with "
            "--missing; fill them in first, for example with scratchvae impute"
        )
