"""Arguments that several commands share, and how they are read."""

from __future__ import annotations

import argparse
import json
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from scratchvae.cli.options import UNSET, Option, add_options, switch
from scratchvae.datasets import NAMES, Dataset, Split, load
from scratchvae.errors import ConfigError
from scratchvae.io import load as load_model
from scratchvae.models import VAE, Model
from scratchvae.objectives import ImportanceWeighted
from scratchvae.training import Score

Commands = Any  # argparse keeps the class of what add_subparsers returns to itself

DEBUG = switch("debug", "where an error ends it, show the traceback too")
JSON = switch("json", "print the result as JSON")
BACKEND = Option(
    "backend",
    "CPU; CPU with kernels that a C++ compiler makes here (not on Windows); GPU; or a GPU if one works",
    choices=("numpy", "native", "cupy", "auto"),
    default="numpy",
)
MODEL = (
    Option(
        "model", "a model file, or the folder that train wrote it to", default=None, metavar="MODEL", positional=True
    ),
    BACKEND,
)


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Tells each option's default, but of a switch, which is off by default as every switch is."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is False else super()._get_help_string(action)


def add_command(commands: Commands, name: str, run: Any, summary: str, example: str) -> argparse.ArgumentParser:
    """A command, with its one-line summary and an example under its help."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example: {example}",
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(run=run)
    add_options(parser, [DEBUG._replace(default=UNSET)])  # lest it undo what stands before the command
    return parser


def data_options(default: str | None, default_text: str) -> tuple[Option, ...]:
    """Which data, and where it lies."""
    return (
        Option(
            "data",
            f"{', '.join(NAMES)}, a .npy, .npz, .csv or .tsv file, or a folder of grey images or idx files; "
            f"{default_text}",
            default=default,
            metavar="DATA",
            nargs="?",
            positional=True,
        ),
        Option(
            "data-dir",
            "where a set known by name lies; without it: $SCRATCHVAE_DATA, the cache, and for the MNISTs a download",
            metavar="DIR",
        ),
        Option("key", "which array of an .npz file; needed if it has several", metavar="NAME"),
    )


def part_option(default: str) -> Option:
    """Which part of the data."""
    return Option(
        "part",
        "of the data; of your own, every tenth row tests; validation is for binarized-mnist",
        choices=("train", "validation", "test", "all"),
        default=default,
    )


def rows_options(part: str) -> tuple[Option, ...]:
    """Which model, and which rows: by default those of a part of the data that it learnt from."""
    return (*MODEL, *data_options(None, "without it, what the model learnt from"), part_option(part))


def seed_option(what: str) -> Option:
    """The seed of whatever is drawn."""
    return Option("seed", f"of {what}", int, 0)


def read_data(args: argparse.Namespace) -> Dataset:
    """The data set that the arguments name."""
    return load(args.data, getattr(args, "data_dir", None), getattr(args, "key", None))


def read_model(args: argparse.Namespace) -> Any:
    """The model that the arguments name."""
    return load_model(args.model, args.backend)


def read_vae(args: argparse.Namespace) -> VAE:
    """The model that the arguments name, which must be a VAE."""
    model = read_model(args)
    if not isinstance(model, VAE):
        raise ConfigError(f"{args.model} is an {type(model).__name__}; {args.command} needs a VAE, with a prior")
    return model


def read_rows(args: argparse.Namespace, model: Any) -> Split:
    """The rows that the arguments name; without a name, of the data that the model learnt from."""
    if not args.data:
        for name in ("data", "data_dir", "key"):
            if name in model.metadata and getattr(args, name, None) is None:
                setattr(args, name, model.metadata[name])
    if not args.data:
        raise ConfigError(f"{args.model} does not say what data it learnt from; name some DATA")
    rows = read_data(args).part(args.part)
    width = rows.images.shape[1]
    if width != model.input_dim:
        raise ConfigError(f"{args.data} has {width} numbers a row, but {args.model} learnt from {model.input_dim}")
    return rows


def data_source(args: argparse.Namespace) -> dict[str, str]:
    """Where the data came from, so that it is found again from any folder."""
    source = {name: getattr(args, name) for name in ("data", "data_dir", "key") if hasattr(args, name)}
    if "data_dir" in source:
        source["data_dir"] = str(Path(source["data_dir"]).resolve())
    if args.data not in NAMES:
        source["data"] = str(Path(args.data).resolve())
    return source


def describe_score(model: Model, result: Score) -> str:
    """One line on a score."""
    error = "" if isnan(result.standard_error) else f" ± {result.standard_error:.2f}"
    if not isinstance(model, VAE):
        return f"log-likelihood {result.value:.2f}{error} nats a row"
    name = "ELBO" if model.objective.beta == 1.0 else f"objective, beta {model.objective.beta:g},"
    if isinstance(model.objective, ImportanceWeighted):
        name = f"bound of {model.objective.draws} draws"
    terms = f"reconstruction {result.reconstruction:.2f}, KL {result.kl:.2f}"
    return f"{name} {result.value:.2f}{error} nats a row ({terms})"


def print_json(content: dict[str, Any]) -> None:
    """`content` on standard output."""
    print(as_json(content))


def as_json(content: dict[str, Any]) -> str:
    """`content` as JSON text; what is no finite number becomes null, for JSON has no other word for it."""
    return json.dumps({name: _finite(value) for name, value in content.items()}, indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
