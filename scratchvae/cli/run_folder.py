"""The folder of a run: its name, its lock, and its files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import scratchvae
from scratchvae.cli.arguments import as_json
from scratchvae.cli.config_file import CONFIG, with_absolute_paths
from scratchvae.cli.model_options import has_kl
from scratchvae.cli.outputs import print_warning, redirect_warnings, write_text
from scratchvae.datasets import Dataset
from scratchvae.disk import check_writable, locked
from scratchvae.errors import ConfigError, UnlockedWarning
from scratchvae.io import LAST_FINITE, MODEL, load, save
from scratchvae.models import Model
from scratchvae.plotting import REPORT_PICTURES, plot_report, save_picture
from scratchvae.rows import is_pattern
from scratchvae.training import History

LOCK = ".lock"


@contextmanager
def run_folder(args: argparse.Namespace, data: Dataset, model: Model) -> Iterator[Path]:
    """The folder of the run, --out or runs/DATA, locked against other runs.

    Raises ConfigError, BusyError or FileError before training starts.
    """
    named = Path(data.name).resolve()
    named = named.parent if is_pattern(data.name) else named
    out = Path(args.out) if hasattr(args, "out") else Path("runs", named.stem)
    with redirect_warnings(print_warning, UnlockedWarning), ExitStack() as stack:
        args.processes.on_first(partial(_lock, stack, out, None if hasattr(args, "out") else model))
        yield out


def _lock(stack: ExitStack, out: Path, model: Model | None) -> None:
    """Lock the folder until the end of `stack`. With a model, an earlier one in the folder must be of its data."""
    check_writable(out)
    stack.enter_context(locked(out / LOCK))
    if model is not None:
        _check_earlier(out, model)


def _check_earlier(out: Path, model: Model) -> None:
    if (out / MODEL).exists():
        earlier = load(out / MODEL).metadata.get("data")
        if earlier != model.metadata["data"]:
            raise ConfigError(f"{out} holds a model of other data, {earlier}; choose another folder with --out")


def write_config(out: Path, args: argparse.Namespace, model: Model, result: dict[str, Any] | None) -> None:
    """Write the settings of the run, and its result, None before the end."""
    settings = {name: value for name, value in vars(args).items() if name not in ("run", "command", "processes")}
    versions = {"scratchvae": scratchvae.__version__, "numpy": np.__version__}
    settings = with_absolute_paths({**settings, "out": str(out)})
    record = {"command": settings, "model": model.to_config(), "versions": versions, "result": result}
    write_text(as_json(record), out / CONFIG)


def write_run(
    out: Path, args: argparse.Namespace, model: Model, history: History, data: Dataset, result: dict[str, Any]
) -> list[str]:
    """Write the model, its records and its pictures into `out`; return the names of the files."""
    earlier_run = (out / MODEL).exists()
    save(model, out / MODEL)
    (out / LAST_FINITE).unlink(missing_ok=True)
    history.to_csv(out / "history.csv")
    kl_files = ["kl.csv"] if has_kl(model) else []
    if kl_files:
        history.kl_to_csv(out / "kl.csv")
    elif earlier_run:
        (out / "kl.csv").unlink(missing_ok=True)
    write_config(out, args, model, result)
    with_pictures = not args.no_pictures and find_spec("matplotlib")
    figures = plot_report(model, history, data, args.seed) if with_pictures else {}
    for name, figure in figures.items():
        save_picture(figure, out / f"{name}.png")
    for name in set(REPORT_PICTURES) - set(figures) if earlier_run else ():
        (out / f"{name}.png").unlink(missing_ok=True)  # a picture of the earlier model
    return [MODEL, "history.csv", *kl_files, CONFIG, *(f"{name}.png" for name in figures)]
