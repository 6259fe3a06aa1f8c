"""scratchvae impute."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from scratchvae import plotting
from scratchvae.backend import Array, to_numpy
from scratchvae.cli.arguments import (
    MODEL,
    Commands,
    add_command,
    data_options,
    read_data,
    read_rows,
    read_vae,
    seed_option,
)
from scratchvae.cli.options import add_options
from scratchvae.cli.outputs import ARRAY_SUFFIXES, check_out, write_array
from scratchvae.disk import join_names, read_arrays
from scratchvae.errors import ConfigError, FileError
from scratchvae.evaluation import imputation_error
from scratchvae.models import VAE
from scratchvae.models.imputation import METHODS, VALUES, mark
from scratchvae.plotting.figures import PICTURE_SUFFIXES
from scratchvae.validation import check_fraction, check_int

HALVES = ("lower-half", "upper-half", "left-half", "right-half")
TRIAL, SHOWN = 100, 12  # rows


def add_commands(commands: Commands) -> None:
    """Add `impute`."""
    parser = add_command(
        commands,
        "impute",
        run,
        "fill in what is missing of rows, given what is there of them",
        "scratchvae impute runs/mnist --hide lower-half --out imputed.npy --picture imputed.png",
    )
    add_options(parser, (*MODEL, *data_options(None, "NaN in it is missing; without it, what the model learnt from")))
    parser.add_argument(
        "--part",
        choices=["train", "test", "all"],
        default=argparse.SUPPRESS,
        help="of the data; without it test for a trial, else all",
    )
    parser.add_argument(
        "--count", type=int, default=argparse.SUPPRESS, metavar="N", help="no more than the first N rows"
    )

    marks = parser.add_mutually_exclusive_group()
    marks.add_argument(
        "--mask",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a .npy file of booleans, one for each number of the rows: False where it is missing",
    )
    marks.add_argument(
        "--hide",
        choices=HALVES,
        default=argparse.SUPPRESS,
        help="a trial: hide that half of test pictures, and say how far the completion is from it",
    )
    marks.add_argument(
        "--hide-fraction",
        type=float,
        default=argparse.SUPPRESS,
        metavar="F",
        help="a trial: hide this share of all numbers, completely at random",
    )

    parser.add_argument("--method", choices=METHODS, default="metropolis", help="how z is drawn; see VAE.impute")
    parser.add_argument("--samples", type=int, default=500, metavar="S", help="draws of z a row")
    parser.add_argument(
        "--draws",
        type=int,
        default=argparse.SUPPRESS,
        metavar="M",
        help="write M draws, (M, N, D), in place of the mean given what is there",
    )
    parser.add_argument("--values", choices=VALUES, default="drawn", help="of draws: drawn, or the means of p(x | z)")
    add_options(parser, [seed_option("the draws, and of what --hide-fraction hides")])
    parser.add_argument("--out", default="imputed.npy", metavar="FILE", help="ends in .npy or, without --draws, .csv")
    parser.add_argument(
        "--picture",
        default="imputed.png",
        metavar="FILE",
        help=f"the first rows, whole, given and completed; ends in {', '.join(PICTURE_SUFFIXES)}",
    )


def run(args: argparse.Namespace) -> int:
    """Complete the rows; write them, and a picture of the first."""
    draws = getattr(args, "draws", None)
    check_out(args.out, ARRAY_SUFFIXES if draws is None else (".npy",))
    check_out(args.picture, PICTURE_SUFFIXES, "--picture")
    vae = read_vae(args)
    trial = hasattr(args, "hide") or hasattr(args, "hide_fraction")
    args.part = getattr(args, "part", "test" if trial else "all")
    rows = read_rows(args, vae).images
    if hasattr(args, "count") or trial:
        rows = rows[: check_int("--count", getattr(args, "count", TRIAL))]
    observed = _observed(args, vae, rows)
    given = rows if observed is None else mark(rows, observed)

    def impute(x: Array, draws: int | None, values: str) -> Array:
        return to_numpy(vae.impute(x, None, args.method, draws, args.samples, values, args.seed))

    completed = impute(given, draws, args.values)
    write_array(completed, args.out, [f"x{k}" for k in range(rows.shape[1])])
    missing = np.isnan(given)
    print(f"{len(given)} rows, of which {missing.any(axis=1).sum()} lacked {missing.sum()} numbers: {args.method}")
    if trial and missing.any():
        _report(args, rows, completed if draws is None else completed.mean(axis=0), ~missing)
    print(f"wrote {args.out}")
    if find_spec("matplotlib"):
        few = given[:SHOWN]
        rows_of_pictures = {"whole": rows[:SHOWN]} if trial else {}
        rows_of_pictures |= {"given": few, "completed": impute(few, None, "drawn")}
        rows_of_pictures |= {f"draw {k + 1}": drawn for k, drawn in enumerate(impute(few, 3, "mean"))}
        title = f"Completed by {args.method}: the mean, and draws, given what is there"
        value_range = plotting.value_range_of(rows)
        picture = plotting.draw_rows(
            list(rows_of_pictures.values()), vae.image_shape, len(few), title, list(rows_of_pictures), value_range
        )
        plotting.save_picture(picture, args.picture)
        print(f"wrote {args.picture}")
    else:
        print("no picture: it needs matplotlib; install it with  pip install 'scratchvae[cli]'")
    return 0


def _observed(args: argparse.Namespace, vae: VAE, rows: Array) -> Array | None:
    if hasattr(args, "mask"):
        (mask,) = read_arrays(Path(args.mask), _only).values()
        return mask.reshape(len(mask), -1) if mask.ndim > 1 else mask
    if hasattr(args, "hide_fraction"):
        share = check_fraction("--hide-fraction", args.hide_fraction)
        kept = np.random.default_rng(args.seed).random(rows.shape) >= share
        return np.asarray(kept)
    if not hasattr(args, "hide"):
        return None
    if vae.image_shape is None:
        raise ConfigError(f"--hide {args.hide}: {args.model} knows no pictures, but rows; take --hide-fraction")
    observed = np.ones((len(rows), *vae.image_shape), bool)
    height, width = vae.image_shape
    half = {
        "lower-half": np.s_[:, height // 2 :],
        "upper-half": np.s_[:, : height // 2],
        "left-half": np.s_[:, :, : width // 2],
        "right-half": np.s_[:, :, width // 2 :],
    }
    observed[half[args.hide]] = False
    return observed.reshape(len(rows), -1)


def _only(names: list[str]) -> list[str]:
    if len(names) != 1:
        raise FileError(f"it holds the arrays {join_names(names) or 'none'}; expected one, of booleans")
    return names


def _report(args: argparse.Namespace, rows: Array, completed: Array, observed: Array) -> None:
    mean = np.broadcast_to(read_data(args).train.images.mean(axis=0), rows.shape)
    ours, theirs = (imputation_error(rows, guess, observed) for guess in (completed, mean))
    print(
        f"mean squared error of what was hidden: {ours.value:.4f} ± {ours.standard_error:.4f}; "
        f"of the mean of the training rows: {theirs.value:.4f} ± {theirs.standard_error:.4f}"
    )
