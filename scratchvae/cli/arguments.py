"""Options that several commands share, and the data and models that they name."""

from __future__ import annotations

import argparse
import json
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from scratchvae.cli.argument_parser import Parser
from scratchvae.cli.messages import as_typed, count_of, nearest
from scratchvae.cli.options import UNSET, Option, switch
from scratchvae.datasets import NAMES, Dataset, Split, load
from scratchvae.errors import ConfigError, DataError, FileError
from scratchvae.io import load as load_model
from scratchvae.models import VAE, Model
from scratchvae.objectives import ImportanceWeighted
from scratchvae.training import Score
from scratchvae.training.callbacks.progress import objective_name

Commands = Any  # the private class of argparse that add_subparsers returns

DEBUG = switch("debug", "after an error, print the traceback too")
JSON = switch("json", "print the result as JSON", common=True)
BACKEND = Option(
    "backend",
    "where to compute",
    choices=("numpy", "native", "cupy", "auto"),
    default="numpy",
    common=True,
    details="numpy: CPU; native: CPU, with kernels that the C++ compiler of this machine makes (not on Windows); "
    "cupy: GPU; auto: GPU if one works, else CPU",
)
MODEL = (
    Option(
        "model",
        "a model file, or the folder that train wrote, such as runs/digits",
        default=None,
        metavar="MODEL",
        positional=True,
    ),
    BACKEND,
)


def add_command(commands: Commands, name: str, run: Any, summary: str, example: str, help_all: bool = True) -> Parser:
    """Add a command with a summary of one line, and an example below its help."""
    parser: Parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=f"example: {example}"
    )
    if help_all:
        parser.add_help_action("--help-all", help="show every option")
    parser.set_defaults(run=run)
    parser.add_options([DEBUG._replace(default=UNSET)])  # so that it does not undo `scratchvae --debug COMMAND`
    return parser


def data_options(default: str | None, default_text: str, missing: str = "") -> tuple[Option, ...]:
    """The data, and where to find it, with a clause of the help about missing values."""
    return (
        Option(
            "data",
            f"a data set, such as digits or mnist; a .npy, .npz, .csv or .tsv file; or a folder of grey "
            f"images{missing} {default_text}",
            default=default,
            metavar="DATA",
            nargs="?",
            positional=True,
            details=f"Data sets: {', '.join(NAMES)}. A folder may also hold idx files",
        ),
        Option(
            "data-dir",
            "the folder of a data set (default: $SCRATCHVAE_DATA, then the cache, then a download of MNIST and "
            "Fashion-MNIST)",
            metavar="DIR",
        ),
        Option("key", "the array of an .npz file that holds several", metavar="NAME"),
    )


def part_option(default: str) -> Option:
    """The part of the data."""
    return Option(
        "part",
        "part of the data",
        choices=("train", "validation", "test", "all"),
        default=default,
        common=True,
        details="The test part of your own data is every tenth row; binarized-mnist alone has a validation part",
    )


def rows_options(part: str) -> tuple[Option, ...]:
    """The model, and the rows: by default a part of its training data set."""
    return (*MODEL, *data_options(None, "(default: the training data of the model)"), part_option(part))


def seed_option(purpose: str) -> Option:
    """The seed of random numbers."""
    return Option("seed", f"seed of {purpose}", int, 0, metavar="N", common=True)


def read_data(args: argparse.Namespace) -> Dataset:
    """The data set that the arguments name. Raises DataError."""
    return load_data(args.data, getattr(args, "data_dir", None), getattr(args, "key", None))


def load_data(data: str, folder: str | None = None, key: str | None = None) -> Dataset:
    """`scratchvae.datasets.load`, which for an unknown name suggests one. Raises DataError."""
    if data not in NAMES and not exists(data):
        near = nearest(data, NAMES) or nearest_path(data, (".npy", ".npz", ".csv", ".tsv", ""))
        expected = (
            ": expected a data set such as digits or mnist (see scratchvae train --help-all), a .npy, .npz, .csv or "
            ".tsv file, or a folder of images"
        )
        raise DataError(f"there is no data {as_typed(data)}{f'; did you mean {near}?' if near else expected}")
    return load(data, folder, key)


def read_model(args: argparse.Namespace) -> Any:
    """The model that the arguments name. Raises FileError."""
    if not exists(args.model):
        near = nearest_path(args.model, (".npz", ""))
        hint = (
            f"; did you mean {near}?" if near else ": expected a model file, or the folder of a run of scratchvae train"
        )
        raise FileError(f"there is no model {as_typed(args.model)}{hint}")
    return load_model(args.model, args.backend)


def exists(path: str) -> bool:
    """True if there is such a file or folder."""
    try:
        return bool(path) and Path(path).exists()
    except (OSError, ValueError):  # a name that is too long, or has a null character
        return False


def nearest_path(path: str, suffixes: tuple[str, ...]) -> str | None:
    """The most similar file or folder beside `path` that has one of the suffixes; None if none is similar."""
    try:
        folder = Path(path).parent
        names = [entry.name for entry in folder.iterdir() if entry.suffix in suffixes and entry.name[0] != "."]
    except (OSError, ValueError):
        return None
    near = nearest(Path(path).name, names)
    return None if near is None else str(folder / near)


def read_vae(args: argparse.Namespace) -> VAE:
    """The model that the arguments name, which must be a VAE. Raises ConfigError or FileError."""
    model = read_model(args)
    if not isinstance(model, VAE):
        raise ConfigError(f"{args.model} is an {type(model).__name__}; {args.command} needs a VAE, which has a prior")
    return model


def read_rows(args: argparse.Namespace, model: Any) -> Split:
    """The rows that the arguments name, by default from the data set of the training. Raises ConfigError, DataError."""
    if not args.data:
        for name in ("data", "data_dir", "key"):
            if name in model.metadata and getattr(args, name, None) is None:
                setattr(args, name, model.metadata[name])
    if not args.data:
        raise ConfigError(f"{args.model} does not record its training data; add DATA after MODEL")
    rows = read_data(args).part(args.part)
    width = rows.images.shape[1]
    if width != model.input_dim:
        raise ConfigError(
            f"{args.data} has {count_of(width, 'number')} per row, but {args.model} was trained on rows of "
            f"{model.input_dim}"
        )
    return rows


def data_source(args: argparse.Namespace) -> dict[str, str]:
    """The data of a training, with absolute paths, so that other commands find it from any folder."""
    source = {name: getattr(args, name) for name in ("data", "data_dir", "key") if hasattr(args, name)}
    if "data_dir" in source:
        source["data_dir"] = str(Path(source["data_dir"]).resolve())
    if args.data not in NAMES:
        source["data"] = str(Path(args.data).resolve())
    return source


def describe_score(model: Model, result: Score) -> str:
    """A score in one line."""
    error = "" if isnan(result.standard_error) else f" ± {result.standard_error:.2f}"
    name = objective_name(model)
    if not isinstance(model, VAE):
        return f"{name} {result.value:.2f}{error} nats per row"
    if isinstance(model.objective, ImportanceWeighted):
        name = f"{name} of {count_of(model.objective.draws, 'draw')}"
    elif model.objective.beta != 1.0:
        name = f"{name} with beta {model.objective.beta:g}"
    terms = f"reconstruction {result.reconstruction:.2f}, KL {result.kl:.2f}"
    return f"{name} {result.value:.2f}{error} nats per row ({terms})"


def print_json(content: dict[str, Any]) -> None:
    """Print `content` as JSON."""
    print(as_json(content))


def as_json(content: dict[str, Any]) -> str:
    """`content` as JSON, with null for NaN and infinities, which JSON does not have."""
    return json.dumps(_without_nonfinite(content), indent=2, allow_nan=False)


def _without_nonfinite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nonfinite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_nonfinite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
