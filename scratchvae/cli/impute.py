"""scratchvae impute."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from scratchvae import plotting
from scratchvae.backend import Array, to_numpy
from scratchvae.cli.arguments import (
    DATA_SETTINGS,
    MODEL,
    Commands,
    add_command,
    data_options,
    load_data,
    plus_minus,
    read_data,
    read_rows,
    read_vae,
    seed_option,
)
from scratchvae.cli.imputed_table import check_draw_column, error_lines, write_imputed
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option, refuse, refuse_together
from scratchvae.cli.outputs import (
    ARRAY_SUFFIXES,
    NO_MATPLOTLIB,
    check_output_path,
    column_names,
    draw_rows_of,
    picture_option,
    picture_path,
    write_array,
)
from scratchvae.cli.tables import first_numbers, repeat_cells, schema_of
from scratchvae.disk import join_names, read_arrays
from scratchvae.errors import ConfigError, DataError, FileError
from scratchvae.evaluation import ImputationError, imputation_error
from scratchvae.models import VAE
from scratchvae.models.imputation import METHODS, VALUES, mask_missing
from scratchvae.rows import dense
from scratchvae.tables import TableSchema
from scratchvae.tables.reading import TableFile, read_file
from scratchvae.validation import check_fraction, check_int

HALVES = ("lower-half", "upper-half", "left-half", "right-half")
TEST_ROWS, DRAWN = 100, 12

OPTIONS = (
    *MODEL,
    *data_options(None, "(default: the training data of the model)", "; NaN marks a missing value"),
    Option(
        "part",
        "part of the data (default: test with --hide and --hide-fraction, else all)",
        choices=("train", "test", "all"),
        common=True,
    ),
    Option(
        "count",
        f"number of rows, from the first (default: {TEST_ROWS} with --hide and --hide-fraction, else all)",
        type=int,
        metavar="N",
        common=True,
    ),
    Option(
        "mask",
        "a .npy file of booleans in the shape of the rows, or of the table: False where a number or cell is missing",
        metavar="FILE",
        common=True,
    ),
    Option(
        "hide",
        "a test: hide this half of each image, and print the error of its imputation",
        choices=HALVES,
        common=True,
    ),
    Option(
        "hide-fraction",
        "a test: hide this fraction of all numbers, pixels or cells at random, and print the error of their imputation",
        type=float,
        metavar="F",
        common=True,
    ),
    Option("method", "how to draw z given the observed numbers", choices=METHODS, default="metropolis", common=True),
    Option("samples", "draws of z per row", int, 500, metavar="S", common=True),
    Option(
        "draws",
        "write M imputations instead of their mean: an array (M, N, D), or tables one below the other, which a first "
        "column draw counts",
        int,
        metavar="M",
    ),
    Option(
        "values",
        "missing values of each of the --draws: drawn from p(x|z), or its mean (default: drawn)",
        choices=VALUES,
    ),
    seed_option("the draws, and of --hide-fraction"),
    Option(
        "out",
        "file to write (default: imputed.npy), ending in .npy, or .csv without --draws; for a table of several kinds "
        "of columns always .csv (default: imputed.csv)",
        metavar="FILE",
        common=True,
    ),
    picture_option("imputed.png", "a picture of the first rows"),
)


def add_commands(commands: Commands) -> None:
    """Add `impute`."""
    parser = add_command(
        commands,
        "impute",
        run,
        "fill in missing values, given the observed ones",
        "scratchvae impute runs/mnist --hide lower-half --picture imputed.png",
    )
    parser.add_options(OPTIONS)


def run(args: argparse.Namespace) -> int:
    """Write the imputed rows, and a picture of the first."""
    refuse_together(args, "mask", "hide", "hide-fraction")
    draws = getattr(args, "draws", None)
    if draws is None:
        refuse(args, "without --draws: leave it out, or add --draws", "values")
    vae = read_vae(args)
    schema = schema_of(vae)
    if not hasattr(args, "out"):
        args.out = "imputed.npy" if schema is None else "imputed.csv"
    suffixes = ARRAY_SUFFIXES if draws is None else (".npy",)
    check_output_path(args.out, suffixes if schema is None else (".csv",))
    if draws is not None and schema is not None:
        check_draw_column(schema)
    picture_file = picture_path(args, vae, "imputed.png")
    is_test = hasattr(args, "hide") or hasattr(args, "hide_fraction")
    if not is_test:
        args.part = getattr(args, "part", "all")
    read = read_rows(args, vae, incomplete=True)
    rows, labels = read.images, read.label_texts()
    if hasattr(args, "count") or is_test:
        rows = rows[: check_int("count", getattr(args, "count", TEST_ROWS))]
    mask = _observed_mask(args, vae, rows, schema)
    incomplete = rows if mask is None else mask_missing(rows, mask)
    missing = np.isnan(incomplete)
    hidden = missing & ~np.isnan(rows) if is_test else np.zeros_like(missing)
    if is_test and not hidden.any():
        option = f"--hide {args.hide}" if hasattr(args, "hide") else f"--hide-fraction {args.hide_fraction:g}"
        raise ConfigError(f"{option} hides no known number of {args.data}, so that there is no error to measure")

    def impute(x: Array, draws: int | None, values: str) -> Array:
        return to_numpy(vae.impute(x, None, args.method, draws, args.samples, values, args.seed))

    imputed = impute(incomplete, draws, getattr(args, "values", "drawn"))
    labels = None if labels is None else labels[: len(rows)]
    noun = "number"
    if schema is None:
        write_array(imputed, args.out, column_names(vae), labels)
    else:
        noun, missing, hidden = "cell", first_numbers(schema, missing), first_numbers(schema, hidden)
        write_imputed(schema, _file_of_rows(args, vae, len(rows)), imputed, missing, args.out, labels)
    counts = {f"hidden {noun}": hidden.sum(), f"missing {noun}": (missing & ~hidden).sum()}
    listed = " and ".join(count_of(count, what) for what, count in counts.items() if count) or f"0 missing {noun}s"
    incomplete_rows = count_of(missing.any(axis=1).sum(), "row")
    print(f"{count_of(len(incomplete), 'row')}: {listed} in {incomplete_rows}, imputed by {args.method}")
    mean = imputed if draws is None else imputed.mean(axis=0)
    if is_test and schema is not None:
        training = _training_rows(vae)
        typical = None if training is None else _observed_mean(training)
        print("\n".join(error_lines(schema, rows, mean, hidden, typical)))
    elif is_test:
        _print_error(vae, rows, mean, hidden)
    print(f"wrote {args.out}")
    if picture_file is None:
        return 0
    if find_spec("matplotlib"):
        first = incomplete[:DRAWN]
        lines = {"whole": rows[:DRAWN]} if is_test else {}
        lines |= {"observed": first, "imputed": impute(first, None, "drawn")}
        lines |= {f"draw {k + 1}": draw for k, draw in enumerate(impute(first, 3, "mean"))}
        title = f"Imputation by {args.method}: the mean, and draws, given what is observed"

        def draw() -> plotting.figures.Figure:
            value_range = plotting.value_range_of(rows)
            return plotting.plot_rows(lines, vae.image_shape, len(first), title, value_range=value_range)

        plotting.save_picture(draw_rows_of(vae, lines, title, draw), picture_file)
        print(f"wrote {picture_file}")
    else:
        print(f"no picture: {NO_MATPLOTLIB}")
    return 0


def _file_of_rows(args: argparse.Namespace, vae: VAE, count: int) -> TableFile:
    """The table that the arguments name, with the rows of their part alone, of which the first `count`."""
    file, mask = read_file(Path(args.data)), read_data(args, vae).test_mask
    assert mask is not None
    rows = np.flatnonzero({"test": mask, "train": ~mask, "all": mask | ~mask}[args.part])[:count]
    return file.take(rows)


def _observed_mask(args: argparse.Namespace, vae: VAE, rows: Array, schema: TableSchema | None = None) -> Array | None:
    """The mask of the observed numbers, (N, D); None where NaN marks the others. Raises ConfigError or FileError.

    schema   of a table of several kinds of columns, of which whole cells are hidden
    """
    if hasattr(args, "mask"):
        (mask,) = read_arrays(Path(args.mask), _only).values()
        if schema is not None:
            cells = (len(rows), len(schema.columns))
            if mask.dtype != bool or mask.shape != cells:
                raise ConfigError(
                    f"--mask {args.mask} holds {mask.dtype} of shape {mask.shape}; expected booleans of shape {cells}, "
                    "one for each cell, with the columns in the order of scratchvae info"
                )
            return repeat_cells(schema, mask)
        return mask.reshape(len(mask), -1) if mask.ndim > 1 else mask
    if hasattr(args, "hide_fraction"):
        fraction = check_fraction("hide_fraction", args.hide_fraction)
        if schema is not None:
            return repeat_cells(
                schema, np.random.default_rng(args.seed).random((len(rows), len(schema.columns))) >= fraction
            )
        channels = 1 if vae.image_shape is None else (*vae.image_shape, 1)[2]
        pixels = np.random.default_rng(args.seed).random((len(rows), vae.input_dim // channels)) >= fraction
        return np.repeat(pixels, channels, axis=1)
    if not hasattr(args, "hide"):
        return None
    if vae.image_shape is None:
        raise ConfigError(f"--hide {args.hide}: {args.model} was not trained on images; use --hide-fraction")
    observed = np.ones((len(rows), *vae.image_shape), bool)
    height, width = vae.image_shape[:2]
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
        raise FileError(f"it holds the arrays {join_names(names) or 'none'}; expected one array of booleans")
    return names


def _print_error(vae: VAE, rows: Array, imputed: Array, hidden: Array) -> None:
    """Print the error at the hidden numbers, which are known, and that of the mean of the training rows.

    Columns in different units are compared by their scaled numbers.
    """
    rows, imputed = vae.scaled(rows), vae.scaled(imputed)
    error = imputation_error(rows, imputed, ~hidden)
    scaled = "" if vae.scale.is_identity else f", scaled by {vae.scale.kind}"
    line = f"mean squared error of the hidden numbers{scaled}: {_with_error(error)}"
    training = _training_rows(vae)
    if training is not None:
        mean = np.broadcast_to(_observed_mean(vae.scaled(training)), rows.shape)
        line += f"; of the mean of the training rows: {_with_error(imputation_error(rows, mean, ~hidden))}"
    print(line)


def _training_rows(vae: VAE) -> Array | None:
    """The training rows of the model, None if they are not where they were."""
    settings = {name: vae.metadata[name] for name in DATA_SETTINGS if name in vae.metadata}
    try:
        rows = dense(load_data(settings, vae).train.images) if "data" in settings else None
    except DataError:
        return None
    return rows if rows is not None and rows.shape[1] == vae.input_dim else None


def _with_error(error: ImputationError) -> str:
    form = ".4f" if 1e-3 <= error.value < 1e6 or not error.value else ".3e"
    return f"{error.value:{form}}" + plus_minus(error.standard_error, form)


def _observed_mean(rows: Array) -> Array:
    """The mean of the observed numbers in each column; of all columns for a column without any."""
    observed = ~np.isnan(rows)
    counts = observed.sum(axis=0)
    mean: Array = (np.where(observed, rows, 0.0) / np.maximum(counts, 1)).sum(axis=0)  # the sum itself may overflow
    return np.where(counts > 0, mean, (mean * (counts / max(counts.sum(), 1))).sum())
